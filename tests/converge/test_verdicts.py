"""What a pass makes of refusals, lost connections and what a router lacks."""

from dataclasses import replace

import pytest

from contracts.identity import event_key
from tests import builders
from tests.converge.queues import QUEUE, active, installation
from tests.leasewire.conftest import LEASES
from tests.refusals import refused
from worker.convergence.concurrency import PassLimits, TimeLimits
from worker.convergence.router_pass import Converge
from worker.store.router_memory import known_of

pytestmark = [pytest.mark.redis, pytest.mark.router]


def address(n):
    return f"223.203.225.{n + 1}"  # the first is the router's own


def activated(n, **given):
    fields = {"router": "R1", "server": None, "mac": mac(n), "ipv4": address(n)} | given
    return builders.activated(f"SVC-{n}", **fields)


def mac(n):
    return f"00:00:5E:00:{n >> 8:02X}:{n & 255:02X}"


def refusing(text, value="*", field="address"):
    return {"refuse_values": [{"menu": LEASES, "field": field, "value": value, "text": text}]}


class Passes:
    """Runs passes of R1 without waiting for anybody's clock."""

    def __init__(self, world, caplog, **limits):
        self.world = world
        self.caplog = caplog
        self.store = world.context.store
        self.block = self.store.keys.router("R1")
        self.converge = world.converge
        if limits:
            c = world.converge
            self.converge = Converge(c.store, c.sessions, c.policies, PassLimits(**limits))

    def run(self, times=1):
        """Passes at which every mark is due and nothing is parked; returns their log."""
        self.caplog.clear()
        for _ in range(times):
            self.store.client.delete(self.block.notified)
            queued = self.store.client.hkeys(self.block.work_items)
            if queued:
                self.store.routers.add_work("R1", queued)
                self.store.client.delete(self.block.notified)
            self.converge.run("R1")
        said = [(r.levelname, r.msg) for r in self.caplog.records if isinstance(r.msg, dict)]
        return [fields | {"level": level} for level, fields in said]

    def memory(self):
        return known_of(self.store.client.hgetall(self.store.keys.router("R1").memory))

    def state(self, event):
        key = event_key(event["source"], event["id"])
        (said,) = self.store.views.outcomes([key])
        return f"{said.state}: {said.reason}" if said.reason else said.state

    def dead_letters(self):
        return {
            dead_letter.service_id: dead_letter for dead_letter in self.store.dead_letters.all()
        }

    def waiting(self):
        return self.store.views.router_waiting("R1")

    def rows(self):
        rows = self.world.r1.rows(LEASES)
        tags = (row.get("comment", "").split(" ")[0] for row in rows)
        return {tag.rpartition(":")[2] for tag in tags if tag.startswith("leasewire:acme:")}


def named(logs, event):
    return [line for line in logs if line["event"] == event]


@pytest.fixture
def world_with(world, caplog):
    return lambda **limits: Passes(world, caplog, **limits)


@pytest.fixture
def passes(world_with):
    return world_with()


def test_a_refused_service_is_given_up_and_the_others_go_on(world, passes):
    message = "invalid value for argument address"
    world.r1.set_faults(**refusing(message, address(3)))
    events = [activated(n) for n in range(1, 8)]
    world.say(*events)
    passes.run()
    assert passes.rows() == {f"SVC-{n}" for n in (1, 2, 4, 5, 6, 7)}
    (dead_letter,) = passes.dead_letters().values()
    assert (dead_letter.service_id, dead_letter.detail) == ("SVC-3", message)
    assert passes.state(events[2]) == "failed: operation-refused"
    assert "SVC-3" not in passes.store.views.router_queued("R1")


@pytest.mark.parametrize("message", ["invalid value for argument address", "the moon is too full"])
def test_many_refused_with_the_same_words_block_the_router(world, passes, message):
    world.r1.set_faults(**refusing(message))
    events = [activated(n) for n in range(1, 21)]
    world.say(*events)
    logs = passes.run(4)
    state = passes.store.views.state("R1")
    assert (state.state, state.cause) == ("blocked", "mass-refusal")
    assert message in state.message
    assert passes.dead_letters() == {}
    assert {passes.state(event) for event in events} == {"accepted"}
    assert named(logs, "router.recovered") == []
    assert (
        len(named(logs, "operation.refused")) == 20 + 3 * 10
    )  # a blocked router is tried with a few
    world.r1.clear_faults()
    passes.run()
    assert len(passes.rows()) == 20
    assert passes.store.views.state("R1").state == "up"
    assert {passes.state(event) for event in events} == {"applied"}


def test_five_of_many_are_no_mass(world, passes):
    faults = [
        refusing("invalid value for argument address", address(n))["refuse_values"][0]
        for n in range(1, 6)
    ]
    world.r1.set_faults(refuse_values=faults)
    world.say(*(activated(n) for n in range(1, 21)))
    passes.run()
    assert sorted(passes.dead_letters()) == [f"SVC-{n}" for n in range(1, 6)]
    assert passes.store.views.state("R1").state == "up"


