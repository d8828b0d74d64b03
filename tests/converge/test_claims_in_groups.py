"""A pass that works in small groups, while a service leaves an address that another waits for."""

import json

import pytest
from structlog.testing import capture_logs

from tests import builders
from tests.converge.test_faults import hurry
from tests.small_installation import LEASES, SmallInstallation, activated
from worker.convergence import batch
from worker.convergence.concurrency import PassLimits
from worker.convergence.faults import SPLIT
from worker.convergence.gather import Gatherer
from worker.core.policy.circuit import BackOff

pytestmark = [pytest.mark.redis, pytest.mark.router]


@pytest.fixture
def here():
    limits = PassLimits(back_off=BackOff(0.1, 1.0, 1.0))
    with capture_logs(), SmallInstallation(1, limits=limits) as here:
        yield here


def in_groups(here, monkeypatch, *services):
    """Have a pass fail with these services, so that the next one takes a few at a time."""

    def fail(*_):
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(batch, "plan", fail)
    here.store.routers.add_work("R1", services)
    here.converge.run("R1")
    monkeypatch.undo()
    hurry(here)
    now_ms = here.store.records.now_ms()
    due = {service: now_ms - 10 + at for at, service in enumerate(services)}
    here.client.zadd(here.block("R1").due, due)


def test_who_left_an_address_does_not_take_it_back_from_who_waited(here, monkeypatch):
    others = [f"SVC-{number}" for number in range(3, 2 * SPLIT + 1)]
    here.say(activated("SVC-1", 1), *(activated(each, int(each[4:])) for each in others))
    here.drain()
    here.say(waiting := activated("SVC-2", 2, ipv4=builders.ipv4(1)))
    here.drain()
    assert here.outcome(waiting).startswith("waiting: claim-held")
    (row,) = (row for row in here.rows("R1") if row["address"] == builders.ipv4(1))
    here.r["R1"].remove_row(LEASES, row[".id"])  # as the reset of a router does
    in_groups(here, monkeypatch, "SVC-2", others[0], "SVC-1", *others[1:])
    elsewhere = {"mode": "static", "ipv4": builders.ipv4(99)}
    left = builders.address_changed("SVC-1", address=elsewhere, revision=2)
    groups = []
    claim = Gatherer.claim

    def claim_later(self, items, **how):
        """The first group claims when the work items were taken a while ago."""
        if not groups:
            here.say(left)
        groups.append([item.service_id for item in items])
        return claim(self, items, **how)

    monkeypatch.setattr(Gatherer, "claim", claim_later)
    written = len(here.r["R1"].journal())
    here.drain()
    assert (groups[0], groups[1][0]) == (["SVC-2", others[0]], "SVC-1")
    assert here.outcome(waiting).startswith("applied")
    assert here.outcome(left).startswith("applied")
    rows = {row["comment"].rpartition(":")[2]: row["address"] for row in here.rows("R1")}
    assert (rows["SVC-1"], rows["SVC-2"]) == (builders.ipv4(99), builders.ipv4(1))
    journal = here.r["R1"].journal()[written:]
    addresses = [entry["after"]["address"] for entry in journal if entry["after"]]
    assert addresses == [builders.ipv4(1), builders.ipv4(99)]


def test_who_left_an_address_keeps_no_claim_on_it_when_its_row_is_changed(here, monkeypatch):
    here.say(activated("SVC-1", 1))
    here.drain()
    asked, routers = [], type(here.store.routers)
    ask = routers.claim
    monkeypatch.setattr(routers, "claim", lambda *of: asked.append(of[2]) or ask(*of))
    elsewhere = {"mode": "static", "ipv4": builders.ipv4(99)}
    here.say(builders.address_changed("SVC-1", address=elsewhere, revision=2))
    here.drain()
    assert not any(asked), "its event brought the new one"
    claims = json.loads(here.client.hget(here.block("R1").held, "SVC-1"))
    assert [key for key, _ in claims if "address" in key] == [f"address:{builders.ipv4(99)}"]
    assert not here.client.hexists(here.block("R1").claims, f"address:{builders.ipv4(1)}")


def test_who_wants_what_one_had_when_he_was_taken_is_looked_at_again_soon(here, monkeypatch):
    """It has the address, and the record that still wants it is older: nobody would wake it."""
    here.say(activated("SVC-1", 1), activated("SVC-2", 2))
    here.drain()
    here.say(changed("SVC-2", 1, 2))
    here.say(changed("SVC-1", 2, 2))
    later_ms = here.store.records.now_ms() + 60_000
    here.client.zadd(here.block("R1").due, {"SVC-2": later_ms})
    claim, back = Gatherer.claim, changed("SVC-2", 2, 3)

    def claim_and_change(self, items, **how):
        monkeypatch.setattr(Gatherer, "claim", claim)
        claimed = claim(self, items, **how)
        here.say(back, builders.cancelled("SVC-1", revision=3))
        return claimed

    monkeypatch.setattr(Gatherer, "claim", claim_and_change)
    here.drain()
    assert here.outcome(back).startswith("waiting: claim-held")
    due_ms = here.client.zscore(here.block("R1").due, "SVC-2") % 10**13
    assert due_ms < here.store.records.now_ms() + 2_000
    hurry(here)
    here.drain()
    assert here.outcome(back).startswith("applied")


def changed(service, number, revision):
    address = {"mode": "static", "ipv4": builders.ipv4(number)}
    return builders.address_changed(service, address=address, revision=revision)
