"""What a PPP secret has of a service: its profile, and whose it is."""

import pytest

from contracts.parse import parse_event
from tests import ppp
from tests.builders import event, resumed, suspended, version_of
from worker.core.entry.wanted import placed, wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import Lease
from worker.core.service.event_ref import EventRef
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import PendingEvent, Placement

POLICY = {"suspend_profile": "walled", "profiles": {"gold": "p-gold"}}
GOLD = {"plan": {"code": "gold"}}


def entry(*raws, written=None, pending=False, **policy):
    record = ServiceRecord("SVC-1")
    for raw in raws:
        record = fold(record, parse_event(raw), version_of(raw)).record
    ref = EventRef("k", "e", "s", "t")
    waiting = tuple(PendingEvent(ref, (), version_of(raw)) for raw in raws if pending)
    policies = {"R1": RouterPolicy("acme", entries="ppp-secret", **(policy or POLICY))}
    record = placed(record._replace(pending=waiting), policies)
    if written is not None:
        record = record._replace(placements={"R1": Placement({"profile": written})})
    return wanted_entries(record, policies)["R1"]


def profile_over(wanted, found):
    """The profile that a row has after a pass that found another one there."""
    row = Lease("*1", {**wanted.fields, "profile": found})
    return wanted.sparing(row).fields.get("profile", found)


def test_a_plan_names_the_profile_and_one_that_names_none_is_waited_for():
    assert entry(ppp.activated(**GOLD)).fields["profile"] == "p-gold"
    assert entry(ppp.activated(plan={"code": "x"})).missing.reason == "unknown-plan"
    assert "profile" not in entry(ppp.activated(plan={"code": "x"}), suspend_list="s").fields


SUSPENDED = (ppp.activated(), suspended(mode="walled_garden"))


@pytest.mark.parametrize(
    ("events", "written", "pending", "found", "becomes"),
    [
        ((ppp.activated(),), "", False, "theirs", "theirs"),
        (SUSPENDED, "", False, "theirs", "walled"),
        ((*SUSPENDED, resumed()), "walled", False, "walled", "default"),
        ((*SUSPENDED, resumed()), "walled", False, "theirs", "theirs"),
        # written, and not confirmed before the worker died
        ((*SUSPENDED, resumed()), "", True, "walled", "default"),
        ((*SUSPENDED, resumed()), "", True, "theirs", "theirs"),
        # of a plan, or of a policy, that is gone
        ((ppp.activated(),), "p-gold", False, "p-gold", "default"),
        ((ppp.activated(),), "p-gold", False, "walled", "default"),
    ],
)
def test_without_a_plan_only_our_own_profile_is_taken_back(
    events, written, pending, found, becomes
):
    wanted = entry(*events, written=written, pending=pending)
    assert profile_over(wanted, found) == becomes


def test_a_plan_that_comes_later_is_written():
    plan = event("plan_changed", revision=2, **GOLD)
    assert profile_over(entry(ppp.activated(), plan, written=""), "theirs") == "p-gold"
