"""Connections are removed before a service is confirmed, where that makes its change act."""

from contextlib import contextmanager

import pytest

from tests import builders
from tests.small_installation import SmallInstallation, activated
from worker.convergence import make_effective
from worker.core.effect.facts import EffectFacts
from worker.routeros.session import Session
from worker.store.routers import Routers

pytestmark = [pytest.mark.redis, pytest.mark.router]

FILTER, CONNECTION = "/ip/firewall/filter", "/ip/firewall/connection"
ADDRESS, OTHER = builders.ipv4(1), builders.ipv4(2)


class Killed(BaseException):
    """Stands for the end of the process."""


@contextmanager
def two_flows(connection_ports, policy="", settings=None):
    """Two services with an established FastTracked flow each; a full read found FastTrack."""
    defaults = f'suspend = "walled_garden"\nsuspend_list = "suspended"\n{policy}'
    switches = {"connection_ports": connection_ports}
    simulator = {"switches": switches}
    with SmallInstallation(1, defaults=defaults, simulator=simulator, settings=settings) as small:
        router = small.r["R1"]
        known = {"chain": "forward", "connection-state": "established,related"}
        router.add_row(FILTER, {**known, "action": "fasttrack-connection"})
        router.add_row(FILTER, {**known, "action": "accept"})
        for end in ("src", "dst"):
            drop = {"chain": "forward", "action": "drop", f"{end}-address-list": "suspended"}
            router.add_row(FILTER, drop)
        small.say(activated(), activated("SVC-2", 2))
        small.drain()
        small.flows = [router.flow(address).establish() for address in (ADDRESS, OTHER)]
        for flow in small.flows:
            assert flow.send().fasttrack
        yield small


@pytest.fixture(params=["joined", "apart"])
def here(request):
    """See `two_flows`."""
    with two_flows(request.param) as small:
        yield small


def change(here, event, *, drain=True):
    here.say(event)
    if drain:
        here.drain()
    return event


def passes(here):
    """Whether the flow of each service passes."""
    return [flow.exchange().passed for flow in here.flows]


def tracked(here, address):
    rows = here.r["R1"].rows(CONNECTION)
    return [row for row in rows if address == row["src-address"].partition(":")[0]]


def test_a_suspended_customer_is_silent_and_others_are_not(here):
    event = change(here, builders.suspended())
    assert passes(here) == [False, True]
    assert here.outcome(event).startswith("applied")
    assert "may go on" not in here.outcome(event)


def test_where_the_policy_forbids_it_connections_go_on():
    with two_flows("apart", 'cut_connections = "never"') as here:
        change(here, builders.suspended())
        change(here, builders.cancelled("SVC-2"))
        assert passes(here) == [True, True]
        assert f"{CONNECTION}/print" not in here.r["R1"].counters()


@pytest.mark.parametrize(
    "event",
    [
        builders.cancelled(),
        builders.mac_changed(mac=builders.mac(7)),
        activated(number=3, revision=2),
    ],
)
def test_an_address_that_changes_hands_has_no_old_connections(here, event):
    assert tracked(here, ADDRESS)
    change(here, event)
    assert not tracked(here, ADDRESS)
    assert tracked(here, OTHER)


def test_ordinary_changes_send_no_command_more(here):
    counters = []
    for facts in (EffectFacts(), EffectFacts(fasttrack=True, reconfigure=frozenset({"x"}))):
        here.store.memory.note_effect("R1", facts)
        first = 10 * len(counters) + 10
        here.r["R1"].reset_counters()
        numbers = range(first, first + 5)
        here.say(*(activated(f"SVC-{number}", number) for number in numbers))
        here.drain()
        here.say(builders.resumed("SVC-2", revision=first))
        here.drain()
        counters.append(here.r["R1"].counters())
    assert counters[0] == counters[1]
    assert not any("connection" in command for command in counters[1])


@pytest.mark.parametrize("moment", ["before the search", "before the removal", "before the end"])
def test_a_worker_that_dies_leaves_the_cut_to_the_next(here, monkeypatch, moment):
    where = {
        "before the search": (Session, "find_connections"),
        "before the removal": (Session, "remove_connections"),
        "before the end": (Routers, "conclude"),
    }
    owner, name = where[moment]
    with monkeypatch.context() as patched:

        def killed(*_, **__):
            raise Killed

        patched.setattr(owner, name, killed)
        change(here, builders.suspended(), drain=False)
        with pytest.raises(Killed):
            here.converge.run("R1")
    flow = here.flows[0].again()
    here.client.delete(here.block("R1").lock)  # its time limit is over
    here.load()
    here.drain()
    assert passes(here) == [False, True]
    assert not flow.send().passed
    cuts = here.r["R1"].counters().get(f"{CONNECTION}/remove", 0)
    assert cuts >= 1


def test_a_refusal_is_said_and_the_event_is_applied(here, monkeypatch):
    monkeypatch.setattr(Session, "remove_connections", lambda *_: "not enough permissions (9)")
    event = change(here, builders.suspended())
    expected = f"connections of {ADDRESS} may go on: not enough permissions (9)"
    assert expected in here.outcome(event)
    assert passes(here) == [True, True]


def test_what_cannot_be_removed_in_time_is_said(here, monkeypatch):
    monkeypatch.setattr(make_effective, "CUTTING_S", -1)
    event = change(here, builders.suspended())
    assert "1 of 1 connections were not removed in time" in here.outcome(event)


def test_many_at_once_are_searched_in_parts_while_there_is_time(here, monkeypatch):
    monkeypatch.setattr(make_effective, "SEARCHED_AT_ONCE", 1)
    events = [builders.suspended(), builders.suspended("SVC-2")]
    here.say(*events)
    here.drain()
    assert passes(here) == [False, False]
    here.say(builders.resumed(revision=10), builders.resumed("SVC-2", revision=10))
    here.drain()
    for flow in here.flows:
        flow.establish()
    monkeypatch.setattr(make_effective, "CUTTING_S", -1)
    events = [builders.suspended(revision=11), builders.suspended("SVC-2", revision=11)]
    here.say(*events)
    here.drain()
    assert "1 of 1 connections were not removed in time" in here.outcome(events[0])
    assert "there was no time to search for them" in here.outcome(events[1])


def test_a_router_that_does_not_search_in_time_holds_up_one_pass_only():
    with two_flows("apart", settings={"COMMAND_TIMEOUT_S": "1"}) as here:
        here.r["R1"].set_faults(service_ms_by_command={f"{CONNECTION}/print": 4_000})
        event = change(here, builders.suspended(), drain=False)
        here.converge.run("R1")
        assert here.store.views.state("R1").state == "unreachable"
        here.client.delete(here.block("R1").state, here.block("R1").notified)
        here.drain()
        assert "the router did not search its connections in time" in here.outcome(event)
        assert here.outcome(event).startswith("applied")
