"""Devices are told to renew after a change: once, a bounded number a minute, and never again."""

import pytest

from contracts.identity import event_key
from tests import builders
from tests.small_installation import LEASES, SERVER, SmallInstallation
from tests.waiting import eventually
from worker.core.effect.facts import EffectFacts
from worker.routeros.session import Session
from worker.watching.effects import EffectReader

pytestmark = [pytest.mark.redis, pytest.mark.router]

SEND = f"{LEASES}/send-reconfigure"


class Killed(BaseException):
    """Stands for the end of the process."""


def address(number):
    return f"223.203.225.{number}"


@pytest.fixture
def here():
    simulator = {"version": "7.20.8"}
    defaults = "reconfigures_per_minute = 2"
    with SmallInstallation(1, defaults=defaults, simulator=simulator) as small:
        small.r["R1"].set_row("/ip/dhcp-server", SERVER, {"use-reconfigure": "yes"})
        yield small


def connected(here, *numbers, reconfigure="obey"):
    """Services whose devices have their addresses, and asked for a key where they know it."""
    here.say(*(said(number) for number in numbers))
    here.drain()
    for number in numbers:
        here.r["R1"].device(builders.mac(number), reconfigure=reconfigure)
    here.r["R1"].reset_counters()


def said(number, ipv4=None, revision=1):
    return builders.activated(
        f"SVC-{number}",
        mac=builders.mac(number),
        ipv4=ipv4 or address(10 + number),
        router="R1",
        server=SERVER,
        revision=revision,
    )


def active(here, number=1):
    (row,) = (row for row in here.rows("R1") if row["mac-address"] == builders.mac(number))
    return row["active-address"]


def sent(here):
    return here.r["R1"].counters().get(SEND, 0)


def test_a_device_that_obeys_has_its_new_address_at_once(here):
    connected(here, 1)
    here.say(said(1, address(99), revision=2))
    here.drain()
    eventually(lambda: active(here) == address(99), "it has moved", within_s=2)
    note = here.store.reconfigures.of("R1", ["SVC-1", "SVC-2"])
    assert note.keys() == {"SVC-1"}
    assert note["SVC-1"].refused == ""
    assert abs(note["SVC-1"].at_ms - here.store.records.now_ms()) < 10_000


def test_each_device_of_a_service_is_told_of_its_own_change_alone(here):
    def device(ipv4):
        return {"number": 2, "mac": builders.mac(2), "address": {"mode": "static", "ipv4": ipv4}}

    here.say(
        said(1), builders.event("device_added", "SVC-1", revision=2, device=device(address(12)))
    )
    here.drain()
    for number in (1, 2):
        here.r["R1"].device(builders.mac(number), reconfigure="obey")
    moved = device(address(98))
    here.say(builders.event("device_added", "SVC-1", revision=3, device=moved))
    here.drain()
    eventually(lambda: active(here, 2) == address(98), "it has moved", within_s=2)
    assert (sent(here), active(here, 1)) == (1, address(11))
    here.say(
        builders.activated(
            "SVC-1",
            mac=builders.mac(1),
            ipv4=address(97),
            router="R1",
            server=SERVER,
            revision=4,
            devices=[moved],
        )
    )
    here.drain()
    eventually(lambda: active(here, 1) == address(97), "the first one too", within_s=2)
    assert sent(here) == 2
    assert here.store.reconfigures.of("R1", ["SVC-1", "SVC-1/2"]).keys() == {"SVC-1", "SVC-1/2"}


def test_one_that_ignores_it_is_told_once_and_keeps_its_address(here):
    connected(here, 1, reconfigure="ignore")
    here.say(said(1, address(99), revision=2))
    here.drain()
    here.say(said(1, address(99), revision=3))  # nothing changes
    here.drain()
    here.store.routers.add_work("R1", ["SVC-1"])
    here.drain()
    assert sent(here) == 1
    assert active(here) == address(11)
    assert here.r["R1"].device_renews(builders.mac(1))["address"] == address(99)


def test_one_that_asked_for_no_key_is_not_told(here):
    connected(here, 1, reconfigure="")
    here.say(said(1, address(99), revision=2))
    here.drain()
    assert sent(here) == 0
    assert here.store.reconfigures.of("R1", ["SVC-1"]) == {}


