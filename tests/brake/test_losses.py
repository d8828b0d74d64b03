"""What counts as a loss: a function of the record, in whatever order events come."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.parse import parse_event
from tests import builders
from tests.builders import version_of
from worker.core.entry.brake import Loss, loss_of, ownership_change
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement

POLICIES = {name: RouterPolicy("acme", "dhcp1") for name in ("R1", "R2")}


def folded(record, *events):
    for raw in events:
        record = fold(record, parse_event(raw), version_of(raw)).record
    return record


def served(record, router="R1"):
    """The record once a pass has read its row back there."""
    fields = wanted_entries(record, POLICIES)[router].fields
    return record._replace(placements={**record.placements, router: Placement(fields)})


ACTIVE = served(folded(ServiceRecord("SVC-1"), builders.activated(revision=1)))
MOVED = builders.event("moved", revision=5, access={"router": "R2", "dhcp_server": "dhcp1"})
EVENTS = st.integers(2, 60).flatmap(
    lambda n: st.sampled_from(
        [
            builders.cancelled(revision=n),
            builders.suspended(revision=n),
            builders.resumed(revision=n),
            builders.activated(revision=n),
            builders.activated(revision=n, mac=builders.mac(9)),
            builders.snapshot(revision=n, ipv4=builders.ipv4(99)),
            builders.mac_changed(mac=builders.mac(n), revision=n),
            builders.event("plan_changed", revision=n, plan={"code": "A"}),
            builders.event("moved", revision=n, access={"router": "R2", "dhcp_server": "dhcp1"}),
        ]
    )
)


@given(
    st.lists(EVENTS, max_size=8).flatmap(
        lambda each: st.tuples(st.just(each), st.permutations(each))
    )
)
def test_order_and_repetition_change_no_loss(both):
    events, others = both
    once = loss_of(folded(ACTIVE, *events), POLICIES)
    assert loss_of(folded(ACTIVE, *others, *others), POLICIES) == once


@given(st.lists(EVENTS, max_size=8))
def test_a_loss_is_just_where_the_row_would_not_serve_its_device_any_more(events):
    record = folded(ACTIVE, *events)
    loss = loss_of(record, POLICIES)
    row = ACTIVE.placements["R1"].written
    wants = wanted_entries(record, POLICIES)["R1"].fields
    if record.status == "active" and record.router == "R2":
        assert loss is None
        return
    serves = (
        wants is not None
        and wants["block-access"] == "no"
        and all(wants[name] == row[name] for name in ("mac-address", "address"))
    )
    assert (loss is None) == serves
    assert loss is None or loss.router == "R1"


@given(st.lists(EVENTS, max_size=8))
def test_said_anew_as_it_was_it_loses_nothing(events):
    """So whatever is rejected or resumed goes free."""
    assert loss_of(folded(ACTIVE, *events, builders.activated(revision=99)), POLICIES) is None


@given(st.lists(EVENTS, max_size=8))
def test_nothing_is_lost_that_was_never_written(events):
    record = folded(ServiceRecord("SVC-1"), builders.activated(revision=1), *events)
    assert loss_of(record, POLICIES) is None


def test_a_service_that_moved_loses_what_its_new_router_has():
    moved = folded(ACTIVE, MOVED)
    assert loss_of(moved, POLICIES) is None
    underway = folded(moved, builders.cancelled(revision=6))
    assert loss_of(underway, POLICIES) == Loss("R1", "cancelled")
    there = folded(served(moved, "R2"), builders.suspended(revision=6))
    assert loss_of(there, POLICIES) == Loss("R2", "suspended")


PREFIX, OTHER = "2001:db8:1:100::/56", "2001:db8:1:200::/56"


def with_ipv6(prefix, revision, *, name="activated", **more):
    ipv6 = {"prefix": {"mode": "static", "ipv6": prefix}, **more}
    if name == "activated":
        return builders.activated(revision=revision, ipv6=ipv6)
    return builders.event(name, revision=revision, ipv6=ipv6)


def test_a_prefix_that_its_device_had_is_lost():
    host = {"address": "2001:db8::7"}
    active = folded(ServiceRecord("SVC-1"), with_ipv6(PREFIX, 1, **host))
    served_without = served(active)
    learned = tuple(
        binding._replace(duid="0x00", iaid="1")
        for binding in wanted_entries(active, POLICIES)["R1"].bindings
    )
    placement = served_without.placements["R1"]._replace(bindings=learned)
    served_with = served_without._replace(placements={"R1": placement})
    assert len(learned) == 2
    same = with_ipv6(PREFIX, 2, **host)
    other = with_ipv6(OTHER, 2, name="address_changed", **host)
    alone = with_ipv6(PREFIX, 2)
    for event, lost in ((same, False), (other, True), (alone, True)):
        assert (loss_of(folded(served_with, event), POLICIES) is not None) == lost
        assert loss_of(folded(served_without, event), POLICIES) is None
    assert loss_of(folded(served_with, builders.activated(revision=2)), POLICIES) is not None
    assert loss_of(folded(served_with, other, with_ipv6(PREFIX, 3, **host)), POLICIES) is None


@given(st.lists(EVENTS, max_size=8))
def test_services_are_counted_for_who_owns_them_now(events):
    ownership_changes = ACTIVE._replace(owner=builders.SOURCE)
    record = folded(ownership_changes, *events)
    change = ownership_change(ServiceRecord("SVC-1"), ownership_changes).get(builders.SOURCE, 0)
    change += ownership_change(ownership_changes, record).get(builders.SOURCE, 0)
    assert change == (1 if record.status in ("active", "suspended") else 0)
