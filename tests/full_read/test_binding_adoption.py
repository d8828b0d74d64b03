"""Whose a static DHCPv6 binding is that was there before us."""

from ipaddress import IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from tests.bindings import binding, duid, own_binding
from tests.builders import ipv4, mac
from worker.core.entry.entry import Entry
from worker.core.full_read.adoption import KnownServices
from worker.core.full_read.binding_adoption import sort_bindings

A6, B6 = "2001:db8:a::/56", "2001:db8:b::/56"
OTHER = "2001:db8:f::/56"


def entry(service_id, number, *own):
    fields = {"mac-address": mac(number), "address": ipv4(number), "server": "dhcp1"}
    return Entry(service_id, fields, bindings=own)


KNOWN = KnownServices(
    {
        "A": entry("A", 1, own_binding(address=A6)),
        "B": entry("B", 2, own_binding(address=B6, duid=duid(2), iaid="1")),
        "C": entry("C", 3),
    },
    {mac(9): "its MAC belongs to Z, which is cancelled"},
    {"A", "B", "C"},
)


def sorts(*rows, known=KNOWN):
    return [(row.sort, row.service_id) for row in sort_bindings(rows, known, "acme")]


def test_binding_with_the_prefix_the_client_or_the_mac_of_a_service_is_its_own():
    rows = [binding("*1", 60, address=A6), binding("*2", 2, address=OTHER)]
    assert sorts(*rows) == [("adopt", "A"), ("adopt", "B")]
    assert sorts(binding("*1", 1, address=OTHER)) == [("adopt", "A")]
    differs = [row.differs for row in sort_bindings(rows, KNOWN, "acme")]
    assert differs == [[], [("address", B6, OTHER)]]


def test_a_stated_client_counts_more_than_a_mac():
    known = KNOWN._replace(
        entries={**KNOWN.entries, "D": entry("D", 2, own_binding(duid=duid(1), iaid="1"))}
    )
    assert sorts(binding("*1", 1, address=OTHER, iaid="5"), known=known) == [("adopt", "A")]
    assert sorts(binding("*1", 1, address=OTHER), known=known) == [("adopt", "D")]


def test_binding_between_two_services_is_left_to_a_person():
    (row,) = sort_bindings([binding("*1", 2, address=A6)], KNOWN, "acme")
    assert (row.sort, row.reason) == ("conflict", "it may be that of A, B")


def test_two_bindings_of_one_service_are_left_to_a_person():
    assert sorts(binding("*1", 60, address=A6), binding("*2", 1, address=OTHER)) == [
        ("conflict", ""),
        ("conflict", ""),
    ]


def test_a_prefix_and_an_address_of_a_service_are_two_bindings():
    address = own_binding(ia="na", address="2001:db8:a::5/128")
    prefix = own_binding(address=A6)
    known = KNOWN._replace(entries={"A": entry("A", 1, prefix, address)})
    rows = [binding("*1", address=A6), binding("*2", address="2001:db8:a::5/128", ia_type="na")]
    assert sorts(*rows, known=known) == [("adopt", "A"), ("adopt", "A")]


def test_what_is_of_no_service_is_foreign_and_what_meets_one_is_left_to_a_person():
    rows = [
        binding("*1", 3, address=OTHER),  # C has no IPv6
        binding("*2", 9, address="2001:db8:e::/56"),
        binding("*3", 60, address="2001:db8:a::/60"),
        binding("*4", 61, address="2001:db8:8::/45"),
        binding("*5", 62, address="2001:db8:d::/56", comment="leasewire:other:X"),
        binding("*6", 63, service_id="A", address="2001:db8:c::/56"),
    ]
    assert sorts(*rows) == [
        ("foreign", ""),
        ("conflict", ""),
        ("conflict", ""),
        ("conflict", ""),
        ("foreign", ""),
        ("ours", "A"),
    ]
    reasons = [row.reason for row in sort_bindings(rows, KNOWN, "acme")]
    assert reasons[3] == "it overlaps the prefix of A, B"


def test_dynamic_bindings_are_not_sorted():
    assert sorts(binding("*1", 1, dynamic=True)) == []


PREFIXES = st.builds(
    lambda bits, length: IPv6Network((0x2001_0DB8 << 96 | bits << 64, length), strict=False),
    st.integers(0, 2**6 - 1),
    st.integers(56, 64),
)


@given(st.lists(PREFIXES, max_size=8, unique=True), PREFIXES)
def test_overlaps_are_found_as_by_comparing_all(wanted, row):
    entries = {
        f"S{number}": entry(f"S{number}", number, own_binding(address=str(prefix)))
        for number, prefix in enumerate(wanted)
    }
    known = KnownServices(entries, {}, entries.keys())
    (found,) = sort_bindings([binding("*1", 200, address=str(row))], known, "acme")
    if row in wanted:
        assert (found.sort, found.service_id) == ("adopt", f"S{wanted.index(row)}")
    else:
        met = sorted(f"S{number}" for number, prefix in enumerate(wanted) if prefix.overlaps(row))
        assert (found.sort == "conflict") == bool(met)
        assert not met or found.reason == f"it overlaps the prefix of {', '.join(met)}"


def test_a_disabled_binding_gives_way_to_one_that_is_enabled():
    off = binding("*1", 1, address=OTHER, disabled=True)
    assert sorts(off, binding("*2", 60, address=A6)) == [("foreign", ""), ("adopt", "A")]
