"""What holds for every plan, whatever the rows and the entries are.

The rules of uniqueness stand here once more, apart from `simulate.py`: see `clashes`.
"""

import itertools
from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import ipv4, lease, mac
from tests.core.simulate import Tables
from worker.core.entry.entry import Entry, placeholder_mac
from worker.core.plan.member import Wanted
from worker.core.plan.planner import in_the_way, plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Add, MakeStatic, Waiting
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    NO_ADDRESS,
    NO_MAC,
    Lease,
    ListedAddress,
    ListPlace,
    Row,
    identity_of,
    parse_tag,
)

SERVICES = ["S1", "S2", "S3", "S4"]
# Few of each, so that they meet; dealt out like cards, so that not all of them clash.
macs = st.permutations([mac(number) for number in range(1, 7)])
addresses = st.permutations([*(ipv4(number) for number in range(10, 16)), "cust-pool"])
servers = st.sampled_from(["dhcp1", "dhcp1", "dhcp2", "all"])
kinds = st.sampled_from(["own", "dynamic", "own", "dynamic", "untagged", "theirs", "radius"])
seldom = st.sampled_from([False] * 6 + [True])


def meet(a, b):
    return a == b or "all" in (a, b)


def clashes(a: Lease, b: Lease, *, strictly: bool = False) -> bool:
    """Whether these two rows cannot stand together; `strictly`: or would not come to be so.

    What RouterOS does with a device's own dynamic lease on the address of its new static row is
    not known: we write the row beside RADIUS's lease, but do not start from there.
    """
    on_one_server = a.device == b.device and meet(a.server, b.server)
    on_one_address = a.address == b.address and a.address.startswith("198.")
    if a.dynamic and b.dynamic:
        return on_one_server or on_one_address
    if a.dynamic or b.dynamic:
        return on_one_address and (strictly or a.device != b.device)
    return on_one_address or (on_one_server and not a.disabled and not b.disabled)


@st.composite
def rows(draw, number, mac_, address):
    kind = draw(kinds)
    dynamic = kind in {"dynamic", "radius"}
    server = draw(servers)
    return lease(
        f"*{number:X}",
        mac=mac_,
        address=ipv4(19) if dynamic and address == "cust-pool" else address,
        server="dhcp1" if dynamic and server == "all" else server,
        block_access=draw(st.sampled_from(["no", "yes"])),
        client_id=draw(st.sampled_from(["", "1:0:0:5e:0:53:1"])),
        comment=draw(st.sampled_from(["", "edited by hand"])),
        service_id=draw(st.sampled_from(SERVICES)) if kind in {"own", "theirs"} else None,
        installation="acme" if kind == "own" else "other",
        dynamic=dynamic,
        radius=kind == "radius",
        disabled=not dynamic and draw(seldom),
    )


@dataclass
class Situation:
    wanted: list[Wanted]
    rows: list[Row]
    policy: RouterPolicy

    def plan(self, table=None, noted=None, duplicates=frozenset()):
        """WritePlan for other rows, as the pass after this one would.

        Args:
            table: the rows; None: as they were.
            noted: service -> what was noted of its rows before they were written.
            duplicates: of the plan before.
        """
        held = self.rows if table is None else table.rows()
        wanted = [
            replace(one, **(noted or {}).get(one.entry.service_id, {})) for one in self.wanted
        ]
        return plan(wanted, RowIndex(held, self.policy.installation, duplicates), self.policy)

    def note(self, made, noted):
        """Note which list rows come to be ours, before they do."""
        listed = {one.entry.service_id: one.listed for one in self.wanted}
        for each in made.operations:
            if isinstance(each, Add) and each.menu == ADDRESS_LISTS:
                place = ListPlace(each.fields["list"], each.fields["address"])
                mine = noted.setdefault(each.service_id, {})
                mine["listed"] = mine.get("listed", listed[each.service_id]) | {place}


COPIED_TO = ipv4(19)
"""Where nothing of ours stands in an address list but what a person copied there."""
FORMS = ("lease", "lease", "mac-server", "ppp-secret")
"""Of rows: leases, rows that meet every server, and rows that are known by names."""


