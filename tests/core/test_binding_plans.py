"""What holds for every plan of IPv6 bindings, whatever stands on the router.

The leases are simple here: each service has its row, as wanted, or leaves.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import ipv4, lease, mac
from tests.core.simulate import Tables
from worker.core.entry.entry import Entry
from worker.core.plan.in_flight import placements_to_note
from worker.core.plan.member import Wanted
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import OwnBinding, binding_fields, mac_in_duid
from worker.core.rows.menus import BINDING
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import BindingRow, parse_tag
from worker.core.service.record_parts import Placement

SERVICES = ["S1", "S2", "S3"]
PREFIXES = ["2001:db8:1::/56", "2001:db8:2::/56", "2001:db8:3::/56", "2001:db8:2:10::/60"]
PREFIXES.append("2001:db8:2::/48")
DYNAMIC = ["2001:db8:a::/56", "2001:db8:b::/56", "2001:db8:2::/56", "2001:db8:c::/56"]
ADDRESSES = [f"2001:db8:f::{number}/128" for number in (1, 2, 3, 4)]
DUIDS = [f"0x00030001{mac(n).replace(':', '').lower()}" for n in (1, 2, 3)] + [
    "0x0002aa",
    "0x0002bb",
]
ROUNDS = 2
seldom = st.sampled_from([False] * 5 + [True])


@dataclass
class Situation:
    """Services, the rows of a router and the policy."""

    wanted: list[Wanted]
    rows: list
    policy: RouterPolicy

    def plan(self, table, noted):
        wanted = [
            replace(service, bindings=noted.get(service.entry.service_id, service.bindings))
            for service in self.wanted
        ]
        return plan(wanted, RowIndex(table.rows(), "acme"), self.policy)


@st.composite
def clients(draw):
    return draw(st.sampled_from(DUIDS)), draw(st.sampled_from(["1", "2"]))


@st.composite
def bindings(draw, number):
    """A row of anybody."""
    kind = draw(st.sampled_from(["own", "dynamic", "dynamic", "untagged", "theirs", "radius"]))
    dynamic = kind in ("dynamic", "radius")
    duid, iaid = draw(clients())
    ia = draw(st.sampled_from(["pd", "pd", "pd", "na"]))
    places = ADDRESSES if ia == "na" else DYNAMIC if dynamic else PREFIXES
    fields = {
        "address": draw(st.sampled_from(places)),
        "duid": duid,
        "iaid": iaid,
        "ia-type": ia,
        "server": "dhcp6" if dynamic else draw(st.sampled_from(["all", "dhcp6"])),
        "rate-limit": draw(st.sampled_from(["", "1M/1M"])),
    }
    service_id = draw(st.sampled_from(SERVICES))
    installation = "acme" if kind == "own" else "other"
    return BindingRow(
        f"*{number:X}",
        {**BINDING.defaults, **fields},
        f"leasewire:{installation}:{service_id}" if kind in ("own", "theirs") else "",
        dynamic=dynamic,
        disabled=not dynamic and draw(seldom),
        status=draw(st.sampled_from(["bound", "bound", "waiting"])),
        client_mac=draw(st.sampled_from(["", "", mac(1), mac(2), mac(3)])),
        last_seen_s=draw(st.sampled_from([None, 10, 1000])),
        expires_in_s=draw(st.sampled_from([None, 10, 1000])),
        radius=kind == "radius",
    )


@st.composite
def wanted_bindings(draw, number, prefix):
    duid, iaid = draw(clients())
    stated = draw(st.sampled_from(["none", "none", "both", "duid"]))
    binding = OwnBinding(
        "pd",
        prefix,
        duid="" if stated == "none" else duid,
        iaid=iaid if stated == "both" else "",
        mac="" if stated == "both" else mac(number),
        rate=draw(st.sampled_from([None, "", "5M/20M"])),
    )
    beside = binding._replace(ia="na", address=f"2001:db8:f::{number}/128")
    return (binding, beside) if draw(seldom) else (binding,)


def clash(row, other):
    """Whether two rows cannot stand together; the router's rule, told apart from `simulate.py`."""
    names = ("ia-type", "duid", "iaid")
    meet = "all" in (row.server, other.server) or row.server == other.server
    one, two = IPv6Network(row.address), IPv6Network(other.address)
    same_client = meet and all(row.fields[name] == other.fields[name] for name in names)
    return same_client or one.overlaps(two)


@st.composite
def situations(draw):
    rows = []
    for number in range(draw(st.integers(0, 6))):
        row = draw(bindings(number + 16))
        if not any(clash(row, other) for other in rows):
            rows.append(row)
    leases, wanted = [], []
    prefixes = draw(st.permutations(PREFIXES[:3]))
    for number, (service_id, prefix) in enumerate(zip(SERVICES, prefixes, strict=True), 1):
        row = lease(f"*{number:X}", mac=mac(number), address=ipv4(number), service_id=service_id)
        leases.append(row)
        gone = draw(seldom)
        own = () if gone else draw(wanted_bindings(number, prefix))
        fields = None if gone else {k: v for k, v in row.fields.items() if k != "client-id"}
        noted = [
            binding._replace(
                address=draw(st.sampled_from(PREFIXES)) if binding.ia == "pd" else binding.address,
                duid=draw(st.sampled_from(DUIDS)),
                mac=draw(st.sampled_from([binding.mac, mac(9)])),
                iaid="1",
            )
            for binding in own
            if draw(st.booleans())
        ]
        entry = Entry(service_id, fields, bindings=own)
        granted = not draw(seldom)
        wanted.append(Wanted(entry, row.fields, granted, bindings=tuple(noted)))
    policy = RouterPolicy("acme", on_dynamic=draw(st.sampled_from(["remove", "wait"])))
    return Situation(wanted, [*leases, *rows], policy)


