"""What holds for every plan of own queues, whatever stands on the router.

The leases are simple here: each service has its row or none. A lease with a rate and a device has
its dynamic queue at once, on top.
"""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import ipv4, lease, mac
from tests.core.simulate import Tables
from worker.core.entry.entry import Entry
from worker.core.plan.member import Wanted
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.menus import QUEUE
from worker.core.rows.operations import Add
from worker.core.rows.queues import (
    FIRST,
    LAST,
    OwnQueue,
    QueueOrder,
    QueueRow,
    owner_of,
    queue_fields,
)
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import Lease

SERVICES = ["S1", "S2", "S3"]
RATES = ["5M/20M", "10M/100M 20M/200M"]
ROUNDS = 3
TARGETS = ["198.51.100.0/24", f"{ipv4(10)}/32", "192.0.2.0/24", "ether2", "", "2001:db8::/64"]
PLACES = [FIRST, LAST, "before site", "before nobody"]


def queue(id_, place, name, *, comment="", disabled=False, **fields):
    values = {**QUEUE.defaults, "name": name, **fields}
    dynamic = name.startswith("dhcp-ds")
    return QueueRow(id_, values, comment, dynamic, disabled, place)


@dataclass
class Situation:
    """Services, the rows of a router, and which leases devices hold."""

    wanted: list[Wanted]
    rows: list
    held: frozenset[str]

    def read(self, table):
        """The rows as a router shows them: the queues of leases are on top."""
        rows = table.rows()
        leases = [row for row in rows if isinstance(row, Lease)]
        bound = [row for row in leases if row.device in self.held and row.fields.get("rate-limit")]
        dynamic = [
            queue(f"*D{n}", n, f"dhcp-ds<{row.device}>", target=f"{row.address}/32")
            for n, row in enumerate(bound)
        ]
        shifted = [
            replace(row, place=row.place + len(dynamic)) if isinstance(row, QueueRow) else row
            for row in rows
        ]
        return dynamic + shifted

    def plan(self, table):
        rows = self.read(table)
        leases = [row for row in rows if isinstance(row, Lease)]
        held = {row.id: row.address for row in leases if row.device in self.held}
        return plan(self.wanted, RowIndex(rows, "acme", held=held), RouterPolicy("acme"))


@st.composite
def situations(draw):
    foreign = []
    for number, name in enumerate(draw(st.lists(st.sampled_from(["site", "b", "c"]), unique=True))):
        fields = {"target": draw(st.sampled_from(TARGETS)), "max-limit": "900M/900M"}
        off = draw(st.sampled_from([False, False, True]))
        foreign.append(queue(f"*{number + 50:X}", 0, name, disabled=off, **fields))
    rows, queues, wanted = [], [], []
    rate_place = draw(st.sampled_from(PLACES))
    parent = (
        draw(st.sampled_from(["", "", "site"]))
        if any(row.queue == "site" for row in foreign)
        else ""
    )
    for number, service_id in enumerate(SERVICES, 1):
        fields = {
            "mac-address": mac(number),
            "address": ipv4(9 + number),
            "server": "dhcp1",
            "block-access": "no",
        }
        rate = draw(st.sampled_from(RATES))
        by_queue = draw(st.booleans())
        own = OwnQueue(fields["address"], rate, rate_place, parent) if by_queue else None
        target = {**fields, "rate-limit": "" if by_queue else rate}
        gone = draw(st.integers(0, 6)) == 0
        entry = Entry(service_id, None) if gone else Entry(service_id, target, queue=own)
        written = None
        if draw(st.sampled_from([True, True, False])):
            held_rate = draw(st.sampled_from(["", *RATES]))
            row = lease(f"*{number:X}", mac=mac(number), address=ipv4(9 + number))
            row_fields = {**row.fields, "rate-limit": held_rate}
            comment = f"leasewire:acme:{service_id}"
            rows.append(replace(row, fields=row_fields, comment=comment))
            written = {**fields, "rate-limit": held_rate}
        kind = draw(st.sampled_from(["none", "own", "other rate", "untagged", "renamed", "off"]))
        if kind != "none":
            name = f"leasewire:acme:{service_id}"
            had = OwnQueue(fields["address"], rate if kind != "other rate" else "1M/1M")
            values = queue_fields(had, "by hand" if kind == "renamed" else name)
            comment = "" if kind == "untagged" else name
            if kind == "renamed":
                values["name"] = f"by hand {number}"
            queues.append(
                replace(
                    queue(f"*{number + 80:X}", 0, "", comment=comment, disabled=kind == "off"),
                    fields={**QUEUE.defaults, **values},
                )
            )
        wanted.append(Wanted(entry, written))
    ordered = draw(st.permutations([*foreign, *queues]))
    rows += [replace(row, place=place) for place, row in enumerate(ordered)]
    held = draw(st.sets(st.sampled_from([mac(number) for number in (1, 2, 3)])))
    return Situation(wanted, rows, frozenset(held))


def limited(situation, table):
    """The services whose device the router limits, by lease or by a queue of its own."""
    queues = (row for row in situation.read(table) if isinstance(row, QueueRow))
    return {
        row.target for row in queues if not row.disabled and (row.dynamic or owner_of(row, "acme"))
    }


def foreign_of(rows):
    return [
        replace(row, place=0)
        for row in sorted((r for r in rows if isinstance(r, QueueRow)), key=lambda r: r.place)
        if not row.dynamic and owner_of(row, "acme") is None
    ]


@given(situations(), st.data())
def test_own_queues_converge_in_any_order_and_leave_no_device_without_a_limit(situation, data):
    table = Tables(situation.rows)
    foreign = foreign_of(situation.rows)
    stays = {
        f"{wanted.entry.fields['address']}/32"
        for wanted in situation.wanted
        if wanted.entry.fields is not None and wanted.entry.fields["mac-address"] in situation.held
    }
    for _ in range(ROUNDS):
        made = situation.plan(table)
        for phase in made.phases:
            for operation in data.draw(st.permutations(list(phase))):
                before = limited(situation, table)
                table.apply(operation)
                assert before & stays <= limited(situation, table), operation
        assert foreign_of(table.rows()) == foreign
    made = situation.plan(table)
    assert made.operations == ()
    assert not made.waiting
    check_queues(situation, table)


def check_queues(situation, table):
    rows = [row for row in situation.read(table) if isinstance(row, QueueRow)]
    order = QueueOrder(rows, "acme")
    owners = {owner_of(row, "acme"): row for row in rows if owner_of(row, "acme")}
    for wanted in situation.wanted:
        own, entry = owners.get(wanted.entry.service_id), wanted.entry
        if entry.queue is None:
            assert own is None
            continue
        fields = queue_fields(entry.queue, f"leasewire:acme:{entry.service_id}")
        assert own is not None
        assert fields.items() <= own.fields.items()
        assert not order.is_misplaced(own, entry.queue)
        if own.disabled:
            continue
        shadows = [row for row in order.shadows(entry.queue, own.place) if not row.dynamic]
        assert entry.queue.place in (LAST, "before site") or not shadows or entry.queue.parent


@given(situations())
def test_a_queue_is_added_before_the_lease_of_a_new_service(situation):
    made = situation.plan(Tables(situation.rows))
    queues = {op.service_id: op.number for op in made.operations if _adds(op, "/queue/simple")}
    for operation in made.operations:
        if _adds(operation, "/ip/dhcp-server/lease") and operation.service_id in queues:
            assert queues[operation.service_id] in operation.needs


def _adds(operation, menu):
    return isinstance(operation, Add) and operation.menu == menu
