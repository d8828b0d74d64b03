"""Which changes need connections removed, or a device told to renew; decided from the record."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.effect.facts import EffectFacts, Ipv6Filter
from worker.core.effect.means import addresses_to_cut, cuts_connections, means_of, needs_reconfigure
from worker.core.entry.entry import Entry
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.rows import ListPlace
from worker.core.service.event_ref import EventRef, Version
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import PendingEvent, Placement, Register, ShortLease

OLD, NEW = "10.0.0.1", "10.0.0.2"
POLICY = RouterPolicy("acme", suspend_list="suspended")
FACTS = EffectFacts(version=(7, 19), fasttrack=True, reconfigure=frozenset({"dhcp1"}))
LISTED = frozenset({ListPlace("suspended", OLD)})


def row(address=OLD, mac="00:00:5E:00:53:01", server="dhcp1", **more):
    return {"mac-address": mac, "address": address, "server": server, **more}


def version(revision):
    return Version(0, revision, 0, "")


def record(before, *wrote, seen_ms=1, later=(), bindings=()):
    """A service of which one event waits, that wrote these registers; others wrote some later."""
    registers = {
        name: Register({} if name == "suspension" else "x", version(9 if name in later else 2), "e")
        for name in wrote
    }
    event = EventRef("key", "id", "source", "type")
    return ServiceRecord(
        "SVC-1",
        registers=registers,
        placements={}
        if before is None
        else {"R1": Placement(before, seen_ms=seen_ms, bindings=bindings)},
        pending=(PendingEvent(event, tuple(wrote), version(2)),) if wrote else (),
    )


def cut(before, entry, *wrote, **more):
    return addresses_to_cut(record(before, *wrote, **more), "R1", entry)


def test_an_activation_needs_nothing():
    entry = Entry("SVC-1", row())
    assert not cut(None, entry, "lifecycle", "mac", "address", "suspension")
    noted = row(address=NEW)  # a dynamic lease that was about to be made static
    assert not cut(noted, entry, "lifecycle", "mac", "address", seen_ms=0)
    assert not needs_reconfigure(record(noted, "mac", seen_ms=0), "R1", entry, POLICY, FACTS)


def test_a_suspension_by_a_list_ends_connections():
    assert cut(row(), Entry("SVC-1", row(), listed=LISTED), "suspension") == {OLD}


@pytest.mark.parametrize("wrote", [(), ("plan",), ("label", "mac")])
def test_a_suspended_service_whose_other_registers_change_keeps_its_connections(wrote):
    assert not cut(row(), Entry("SVC-1", row(), listed=LISTED), *wrote)


def test_a_suspension_that_a_newer_event_took_back_ends_none():
    entry = Entry("SVC-1", row(), listed=LISTED)
    assert not cut(row(), entry, "suspension", later=("suspension",))


@pytest.mark.parametrize(
    "entry",
    [
        Entry("SVC-1", None),
        Entry("SVC-1", None, reserved=row()),
        Entry("SVC-1", row(address=NEW)),
        Entry("SVC-1", row(mac="00:00:5E:00:53:02")),
        Entry("SVC-1", row(address="a-pool"), is_pool=True),
    ],
)
def test_an_address_that_changes_hands_loses_its_connections_whatever_event_waits(entry):
    assert cut(row(), entry) == {OLD}


def test_the_address_of_a_pool_is_not_known():
    assert not cut(row(address="a-pool"), Entry("SVC-1", None))


@pytest.mark.parametrize("last_ms", [1, 0], ids=["shortened", "put back"])
def test_a_lease_time_that_is_shortened_or_put_back_hurries_no_device(last_ms):
    before = record(row(**{"lease-time": "1h"}))
    at = before.placements["R1"]._replace(short=ShortLease("2m", last_ms, 3600, "1h"))
    short, entry = before._replace(placements={"R1": at}), Entry("SVC-1", row())
    shorter = replace(entry, fields=row(**{"lease-time": "2m"}))
    assert needs_reconfigure(before, "R1", shorter, POLICY, FACTS)
    assert not needs_reconfigure(short, "R1", shorter, POLICY, FACTS)
    moved = replace(entry, fields=row(address=NEW, **{"lease-time": "2m"}))
    assert needs_reconfigure(short, "R1", moved, POLICY, FACTS)


@given(
    before=st.none() | st.builds(row, address=st.sampled_from([OLD, NEW, "a-pool"])),
    fields=st.none() | st.builds(row, address=st.sampled_from([OLD, NEW, "a-pool"])),
    listed=st.booleans(),
    wrote=st.sets(st.sampled_from(["suspension", "mac", "address", "plan"])),
)
def test_only_its_own_addresses_are_named(before, fields, listed, wrote):
    places = LISTED if listed else frozenset()
    found = cut(before, Entry("SVC-1", fields, listed=places), *sorted(wrote))
    assert found <= ({before["address"]} if before else set()) | {p.address for p in places}
    assert "a-pool" not in found


PREFIX, OTHER = OwnBinding("pd", "2001:db8:1::/56"), OwnBinding("pd", "2001:db8:2::/56")
HOST = OwnBinding("na", "2001:db8::7/128")


@pytest.mark.parametrize(
    ("bindings", "fields", "ends"),
    [
        ((PREFIX, HOST), row(), set()),
        ((HOST,), row(), {PREFIX}),
        ((OTHER, HOST), row(), {PREFIX}),
        ((PREFIX, HOST), row(mac="00:00:5E:00:53:02"), {PREFIX, HOST}),
        ((PREFIX, HOST), row(address=NEW), set()),
        ((), None, {PREFIX, HOST}),
    ],
)
def test_a_prefix_that_changes_hands_loses_its_connections(bindings, fields, ends):
    entry = Entry("SVC-1", fields, bindings=bindings)
    found = cut(row(), entry, bindings=(PREFIX, HOST))
    assert {address for address in found if ":" in address} == {binding.address for binding in ends}


def test_a_prefix_that_is_suspended_loses_its_connections():
    listed = frozenset({ListPlace("suspended", PREFIX.address)})
    entry = Entry("SVC-1", row(), bindings=(PREFIX,), listed=listed)
    assert cut(row(), entry, "suspension", bindings=(PREFIX,)) == {PREFIX.address}
    assert not cut(row(), entry, "plan", bindings=(PREFIX,))


@pytest.mark.parametrize(
    ("policy", "rules", "cuts"),
    [
        ("auto", None, True),  # nobody knows the rules yet
        ("auto", Ipv6Filter(), False),
        ("auto", Ipv6Filter(suspension="first"), False),
        ("auto", Ipv6Filter(fasttrack=True, suspension="first"), True),
        ("auto", Ipv6Filter(suspension="after-fasttrack"), True),
        ("always", Ipv6Filter(), True),
        ("never", None, False),
    ],
)
def test_where_connections_of_ipv6_are_cut(policy, rules, cuts):
    policy, facts = replace(POLICY, cut_connections=policy), EffectFacts(ipv6_filter=rules)
    assert cuts_connections(policy, facts, ipv6=True) is cuts


@pytest.mark.parametrize(
    ("policy", "facts", "cuts"),
    [
        ("auto", EffectFacts(), False),
        ("auto", EffectFacts(suspension="first"), False),
        ("auto", EffectFacts(fasttrack=True, suspension="first"), True),
        ("auto", EffectFacts(suspension="after-fasttrack"), True),
        ("always", EffectFacts(), True),
        ("never", EffectFacts(fasttrack=True), False),
    ],
)
def test_where_connections_are_cut(policy, facts, cuts):
    policy = replace(POLICY, cut_connections=policy)
    assert cuts_connections(policy, facts) is cuts
    assert means_of(policy, facts).cut is cuts


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        (row(address=NEW), True),
        (row(**{"dhcp-option": "lw-acme-dns-1"}), True),
        (row(**{"lease-time": "5m"}), True),
        (row(address=NEW, server="all"), True),
        (row(), False),
        (row(**{"rate-limit": "1M/1M"}), False),
        (row(address=NEW, mac="00:00:5E:00:53:02"), False),
        (row(address=NEW, server="dhcp2"), False),
        (None, False),
    ],
)
def test_when_a_device_is_told_to_renew(fields, asks):
    entry = Entry("SVC-1", fields)
    assert needs_reconfigure(record(row()), "R1", entry, POLICY, FACTS) is asks
    off = replace(POLICY, reconfigure=False)
    assert not needs_reconfigure(record(row()), "R1", entry, off, FACTS)
    assert not needs_reconfigure(record(row()), "R1", entry, POLICY, EffectFacts())
    assert not needs_reconfigure(record(None), "R1", entry, POLICY, FACTS)