def in_form(form, fields):
    """The fields of a lease as a kind of entry has them; names of no device are as in a lease."""
    if form == "lease":
        return fields
    found = {**fields, "server": "all"}
    if form == "ppp-secret":
        device = found.pop("mac-address")
        found["name"] = "" if device == NO_MAC else device.replace(":", "-")
        if found["address"] == "cust-pool":
            found["address"] = NO_ADDRESS
    return found


@st.composite
def situations(draw):
    """Rows of one kind that can stand together, and services that want something there."""
    form = draw(st.sampled_from(FORMS))
    table: list[Lease] = []
    cards = [
        *zip(draw(macs), draw(addresses), strict=False),
        *zip(draw(macs), draw(addresses), strict=False),
    ]
    for number, (mac_, address) in enumerate(cards[: draw(st.integers(0, 9))], 1):
        row = draw(rows(number, mac_, address))
        row = replace(row, fields=in_form(form, row.fields))
        if row.dynamic and form != "lease":
            continue
        if not any(clashes(row, other, strictly=True) for other in table):
            table.append(row)
    wanted = []
    cards = [*zip(draw(macs), draw(addresses), strict=False)]
    if draw(seldom):  # two services want one key
        cards[0] = (cards[1][0], cards[0][1])
    for service_id, (mac_, address) in zip(SERVICES, cards, strict=False):
        if draw(seldom):
            continue  # not in this batch
        if table and draw(seldom):  # just what some row holds
            row = draw(st.sampled_from(table))
            mac_, address = row.device.replace("-", ":"), row.address  # noqa: PLW2901 - another card for this one
        fields = {
            "mac-address": mac_,
            "address": address,
            "server": draw(servers),
            "block-access": draw(st.sampled_from(["no", "yes"])),
        }
        fields = in_form(form, fields)
        if draw(seldom):
            fields = None
        own = [
            row
            for row in table
            if (tag := parse_tag(row.comment)) and tag[:2] == ("acme", service_id)
        ]
        lost = [row for row in table if not row.dynamic and not parse_tag(row.comment)]
        source = draw(st.sampled_from([None, *(own or lost)]))
        kept = ("mac-address", "name", "address", "server", "block-access")
        written = source and {name: source.fields[name] for name in kept if name in source.fields}
        granted = not draw(seldom)
        why = Waiting("claim-held", "service S9 holds it")
        wanted.append(Wanted(Entry(service_id, fields), written, granted, why))
    on_dynamic = draw(st.sampled_from(["remove", "wait"]))
    return Situation(wanted, table, RouterPolicy("acme", on_dynamic=on_dynamic))


def is_foreign(row, situation):
    """Static and surely not ours, or RADIUS's: no pass may change it in any way."""
    if not isinstance(row, Lease):
        return not isinstance(row, ListedAddress) or is_foreign_in_list(row, situation)
    if row.radius:
        return True
    if row.dynamic:
        return False
    tag = parse_tag(row.comment)
    if tag is not None:
        return tag.installation != "acme" or tag.service_id not in {
            one.entry.service_id for one in situation.wanted
        }
    return not any(
        one.written is not None and identity_of(one.written) == identity_of(row.fields)
        for one in situation.wanted
    )


def is_foreign_in_list(row, situation):
    tag = parse_tag(row.comment)
    if row.dynamic or row.place.list != "suspended" or row.place.address == COPIED_TO:
        return True
    if tag is not None:
        return tag.installation != "acme"
    return not any(row.place in one.listed for one in situation.wanted)


def in_any_order(draw, phases):
    """The operations, each phase's in an order of its own."""
    return [operation for phase in phases for operation in draw(st.permutations(list(phase)))]


def check_invariants(table, situation, kept):
    held = table.rows()
    leases = [row for row in held if isinstance(row, Lease)]
    for a, b in itertools.combinations(leases, 2):
        if not (a.dynamic and b.dynamic):
            assert not clashes(a, b)
    assert kept <= {row.id for row in leases}
    by_id = {(row.menu, row.id): row for row in held}
    for row in situation.rows:
        if is_foreign(row, situation):
            assert by_id[row.menu, row.id] is row


def kept_rows(situation):
    """Rows of services that stay, whether they go on or wait: never to be without one."""
    staying = {one.entry.service_id for one in situation.wanted if one.entry.fields is not None}
    return {
        row.id
        for row in situation.rows
        if isinstance(row, Lease)
        and (tag := parse_tag(row.comment))
        and tag.installation == "acme"
        and tag.service_id in staying
    }