def test_a_router_that_takes_nothing_in_two_menus_fails_nobody():
    """A service with a rate begins with its queue, another one with its lease."""
    (lease,) = refusing("invalid value")["refuse_values"]
    with installation() as here:
        queue = {**lease, "menu": QUEUE, "field": "name"}
        here.r["R1"].set_faults(refuse_values=[lease, queue])
        here.say(*(active(f"SVC-{n}", n) for n in range(2, 6)))
        here.say(*(active(f"SVC-{n}", n, plan=None) for n in range(6, 10)))
        here.drain()
        assert here.store.views.state("R1").cause == "mass-refusal"
        assert [*here.store.dead_letters.all()] == []


def test_a_mass_is_seen_over_the_batches_of_a_pass(world, world_with):
    passes = world_with(batch_services=5)
    world.r1.set_faults(**refusing("invalid value for argument address"))
    world.say(*(activated(n) for n in range(1, 21)))
    passes.run()
    assert passes.store.views.state("R1").cause == "mass-refusal"
    assert passes.dead_letters() == {}


@pytest.mark.parametrize("message", ["invalid value for argument address", "the moon is too full"])
def test_six_wrong_services_do_not_starve_the_others_of_a_router(world, passes, message):
    """They block it, as nothing else shows that it takes writes; then the first probe shows it."""
    world.say(*(activated(n) for n in range(1, 41)))
    passes.run()
    world.r1.set_faults(
        refuse_values=[refusing(message, address(n))["refuse_values"][0] for n in range(50, 56)]
    )
    wrong = [activated(n) for n in range(50, 56)]
    world.say(*wrong)
    passes.run()
    assert passes.store.views.state("R1").cause == "mass-refusal"
    live = [builders.suspended(f"SVC-{n}", "block", revision=2) for n in range(1, 41)]
    world.say(*live)
    logs = passes.run()  # all are due, the wrong ones first
    assert {passes.state(event) for event in live} == {"applied"}
    assert {passes.state(event) for event in wrong} == {"failed: operation-refused"}
    assert passes.store.views.state("R1").state == "up"
    assert len(named(logs, "operation.refused")) == 6


def test_a_few_wrong_among_many_that_get_through_are_no_mass(world, passes):
    message = "invalid value for argument address"
    faults = [refusing(message, address(n))["refuse_values"][0] for n in range(1, 9)]
    world.r1.set_faults(refuse_values=faults)
    world.say(*(activated(n) for n in range(1, 12)))
    passes.run()
    assert sorted(passes.dead_letters()) == [f"SVC-{n}" for n in range(1, 9)]
    assert passes.store.views.state("R1").state == "up"


def test_that_rows_can_be_removed_does_not_show_that_a_router_takes_them(world, passes):
    world.say(*(activated(n) for n in range(1, 11)))
    passes.run()
    world.r1.set_faults(**refusing("not enough space", field="mac-address"))
    world.say(*(builders.cancelled(f"SVC-{n}", revision=2) for n in range(1, 11)))
    world.say(*(activated(n) for n in range(11, 31)))
    passes.run()
    assert passes.store.views.state("R1").cause == "mass-refusal"
    assert passes.rows() == set()
    assert passes.dead_letters() == {}


def test_who_waited_for_a_claim_and_is_refused_waits_for_the_router(world, passes):
    world.say(activated(1), activated(2, mac=mac(1)))
    passes.run()
    assert passes.waiting()["SVC-2"]["reason"] == "claim-held"
    world.r1.set_faults(**refusing("not enough space"))
    world.say(builders.cancelled("SVC-1"), *(activated(n) for n in range(3, 12)))
    passes.run()
    assert passes.store.views.state("R1").cause == "mass-refusal"
    assert passes.waiting()["SVC-2"]["reason"] == "router-says"


def test_unknown_words_are_tried_alone_and_given_up_the_third_time(world, passes):
    world.r1.set_faults(**refusing("the moon is too full", address(1)))
    events = [activated(n) for n in range(1, 5)]
    world.say(*events)
    passes.run()
    assert passes.state(events[0]) == "waiting: router-says"
    assert passes.waiting()["SVC-1"]["tries"] == 1
    due = passes.store.client.zscore(passes.block.due, "SVC-1") % 10**13
    passes.run()
    assert passes.store.client.zscore(passes.block.due, "SVC-1") % 10**13 - due > 55_000
    assert passes.dead_letters() == {}
    passes.run()
    (dead_letter,) = passes.dead_letters().values()
    assert (dead_letter.service_id, dead_letter.detail) == ("SVC-1", "the moon is too full")
    assert passes.state(events[0]) == "failed: operation-refused"
    assert {passes.state(event) for event in events[1:]} == {"applied"}