def test_nothing_is_asked_where_no_server_can(here):
    connected(here, 1)
    here.store.memory.note_effect("R1", EffectFacts(read_at_ms=1))
    here.say(said(1, address(98), revision=2))
    here.drain()
    prints = here.r["R1"].counters()[f"{LEASES}/print"]
    facts = EffectFacts(read_at_ms=1, version=(7, 20, 8), reconfigure=frozenset({SERVER}))
    here.store.memory.note_effect("R1", facts)
    here.r["R1"].reset_counters()
    here.say(said(1, address(99), revision=3))
    here.drain()
    assert here.r["R1"].counters()[f"{LEASES}/print"] == prints + 1


def test_what_a_pass_has_just_read_counts_in_it(here):
    connected(here, 1)
    here.store.memory.note_effect("R1", EffectFacts(read_at_ms=1))  # it could not, then
    here.client.hdel(here.store.keys.fleet.full_reads, "R1")  # its table is to be read again
    moved = {"mode": "static", "ipv4": address(99)}
    event = builders.event("address_changed", "SVC-1", revision=2, address=moved)
    here.say(event)
    here.drain()
    assert sent(here) == 1
    (said_of,) = here.store.views.outcomes([event_key(event["source"], event["id"])])
    assert said_of.effective_by.startswith("reconfigure")


def test_more_than_a_minute_allows_are_not_sent(here):
    connected(here, 1, 2, 3)
    here.say(*(said(number, address(90 + number), revision=2) for number in (1, 2, 3)))
    here.drain()
    assert sent(here) == 2
    here.say(said(1, address(81), revision=3))
    here.drain()
    assert sent(here) == 2
    assert here.store.reconfigures.take("R1", 5, 2, here.store.records.now_ms() + 60_000) == 2


def test_a_refusal_is_noted_and_harms_nothing(here):
    connected(here, 1)
    here.r["R1"].set_row("/ip/dhcp-server", SERVER, {"use-reconfigure": "no"})
    event = said(1, address(99), revision=2)
    here.say(event)
    here.drain()
    assert here.outcome(event) == "applied"
    note = here.store.reconfigures.of("R1", ["SVC-1"])["SVC-1"]
    assert note.refused == "failure: server does not use reconfigure"
    assert here.store.views.state("R1").state == "up"


@pytest.mark.parametrize(
    ("server_can", "told"),
    [
        (True, "it was told to renew, and has not done so"),
        (False, "the router did not tell it to renew: failure: server does not use reconfigure"),
    ],
)
def test_the_watch_says_what_became_of_the_message(here, server_can, told):
    connected(here, 1, reconfigure="ignore")
    if not server_can:
        here.r["R1"].set_row("/ip/dhcp-server", SERVER, {"use-reconfigure": "no"})
    moved = {"mode": "static", "ipv4": address(99)}
    here.say(builders.event("address_changed", "SVC-1", revision=2, address=moved))
    here.drain()
    for member in here.client.zrange(here.store.keys.watches_due, 0, -1):
        here.client.zadd(here.store.keys.watches_due, {member: 1})
    EffectReader(here.store, here.sessions, here.policies).once()
    said = here.store.feed.read([builders.SOURCE], "0-0", 100).items[-1].outcome
    assert (said.state, said.reason) == ("not-acting-yet", "keeps-old-lease")
    assert said.detail.endswith(told)
    assert said.effective_by.startswith("reconfigure")


@pytest.mark.parametrize("name", ["reconfigurable", "send_reconfigure"])
def test_a_worker_that_dies_before_sending_leaves_it(here, monkeypatch, name):
    connected(here, 1)
    event = said(1, address(99), revision=2)
    here.say(event)
    with monkeypatch.context() as patched:

        def killed(*_, **__):
            raise Killed

        patched.setattr(Session, name, killed)
        with pytest.raises(Killed):
            here.converge.run("R1")
    assert here.outcome(event) == "applied"
    here.client.delete(here.block("R1").lock)  # its time limit is over
    here.load()
    here.store.routers.add_work("R1", ["SVC-1"])
    here.drain()
    assert sent(here) == 0


def test_the_key_never_leaves_the_router(here, monkeypatch):
    connected(here, 1)
    key = here.rows("R1")[0]["reconfigure-key"]
    seen = []
    reconfigurable = Session.reconfigurable

    def seeing(self, *args):
        run = self.connection.run

        def spied(*words, **more):
            replies = run(*words, **more)
            seen.extend(str(reply.rows) for reply in replies)
            return replies

        monkeypatch.setattr(self.connection, "run", spied)
        return reconfigurable(self, *args)

    monkeypatch.setattr(Session, "reconfigurable", seeing)
    here.say(said(1, address(99), revision=2))
    here.drain()
    assert sent(here) == 1
    assert seen
    assert not any(key in text for text in seen)