def apply_all(operations, table, situation, noted):
    kept = kept_rows(situation)
    for operation in operations:
        if isinstance(operation, MakeStatic):
            noted.setdefault(operation.service_id, {})["written"] = operation.was
        table.apply(operation)
        check_invariants(table, situation, kept)


def check_entries(table, situation, made):
    """Every service that goes on has its one row, every other none that it has not had."""
    for one in situation.wanted:
        service_id, fields = one.entry.service_id, one.entry.fields
        own = [
            row
            for row in table.rows()
            if isinstance(row, Lease)
            and (tag := parse_tag(row.comment))
            and tag[:2] == ("acme", service_id)
            and row.key not in made.duplicates
        ]
        if service_id in made.waiting:
            continue
        if fields is None:
            assert own == []
        else:
            assert len(own) == 1
            assert {name: own[0].fields.get(name, "") for name in fields} == fields
            assert not own[0].dynamic
        places = [row for row in table.rows() if isinstance(row, ListedAddress)]
        assert one.entry.listed <= {row.place for row in places}
        for row in places:
            tag = parse_tag(row.comment)
            if tag and tag[:2] == ("acme", service_id) and not is_foreign_in_list(row, situation):
                assert row.place in one.entry.listed


@given(situations(), st.data())
def test_a_plan_converges_in_any_order_within_its_phases(situation, data):
    made = situation.plan()
    table, noted = Tables(situation.rows), {}
    situation.note(made, noted)
    apply_all(in_any_order(data.draw, made.phases), table, situation, noted)
    check_entries(table, situation, made)
    again = situation.plan(table, noted, made.duplicates)
    assert again.phases == ()
    assert again.waiting == made.waiting
    for service_id, places in again.listed.items():  # so it is kept once it is confirmed
        noted.setdefault(service_id, {})["listed"] = places
    assert situation.plan(table, noted, made.duplicates).phases == ()


@given(situations(), st.data())
def test_it_converges_from_every_prefix(situation, data):
    made = situation.plan()
    operations = in_any_order(data.draw, made.phases)
    for length in range(len(operations) + 1):
        table, noted = Tables(situation.rows), {}
        situation.note(made, noted)
        apply_all(operations[:length], table, situation, noted)
        resumed = situation.plan(table, noted, made.duplicates)
        situation.note(resumed, noted)
        apply_all(resumed.operations, table, situation, noted)
        assert resumed.waiting.keys() == made.waiting.keys()
        check_entries(table, situation, made)
        assert situation.plan(table, noted, made.duplicates).phases == ()


@given(situations(), st.data())
def test_a_plan_does_not_depend_on_the_order_of_what_it_is_made_from(situation, data):
    wanted = data.draw(st.permutations(situation.wanted))
    held = data.draw(st.permutations(situation.rows))
    assert plan(wanted, RowIndex(held, "acme"), situation.policy) == situation.plan()


@given(situations())
def test_operations_are_numbered_and_need_only_earlier_phases(situation):
    made = situation.plan()
    numbers = [operation.number for operation in made.operations]
    assert numbers == list(range(1, len(numbers) + 1))
    done: set[int] = set()
    for phase in made.phases:
        assert all(operation.needs <= done for operation in phase)
        done |= {operation.number for operation in phase}


@given(situations())
def test_a_closed_batch_has_no_row_of_ours_in_the_way(situation):
    """Closing the batch ends, and then no granted service waits for a service beside it."""
    found = in_the_way(situation.wanted, RowIndex(situation.rows, "acme"))
    batch = {one.entry.service_id for one in situation.wanted}
    assert found.isdisjoint(batch)
    joined = [Wanted(Entry(service_id, None), granted=True) for service_id in found]
    assert not in_the_way([*situation.wanted, *joined], RowIndex(situation.rows, "acme"))