def test_who_ends_the_connection_is_found_alone_and_given_up(world, passes):
    """The router crashes whenever it is told of one address; 39 others share its batches."""
    world.say(*(activated(n) for n in range(2, 41)))
    passes.run()
    events = [
        activated(1),
        *(builders.suspended(f"SVC-{n}", "block", revision=2) for n in range(2, 41)),
    ]
    world.say(*events)
    lost = {"lose_replies": -1, "fault_command": "/add"}
    world.r1.set_faults(**lost)
    for _ in range(8):
        passes.run()
        remove_row_of(world.r1, "SVC-1")
        if passes.dead_letters():
            break
    world.r1.clear_faults()
    (dead_letter,) = passes.dead_letters().values()
    assert (dead_letter.service_id, dead_letter.reason) == ("SVC-1", "connection-lost")
    assert "3 times" in dead_letter.detail
    passes.run(2)
    assert passes.rows() == {f"SVC-{n}" for n in range(2, 41)}  # it is left alone
    assert {passes.state(event) for event in events[1:]} == {"applied"}
    assert passes.memory().suspects == {}


def remove_row_of(router, service):
    for row in router.rows(LEASES):
        if row.get("comment", "").endswith(f":{service}"):
            router.remove_row(LEASES, row[".id"])


def test_a_connection_that_is_lost_once_harms_nobody(world, passes):
    world.say(*(activated(n) for n in range(1, 41)))
    world.r1.set_faults(lose_replies=1, fault_command="/add")
    passes.run(3)
    assert len(passes.rows()) == 40
    assert passes.dead_letters() == {}
    assert passes.memory().suspects == {}


def test_a_missing_server_is_told_once_and_waited_for(world, passes):
    events = [activated(n, server="dhcp-new") for n in range(1, 31)]
    world.say(*events, activated(40))
    logs = passes.run(3)
    assert passes.rows() == {"SVC-40"}
    (line,) = named(logs, "router.prerequisite_missing")
    assert (line["router"], line["services"]) == ("R1", 30)
    assert "dhcp-new" in line["reason"]
    assert [each for each in named(logs, "service.waiting") if each["level"] != "DEBUG"] == []
    assert {passes.state(event) for event in events} == {"waiting: waiting-for-router"}
    assert passes.dead_letters() == {}
    assert refused(world.r1) == {}  # nothing was tried in vain
    world.r1.add_row("/ip/dhcp-server", {"name": "dhcp-new", "interface": "ether1"})
    logs = passes.run()
    assert len(passes.rows()) == 31
    assert {passes.state(event) for event in events} == {"applied"}
    assert len(named(logs, "router.prerequisite_restored")) == 1
    assert passes.memory().missing == {}


def test_a_missing_pool_is_waited_for(world, passes):
    event = activated(1, pool="pool-new")
    world.say(event)
    passes.run()
    assert passes.state(event) == "waiting: waiting-for-router"
    world.r1.add_row("/ip/pool", {"name": "pool-new", "ranges": "223.203.225.100-223.203.225.120"})
    passes.run()
    assert passes.state(event) == "applied"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("198.51.100.7", "address-outside-networks"),
        ("223.203.225.0", "address-not-a-hosts"),
        ("223.203.225.255", "address-not-a-hosts"),
    ],
)
@pytest.mark.parametrize("on_misfit", ["warn", "refuse"])
def test_an_address_that_no_device_can_use(world, passes, address, reason, on_misfit):
    policies = dict(world.converge.policies)
    policies["R1"] = replace(policies["R1"], on_misfit=on_misfit)
    passes.converge = replace(world.converge, policies=policies)
    event = activated(1, ipv4=address)
    world.say(event, activated(2))
    passes.run()
    if on_misfit == "warn":
        assert passes.state(event) == f"applied: {reason}"
        assert passes.rows() == {"SVC-1", "SVC-2"}
    else:
        assert passes.state(event) == f"failed: {reason}"
        assert passes.rows() == {"SVC-2"}
        assert passes.dead_letters()["SVC-1"].reason == reason


def test_an_address_in_use_by_another_device_is_a_warning(world, passes):
    held = world.r1.device("00:00:5E:00:53:77")["address"]
    event = activated(9, ipv4=held)
    world.say(event)
    passes.run()
    assert passes.state(event) == "applied: address-still-used-by"


def test_a_long_wait_is_told_once(world, world_with):
    passes = world_with(time_limits=TimeLimits(alert_ms=1))
    world.say(activated(1), activated(2, mac=mac(1)))
    logs = passes.run(4)
    (line,) = named(logs, "service.waiting_long")
    assert (line["service_id"], line["reason"]) == ("SVC-2", "claim-held")
    world.say(builders.cancelled("SVC-1"))
    assert len(named(passes.run(), "service.waiting_ended")) == 1
