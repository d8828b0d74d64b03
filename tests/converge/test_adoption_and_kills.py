"""Who adopts rows may die at any moment: what got our tag is found, and what did not is left."""

from contextlib import contextmanager
from time import monotonic

import pytest

from tests import builders
from tests.builders import mac
from tests.small_installation import SERVER, SmallInstallation, activated
from worker.admin.adoption import Adoption
from worker.convergence.concurrency import RouterLock

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