@st.composite
def rings(draw, most=24):
    """Services that pass on their MACs, their addresses or both, each ring of its own length."""
    count = draw(st.integers(2, most))
    ids = [f"S{number:02}" for number in range(count)]
    held = {
        service_id: {
            "mac-address": mac(number + 1),
            "address": ipv4(number + 10),
            "server": "dhcp1",
            "block-access": "no",
        }
        for number, service_id in enumerate(ids)
    }
    wanted_macs = draw(st.permutations(range(count)) | st.just([*range(1, count), 0]))
    wanted_addresses = draw(st.permutations(range(count)) | st.just(range(count)))
    wanted = [
        Wanted(
            Entry(
                service_id,
                {
                    **held[service_id],
                    "mac-address": mac(wanted_macs[number] + 1),
                    "address": ipv4(wanted_addresses[number] + 10),
                },
            ),
            held[service_id],
        )
        for number, service_id in enumerate(ids)
    ]
    rows = [
        lease(
            f"*{number + 1:X}",
            mac=fields["mac-address"],
            address=fields["address"],
            service_id=service_id,
            client_id="1:2:3",
        )
        for number, (service_id, fields) in enumerate(held.items())
    ]
    return Situation(wanted, rows, RouterPolicy("acme"))


@given(rings(), st.data())
@settings(max_examples=60)
def test_rings_of_any_length_resolve_and_nobody_is_ever_without_a_row(situation, data):
    made = situation.plan()
    operations = in_any_order(data.draw, made.phases)
    stop = data.draw(st.integers(0, len(operations)), label="killed after")
    table, noted = Tables(situation.rows), {}
    apply_all(operations[:stop], table, situation, noted)
    apply_all(situation.plan(table).operations, table, situation, noted)
    check_entries(table, situation, made)
    assert made.waiting == {}
    assert {row.id for row in table.rows()} == {row.id for row in situation.rows}
    moved = {op.service_id for op in made.operations if "mac-address" in op.fields}
    for row in table.rows():
        expected = "" if parse_tag(row.comment).service_id in moved else "1:2:3"
        assert row.fields["client-id"] == expected


def gives_way(operation):
    """Whether it only makes a row give up what others want."""
    freed = {placeholder_mac(operation.service_id), NO_ADDRESS, ""}
    return operation.fields.keys() <= {"mac-address", "address", "client-id"} and (
        set(operation.fields.values()) <= freed
    )


def missing(situation, services):
    """The situation as the pass plans it after the writes of these services were refused."""
    why = Waiting("router-says", "invalid value")
    wanted = [
        replace(one, entry=replace(one.entry, missing=why))
        if one.entry.service_id in services
        else one
        for one in situation.wanted
    ]
    return replace(situation, wanted=wanted)


@given(rings(most=5), st.data())
def test_of_a_ring_all_are_served_but_those_that_the_router_refuses(situation, data):
    ids = [one.entry.service_id for one in situation.wanted]
    wrong = data.draw(st.sets(st.sampled_from(ids), max_size=len(ids) - 1), label="wrong")
    table, noted, refused = Tables(situation.rows), {}, set()
    for _ in range(len(ids) + 1):
        made = missing(situation, refused).plan(table)
        unsent = set()
        for operation in in_any_order(data.draw, made.phases):
            if operation.needs & unsent:
                unsent.add(operation.number)
            elif operation.service_id in wrong and not gives_way(operation):
                unsent.add(operation.number)
                refused.add(operation.service_id)
            else:
                apply_all([operation], table, situation, noted)
    assert made.phases == ()
    assert refused <= wrong
    check_entries(table, situation, made)
    assert made.waiting.keys() == refused
    assert {row.id for row in table.rows()} == {row.id for row in situation.rows}


@given(st.integers(2, 24))
def test_a_plain_ring_costs_one_placeholder(count):
    fields = [
        {
            "mac-address": mac(n + 1),
            "address": ipv4(n + 10),
            "server": "dhcp1",
            "block-access": "no",
        }
        for n in range(count)
    ]
    wanted = [
        Wanted(Entry(f"S{n:02}", {**fields[n], "address": ipv4((n + 1) % count + 10)}))
        for n in range(count)
    ]
    held = [
        lease(f"*{n + 1:X}", mac=mac(n + 1), address=ipv4(n + 10), service_id=f"S{n:02}")
        for n in range(count)
    ]
    writes = Counter(
        op.service_id
        for op in plan(wanted, RowIndex(held, "acme"), RouterPolicy("acme")).operations
    )
    assert sorted(writes.values()) == [1] * (count - 1) + [2]
