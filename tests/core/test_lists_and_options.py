"""What holds for every plan in which services stand in address lists and share DHCP options.

The leases are simple here: each service has its row, and some swap their addresses.
"""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import ipv4, lease, listed, mac, option
from tests.core.simulate import Tables
from tests.core.test_planner_properties import (
    COPIED_TO,
    Situation,
    apply_all,
    check_entries,
    in_any_order,
)
from worker.core.entry.entry import Entry
from worker.core.plan.member import Wanted
from worker.core.plan.planner import in_the_way
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import ADDRESS_LISTS, OPTIONS, ListPlace

SERVICES = ["S1", "S2", "S3", "S4"]
PLACES = [ListPlace("suspended", ipv4(number)) for number in range(10, 16)]
NEEDED = {
    name: {"name": name, "code": "6", "value": f"0x{digit * 8}"}
    for name, digit in (("lw-acme-dns-0000000001", "1"), ("lw-acme-dns-0000000002", "2"))
}


@st.composite
def list_rows(draw, number, service_id):
    """Rows of one service, or of somebody else, in address lists: (rows, what was noted)."""
    place = draw(st.sampled_from(PLACES))
    kinds = ["none", "own", "own", "lost", "edited", "copied", "foreign", "dynamic", "theirs"]
    kind = draw(st.sampled_from(kinds))
    id_, tag = f"*{number:X}", {"service_id": service_id}
    copy = draw(st.sampled_from([place._replace(list="vip"), place._replace(address=COPIED_TO)]))
    by_hand = draw(st.sampled_from(["", "by hand"]))
    own = listed(id_, place, **tag, comment=by_hand)
    rows = {
        "none": [],
        "own": [own],
        "lost": [listed(id_, place, comment=by_hand)],
        "edited": [listed(id_, place._replace(address=ipv4(18)), **tag)],
        "copied": [own, listed(f"*{number + 100:X}", copy, **tag)],
        "foreign": [listed(id_, place, comment="spam")],
        "dynamic": [listed(id_, place, dynamic=True)],
        "theirs": [listed(id_, place, **tag, installation="other")],
    }[kind]
    return rows, place if kind in {"own", "lost", "edited", "copied"} else None


@st.composite
def situations(draw):
    """Services with their leases, and what lists and options hold."""
    numbers = draw(st.permutations(range(4)) | st.just([0, 1, 2, 3]))
    rows, wanted = [], []
    for number, service_id in enumerate(SERVICES):
        held = {"mac-address": mac(number + 1), "server": "dhcp1", "block-access": "no"}
        held["address"] = ipv4(number + 10)
        has_row = draw(st.sampled_from([True, True, False]))
        if has_row:
            row = lease(f"*{number + 1:X}", mac=mac(number + 1), address=ipv4(number + 10))
            rows.append(replace(row, comment=f"leasewire:acme:{service_id}"))
        mine, noted = draw(list_rows(number + 1, service_id))
        if {row.place for row in mine} & {row.place for row in rows if row.menu == ADDRESS_LISTS}:
            mine, noted = [], None
        rows += mine
        options = {k: NEEDED[k] for k in sorted(draw(st.sets(st.sampled_from(sorted(NEEDED)))))}
        address = ipv4(numbers[number] + 10)
        place = ListPlace("suspended", address)
        entry = Entry(
            service_id,
            {**held, "address": address, "dhcp-option": ",".join(options)},
            listed=frozenset({place} if draw(st.booleans()) else ()),
            options=options,
        )
        if not draw(st.integers(0, 6)):
            entry = Entry(service_id, None)
        before = held if has_row else None
        wanted.append(Wanted(entry, before, listed=frozenset({noted} if noted else ())))
    there = sorted(draw(st.sets(st.sampled_from(sorted(NEEDED)))))
    rows += [option(f"*{n:X}", **NEEDED[name]) for n, name in enumerate(there, 1)]
    return Situation(wanted, rows, RouterPolicy("acme"))


@given(situations(), st.data())
def test_lists_and_options_converge_in_any_order_and_from_every_prefix(situation, data):
    made = situation.plan()
    operations = in_any_order(data.draw, made.phases)
    for length in range(len(operations) + 1):
        table, noted = Tables(situation.rows), {}
        situation.note(made, noted)
        apply_all(operations[:length], table, situation, noted)
        resumed = situation.plan(table, noted, made.duplicates)
        situation.note(resumed, noted)
        apply_all(in_any_order(data.draw, resumed.phases), table, situation, noted)
        check_entries(table, situation, made)
        again = situation.plan(table, noted, made.duplicates)
        assert again.phases == ()
        assert not again.waiting
        for service_id, places in again.listed.items():  # so it is kept once it is confirmed
            noted.setdefault(service_id, {})["listed"] = places
        assert situation.plan(table, noted, made.duplicates).phases == ()


@given(situations())
def test_each_option_is_made_once_and_before_it_is_named(situation):
    made = situation.plan()
    numbers = {o.fields["name"]: o.number for o in made.operations if o.menu == OPTIONS}
    assert len(numbers) == sum(o.menu == OPTIONS for o in made.operations)
    for operation in made.operations:
        named = getattr(operation, "fields", {}).get("dhcp-option", "").split(",")
        assert {numbers[name] for name in named if name in numbers} <= operation.needs


def test_an_option_that_somebody_changed_is_left_alone_and_its_services_wait():
    name = next(iter(NEEDED))
    fields = {
        "mac-address": mac(1),
        "address": ipv4(10),
        "server": "dhcp1",
        "block-access": "no",
        "dhcp-option": name,
    }
    one = Wanted(Entry("S1", fields, options={name: NEEDED[name]}))
    other = Wanted(Entry("S2", {**fields, "mac-address": mac(2), "address": ipv4(11)}))
    situation = Situation([one, other], [option("*1", name=name)], RouterPolicy("acme"))
    made = situation.plan()
    assert {o.service_id for o in made.operations} == {"S2"}
    assert made.waiting["S1"].reason == "option-changed"
    assert name in made.waiting["S1"].detail


def test_a_service_whose_list_row_holds_a_wanted_place_joins_the_batch():
    fields = {"mac-address": mac(1), "address": ipv4(10), "server": "dhcp1", "block-access": "no"}
    place = ListPlace("suspended", ipv4(10))
    wanted = [Wanted(Entry("S1", fields, listed=frozenset({place})))]
    rows = [listed("*1", place, service_id="S9")]
    assert in_the_way(wanted, RowIndex(rows, "acme")) == {"S9"}
    theirs = [listed("*1", place, service_id="S9", installation="other")]
    assert in_the_way(wanted, RowIndex(theirs, "acme")) == set()
