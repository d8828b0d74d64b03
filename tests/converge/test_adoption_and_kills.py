"""Who adopts rows may die at any moment: what got our tag is found, and what did not is left."""

from contextlib import contextmanager
from time import monotonic

import pytest

from tests import builders
from tests.builders import event, ipv4, mac
from tests.installation import NEWEST
from tests.small_installation import SERVER, SmallInstallation, activated
from worker.admin.adoption import Adoption
from worker.convergence.concurrency import RouterLock
from worker.core.rows.rows import NO_ADDRESS

pytestmark = [pytest.mark.redis, pytest.mark.router]

LEASE = "/ip/dhcp-server/lease"


class Died(BaseException):
    pass


@pytest.fixture(params=[1, 9], ids=["by-mac", "by-address"])
def here(request):
    with SmallInstallation(1) as world:
        row = {"mac-address": mac(request.param), "address": builders.ipv4(1), "server": SERVER}
        world.r["R1"].add_row(LEASE, {**row, "comment": "customer 7"})
        world.say(activated("SVC-1", 1))
        world.drain()
        assert world.outcome(activated("SVC-1", 1)).startswith("waiting: foreign-row")
        yield world


@contextmanager
def adopting(here):
    """Whoever has the lock of R1; it ends with the block."""
    adoption = Adoption(here.store, "R1", here.policies["R1"])
    session = here.sessions.open("R1")
    here.store.fleet.seize("R1", "by-hand", 1_000)
    lock = RouterLock(here.store.routers, "R1", "by-hand", monotonic)

    def adopt():
        rows = [row for row in adoption.sort(session) if row.sort == "adopt"]
        return adoption.apply(session, lock, rows, "ann")

    try:
        yield adopt
    finally:
        here.sessions.give_back("R1", session)
        here.store.fleet.release("R1", "by-hand")


def comments(here):
    return [row["comment"] for row in here.r["R1"].rows(LEASE)]


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_row_whose_adopter_died_is_found_by_the_end_of_its_service(here, monkeypatch, is_lost):
    """The text of a person behind the tag hides it from who looks for the tag alone.

    Redis may have lost what the adopter noted.
    """

    def die(*_, **__):
        raise Died

    with adopting(here) as adopt, monkeypatch.context() as patched:
        patched.setattr(type(here.store.fleet), "recheck", die)
        with pytest.raises(Died):
            adopt()
    assert comments(here) == ["leasewire:acme:SVC-1 customer 7"]
    if is_lost:
        here.store.client.delete(here.block("R1").inflight)
    here.say(builders.cancelled("SVC-1", revision=2))
    here.drain()
    assert comments(here) == []


def test_so_is_one_whose_service_ends_before_the_next_pass(here):
    with adopting(here) as adopt:
        adopt()
    assert here.store.client.hvals(here.block("R1").inflight)[0].startswith("|1|")
    here.say(builders.cancelled("SVC-1", revision=2))
    here.drain()
    assert comments(here) == []
    assert here.store.client.hvals(here.block("R1").inflight) == []


def test_nothing_is_tagged_once_the_lock_is_lost(here):
    with adopting(here) as adopt:
        here.store.fleet.release("R1", "by-hand")
        with pytest.raises(Exception, match="lock"):
            adopt()
    assert comments(here) == ["customer 7"]
    here.say(builders.cancelled("SVC-1", revision=2))
    here.drain()
    assert comments(here) == ["customer 7"], "it was never ours"


BY_IDS = {"router_lines": {"R1": 'identify_by = "option-82"'}, "simulator": {"version": NEWEST}}


@pytest.mark.parametrize(("known_by", "ends"), [("mac", False), ("ids", True)])
def test_one_that_must_give_way_at_a_router_of_ids_is_found_again(known_by, ends):
    """Who wants its device decides whether it holds a MAC or ids of nobody meanwhile."""
    by_mac = known_by == "mac"
    named = {"mac-address": mac(9)} if by_mac else {"agent-circuit-id": b"eth 9".hex()}
    with SmallInstallation(1, **BY_IDS) as here:
        row = {"address": ipv4(1), "server": SERVER, "comment": "customer 7"}
        here.r["R1"].add_row(LEASE, {**row, **named})
        other = here.r["R1"].add_row(LEASE, {"mac-address": mac(8), "address": ipv4(2)})
        here.say(activated("SVC-1", 1, device={"circuit_id": "eth 1"}))
        here.drain()
        with adopting(here) as adopt:
            assert adopt().tagged == ["SVC-1"]
        address = {"mode": "static", "ipv4": ipv4(2)}
        here.say(event("address_changed", "SVC-1", revision=2, address=address))
        device = {"mac": mac(9)} if by_mac else {"circuit_id": "eth 9"}
        here.say(activated("SVC-2", 2, ipv4=ipv4(1), device=device))
        here.drain()
        assert here.r["R1"].rows(LEASE)[0]["address"] == NO_ADDRESS
        here.r["R1"].remove_row(LEASE, other)
        end = builders.cancelled if ends else builders.suspended
        here.say(end("SVC-1", revision=3))
        here.drain()
        of_both = ["leasewire:acme:SVC-1 customer 7", "leasewire:acme:SVC-2"]
        assert comments(here) == of_both[ends:]