def bindings_of(rows):
    return [row for row in rows if isinstance(row, BindingRow)]


def is_foreign(row, situation):
    """Static and surely not ours, or made by RADIUS: no plan may change it in any way."""
    tag = parse_tag(row.comment)
    if row.dynamic or tag is not None:
        return row.radius or (tag is not None and tag.installation != "acme")
    noted = (binding for service in situation.wanted for binding in service.bindings)
    return all(binding.place != row.place for binding in noted)


def devices(rows, ia):
    """MAC -> the clients that surely are its device's: those that are bound, else all."""
    found = {}
    for row in bindings_of(rows):
        if row.dynamic and not row.radius and row.ia == ia:
            device = row.client_mac or mac_in_duid(row.client[0])
            found.setdefault(device, []).append(row)
    return {
        device: {r.client for r in rows if r.status == "bound"} or {r.client for r in rows}
        for device, rows in found.items()
    }


def check_no_guess(situation, made):
    """A client that was not known is that of the one client of the service's device."""
    for service in situation.wanted:
        before = {binding.ia: binding for binding in service.bindings}
        for binding, wanted in zip(
            made.bindings[service.entry.service_id], service.entry.bindings, strict=True
        ):
            if wanted.is_known:
                assert binding.client == wanted.client
            known = [wanted.client]
            if binding.ia in before:
                known.append(before[binding.ia].client)
            known += [
                row.client
                for row in bindings_of(situation.rows)
                if not row.dynamic
                and row.ia == binding.ia
                and (tag := parse_tag(row.comment))
                and tag[:2] == ("acme", service.entry.service_id)
            ]
            if binding.is_known and binding.client not in known:
                asking = devices(situation.rows, binding.ia)
                if wanted.duid:  # of the stated device, whatever its MAC address
                    assert binding.duid == wanted.duid
                else:
                    clients = asking.get(wanted.mac, set())
                    assert clients == {binding.client}


def note(made, noted, situation):
    before = {
        service.entry.service_id: Placement(
            None, bindings=noted.get(service.entry.service_id, service.bindings)
        )
        for service in situation.wanted
    }
    for service_id, at in placements_to_note(made, before).items():
        noted[service_id] = at.bindings


@given(situations(), st.data())
def test_bindings_converge_in_two_rounds_and_leave_foreign_rows_alone(situation, data):
    table, noted = Tables(situation.rows), {}
    foreign = {row.id: row for row in bindings_of(situation.rows) if is_foreign(row, situation)}
    check_no_guess(situation, situation.plan(table, noted))
    for _ in range(ROUNDS):
        made = situation.plan(table, noted)
        note(made, noted, situation)
        for phase in made.phases:
            for operation in data.draw(st.permutations(list(phase))):
                table.apply(operation)
        rows = {row.id: row for row in bindings_of(table.rows())}
        assert all(rows.get(row_id) == row for row_id, row in foreign.items())
    made = situation.plan(table, noted)
    assert not made.phases
    check_waiting(situation, made, bindings_of(table.rows()))
    for service in situation.wanted:
        check_rows(service, made, bindings_of(table.rows()))


def check_rows(service, made, rows):
    """A service without a reason to wait has one row for each binding with a known client."""
    service_id = service.entry.service_id
    if service_id in made.waiting:
        return
    ours = [r for r in rows if (tag := parse_tag(r.comment)) and tag[:2] == ("acme", service_id)]
    ours = [row for row in ours if row.key not in made.duplicates]
    known = [binding for binding in made.bindings[service_id] if binding.is_known]
    assert len(ours) == len(known)
    for binding, row in zip(known, sorted(ours, key=lambda row: row.ia, reverse=True), strict=True):
        assert not row.dynamic
        assert binding_fields(binding).items() <= row.fields.items()


def check_waiting(situation, made, rows):
    """A service without its claims keeps its rows, unless another one has a right to the prefix."""
    granted = [
        IPv6Network(binding.address)
        for service in situation.wanted
        if service.granted
        for binding in service.entry.bindings
    ]
    waits = [service for service in situation.wanted if service.entry.service_id in made.waiting]
    for service in (service for service in waits if not service.granted):
        for row in bindings_of(situation.rows):
            tag = parse_tag(row.comment)
            is_own = tag is not None and tag[:2] == ("acme", service.entry.service_id)
            if is_own and not any(IPv6Network(row.address).overlaps(other) for other in granted):
                assert row in rows


@given(situations(), st.data())
def test_a_pass_after_a_crash_goes_on_where_it_was(situation, data):
    table, noted = Tables(situation.rows), {}
    foreign = {row.id: row for row in bindings_of(situation.rows) if is_foreign(row, situation)}
    whole, once = Tables(situation.rows), {}
    for _ in range(ROUNDS):
        made = situation.plan(whole, once)
        note(made, once, situation)
        for operation in made.operations:
            whole.apply(operation)
    made = situation.plan(table, noted)
    note(made, noted, situation)
    for operation in made.operations[: data.draw(st.integers(0, len(made.operations)))]:
        table.apply(operation)
    for _ in range(ROUNDS):
        made = situation.plan(table, noted)
        note(made, noted, situation)
        for operation in made.operations:
            table.apply(operation)
    made = situation.plan(table, noted)
    assert not made.phases
    after = {row.id: row for row in bindings_of(table.rows())}
    assert all(after.get(row_id) == row for row_id, row in foreign.items())

    def held(rows):
        ours = (row for row in bindings_of(rows) if "leasewire:acme" in row.comment)
        return sorted((row.comment, row.place) for row in ours)

    assert held(table.rows()) == held(whole.rows())
