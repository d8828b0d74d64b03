"""Connections that a pass had to leave are removed by the watch, unless they are another's."""

import pytest

from tests import builders
from tests.converge.test_make_effective import CONNECTION, change, passes, two_flows
from tests.small_installation import activated
from worker.convergence import make_effective
from worker.routeros.session import Session
from worker.watching.effects import EffectReader

pytestmark = [pytest.mark.redis, pytest.mark.router]

ADDRESS = builders.ipv4(1)


@pytest.fixture
def here():
    with two_flows("apart") as small:
        yield small


def without_time(here, event):
    """A pass that has no time to remove anything."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(make_effective, "CUTTING_S", -1)
        change(here, event)
    assert passes(here) == [True, True]
    assert here.store.memory.known("R1").left == {ADDRESS: "SVC-1"}


def watch(here):
    for member in here.client.zrange(here.store.keys.watches_due, 0, -1):
        here.client.zadd(here.store.keys.watches_due, {member: 1})
    EffectReader(here.store, here.sessions, here.policies).once()


@pytest.mark.parametrize("event", [builders.suspended(), builders.cancelled()])
def test_the_watch_removes_what_was_left(here, event):
    without_time(here, event)
    watch(here)
    flow, other = here.flows
    rows = here.r["R1"].rows(CONNECTION)
    assert {row["src-address"] for row in rows} == {other.src}
    assert here.store.memory.known("R1").left == {}
    if event["type"].endswith("suspended.v1"):
        assert not flow.send().passed


@pytest.mark.parametrize(
    "then",
    [builders.resumed(), activated("SVC-3", 1)],
    ids=["its service is online again", "another service has it"],
)
def test_an_address_that_is_in_use_again_keeps_its_connections(here, then):
    first = builders.suspended() if "resumed" in then["type"] else builders.cancelled()
    without_time(here, first)
    change(here, then)
    connections = len(here.r["R1"].rows(CONNECTION))
    watch(here)
    assert len(here.r["R1"].rows(CONNECTION)) == connections
    assert here.store.memory.known("R1").left == {}


def test_connections_of_a_service_that_a_newer_version_wrote_are_left_to_that_one(here):
    without_time(here, builders.suspended())
    connections = len(here.r["R1"].rows(CONNECTION))
    key = here.store.keys.record("SVC-1")
    text = here.client.get(key)
    here.client.set(key, text.replace('"format":', '"format":9'))
    watch(here)
    assert len(here.r["R1"].rows(CONNECTION)) == connections
    here.client.set(key, text)  # as the newer version reads it
    watch(here)
    assert here.store.memory.known("R1").left == {}


def test_what_the_router_refuses_is_tried_again(here, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Session, "remove_connections", lambda *_: "not enough permissions (9)")
        change(here, builders.suspended())
        watch(here)
    assert passes(here) == [True, True]
    watch(here)
    assert passes(here) == [False, True]
