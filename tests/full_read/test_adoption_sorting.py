"""Whose a static row is that was there before us: by its MAC, its address and its rivals."""

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import ipv4, lease, mac
from worker.core.entry.entry import Entry
from worker.core.full_read.adoption import KnownServices, sort_rows


def entry(service_id, number, server="dhcp1", address=None):
    fields = {
        "mac-address": mac(number),
        "address": address or ipv4(number),
        "server": server,
        "block-access": "no",
    }
    return Entry(service_id, fields)


A, B = entry("A", 1), entry("B", 2)
KNOWN = KnownServices({"A": A, "B": B}, {mac(9): "elsewhere"}, {"A", "B"})


def sorts(*rows, known=KNOWN):
    found = sort_rows(rows, known, "acme")
    return [(each.sort, each.service_id) for each in found]


def test_row_with_the_mac_or_the_address_of_a_service_is_its_row():
    rows = [lease("*1", mac=mac(1), address=ipv4(50)), lease("*2", mac=mac(60), address=ipv4(2))]
    assert sorts(*rows) == [("adopt", "A"), ("adopt", "B")]
    differs = [each.differs for each in sort_rows(rows, KNOWN, "acme")]
    assert differs == [
        [("address", ipv4(1), ipv4(50))],
        [("mac-address", mac(2), mac(60))],
    ]


def test_row_between_two_services_is_left_to_a_person():
    (row,) = sort_rows([lease("*1", mac=mac(1), address=ipv4(2))], KNOWN, "acme")
    assert (row.sort, row.service_id) == ("conflict", "")
    assert row.reason == "its MAC is that of A, its address that of B"


def test_two_rows_of_one_service_are_left_to_a_person():
    rows = [lease("*1", mac=mac(1), address=ipv4(50)), lease("*2", mac=mac(60), address=ipv4(1))]
    assert sorts(*rows) == [("conflict", ""), ("conflict", "")]


def test_row_beside_one_with_our_tag_is_left_to_a_person():
    rows = [lease("*1", mac=mac(1), service_id="A"), lease("*2", mac=mac(60), address=ipv4(1))]
    assert sorts(*rows) == [("ours", "A"), ("conflict", "")]


def test_row_that_is_switched_off_gives_way_to_one_that_is_on():
    off = lease("*1", mac=mac(1), address=ipv4(1), disabled=True)
    assert sorts(off) == [("adopt", "A")]
    on = lease("*2", mac=mac(1), address=ipv4(50))
    assert sorts(off, on) == [("foreign", ""), ("adopt", "A")]


def test_rows_of_nobody_of_others_and_of_radius_are_foreign():
    rows = [
        lease("*1", mac=mac(70), address=ipv4(70)),
        lease("*2", mac=mac(1), address=ipv4(1), service_id="A", installation="other"),
        lease("*3", mac=mac(2), address=ipv4(2), radius=True),
        lease("*4", mac=mac(1), address=ipv4(71), server="dhcp2"),
    ]
    assert sorts(*rows) == [("foreign", "")] * 4


def test_device_of_a_service_elsewhere_is_a_conflict():
    assert sorts(lease("*1", mac=mac(9), address=ipv4(9))) == [("conflict", "")]


def test_dynamic_rows_are_not_sorted():
    assert sorts(lease("*1", mac=mac(1), dynamic=True)) == []


NUMBERS = st.integers(1, 4)
ROWS = st.lists(
    st.tuples(NUMBERS, NUMBERS, st.sampled_from([None, "S1", "S2"]), st.booleans()), max_size=6
)


@given(ROWS)
def test_no_service_is_given_two_rows_and_order_does_not_matter(found):
    rows = [
        lease(f"*{n}", mac=mac(m), address=ipv4(a), service_id=tag, disabled=off)
        for n, (m, a, tag, off) in enumerate(found)
    ]
    entries = {f"S{n}": entry(f"S{n}", n) for n in range(1, 4)}
    known = KnownServices(entries, {}, entries.keys())
    result = sort_rows(rows, known, "acme")
    adopted = [each.service_id for each in result if each.sort == "adopt"]
    ours = {each.service_id for each in result if each.sort == "ours"}
    assert len(adopted) == len(set(adopted))
    assert not ours & set(adopted)
    again = sort_rows(rows[::-1], known, "acme")
    assert {(e.row.id, e.sort, e.service_id) for e in result} == {
        (e.row.id, e.sort, e.service_id) for e in again
    }
