"""Two installations with one id at one router, such as a copy for tests: one of them writes."""

import pytest

from tests import builders
from tests.small_installation import SERVER, SmallInstallation, activated
from tests.store.passing_time import let_pass
from worker.convergence.router_pass import Converge
from worker.intake.accept import Accept
from worker.routeros.sessions import Sessions
from worker.store.store import open_store

pytestmark = [pytest.mark.redis, pytest.mark.router]

LISTS = "/ip/firewall/address-list"
SERVICES = range(1, 8)


class Copy:
    """Another Redis, with the same services and other MACs, behind the same inventory."""

    def __init__(self, world):
        self.store = open_store(world.client, "copy:", 30_000)
        self.sessions = Sessions(world.inventory, world.settings)
        self.accept = Accept(self.store, world.inventory.sources, world.policies)
        self.converge = Converge(self.store, self.sessions, world.policies)

    def say(self, *events):
        self.accept.run(list(events), "events")
        self.run()

    def run(self):
        for _ in range(3):
            self.converge.run("R1")

    @property
    def state(self):
        state = self.store.views.state("R1")
        return state.state, state.cause


@pytest.fixture
def here():
    with SmallInstallation(1) as world:
        yield world


@pytest.fixture
def copy(here):
    copy = Copy(here)
    yield copy
    copy.sessions.close_all()


def rows(world):
    return sorted((row["comment"], row["mac-address"]) for row in world.rows("R1"))


def served(world):
    world.say(*(activated(f"SVC-{n}", n) for n in SERVICES))
    world.drain()
    return rows(world)


def others(first=1):
    """The same services, each with another device."""
    return [with_device(n, 99 + n) for n in SERVICES if n >= first]


def with_device(number, device):
    return builders.activated(
        f"SVC-{number}",
        mac=builders.mac(device),
        ipv4=builders.ipv4(number),
        router="R1",
        server=SERVER,
    )


def test_at_the_first_contact(here, copy):
    before = served(here)
    copy.say(*others())
    assert copy.state == ("blocked", "rows-of-another")
    assert rows(here) == before
    message = copy.store.views.state("R1").message
    assert message.startswith("7 services that this Redis never wrote have other rows there")


@pytest.mark.parametrize("started_again", [False, True])
def test_in_the_middle_of_a_day(here, copy, started_again):
    copy.say(activated("SVC-99", 99))
    assert copy.state == ("up", "")
    before = served(here)
    if started_again:  # its services are looked at closely then
        copy.store.client.set(copy.store.keys.redis_run, "another|0")
    copy.say(*others())
    assert copy.state == ("blocked", "rows-of-another")
    assert [row for row in rows(here) if "SVC-99" not in row[0]] == before[:7]


def test_a_person_may_say_that_they_are_ours(here, copy):
    served(here)
    copy.say(*others())
    copy.store.full_reads.approve("R1", "ann", copy.store.records.now_ms())
    copy.run()
    assert copy.state == ("up", "")
    assert rows(here) == [(f"leasewire:acme:SVC-{n}", builders.mac(99 + n)) for n in SERVICES]


def test_a_redis_that_was_lost_and_told_of_all_again_goes_on(here, copy):
    served(here)
    changed = with_device(1, 100)
    copy.say(changed, *(activated(f"SVC-{n}", n) for n in SERVICES if n > 1))
    assert copy.state == ("up", "")
    assert rows(here)[0] == ("leasewire:acme:SVC-1", builders.mac(100))


def test_a_few_are_set_right(here, copy):
    served(here)
    copy.say(*[activated(f"SVC-{n}", n) for n in SERVICES if n < 3], *others(first=3))
    assert copy.state == ("up", "")


def test_rows_that_we_wrote_are_ours_though_what_follows_them_is_refused():
    with SmallInstallation(1, defaults='suspend_list = "susp"') as world:
        message = {"menu": LISTS, "field": "list", "value": "*", "text": "no space left"}
        world.r["R1"].set_faults(refuse_values=[message])
        world.say(*(activated(f"SVC-{n}", n) for n in SERVICES))
        world.say(*(builders.suspended(f"SVC-{n}", "walled_garden", revision=2) for n in SERVICES))
        world.drain()
        assert rows(world) == [(f"leasewire:acme:SVC-{n}", builders.mac(n)) for n in SERVICES]
        assert {world.record(f"SVC-{n}").placements["R1"].written for n in SERVICES} == {None}
        world.r["R1"].clear_faults()
        changed = [builders.mac_changed(f"SVC-{n}", mac=builders.mac(99 + n)) for n in SERVICES]
        world.say(*(event | {"revision": 3} for event in changed))
        for _ in range(3):  # a few are tried first, then all
            let_pass(world.store, 600_000)
            world.drain()
        state = world.store.views.state("R1")
        assert (state.state, state.cause) == ("up", "")
        assert rows(world) == [(f"leasewire:acme:SVC-{n}", builders.mac(99 + n)) for n in SERVICES]
