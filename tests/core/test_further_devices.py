"""What holds for every plan of services with several devices, and what each device's entry is."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from contracts.parse import parse_event
from tests import builders
from tests.builders import ipv4, lease, mac, version_of
from tests.core.simulate import Tables
from worker.core.entry.brake import Loss, loss_of
from worker.core.entry.entry import Entry
from worker.core.entry.wanted import in_sync, placed, wanted_entries
from worker.core.plan.member import Wanted
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.menus import QUEUE
from worker.core.rows.operations import Waiting
from worker.core.rows.queues import OwnQueue, QueueRow, queue_fields
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import LEASES, QUEUES, member_id, parse_tag
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement

MEMBERS = [("S1", ""), ("S1", "2"), ("S1", "3"), ("S2", ""), ("S2", "2")]
POLICY = RouterPolicy("acme")
NUMBERS = range(1, 8)


def fields_of(mac_, address):
    return {"mac-address": mac_, "address": address, "server": "dhcp1", "block-access": "no"}


@st.composite
def situations(draw):
    """What the devices of two services want, and rows: also of others, and of devices gone."""
    held_macs, held_at = draw(st.permutations(NUMBERS)), draw(st.permutations(NUMBERS))
    rows, written = [], {}
    owners = [*MEMBERS, ("S1", "8"), ("S9", "2")]
    for number, (service_id, device) in enumerate(owners):
        kind = draw(st.sampled_from(["none", "own", "own", "theirs", "untagged"]))
        if kind == "none":
            continue
        name = member_id(service_id, device)
        row = lease(
            f"*{number + 1:X}",
            mac=mac(held_macs[number]),
            address=ipv4(held_at[number]),
            service_id=None if kind == "untagged" else name,
            installation="acme" if kind == "own" else "other",
        )
        rows.append(row)
        if kind == "own" and draw(st.booleans()):
            written[name] = {n: row.fields[n] for n in fields_of("", "")}
    macs, at = draw(st.permutations(NUMBERS)), draw(st.permutations(NUMBERS))
    wanted = []
    for number, (service_id, device) in enumerate(MEMBERS):
        over = draw(st.sampled_from([False, False, False, True]))
        fields = None if over else fields_of(mac(macs[number]), ipv4(at[number]))
        entry = Entry(service_id, fields, number=device)
        wanted.append(Wanted(entry, written.get(entry.member)))
    return rows, wanted


def is_foreign(row):
    tag = parse_tag(row.comment)
    return tag is None or tag.installation != "acme" or tag.service_id == "S9"


@given(situations(), st.data())
def test_rows_of_others_stay_no_value_stands_twice_and_a_second_plan_is_empty(situation, data):
    rows, wanted = situation
    table = Tables(rows)
    made = plan(wanted, RowIndex(rows, "acme"), POLICY)
    for phase in made.phases:
        for operation in data.draw(st.permutations(list(phase))):
            table.apply(operation)  # refuses what RouterOS refuses: a MAC or an address twice
            assert operation.service_id in {"S1", "S2"}
            there = {row.id: row for row in table.rows()}
            assert all(there[row.id] is row for row in rows if is_foreign(row))
    after = plan(wanted, RowIndex(table.rows(), "acme", made.duplicates), POLICY)
    assert after.phases == ()
    assert after.waiting.keys() == made.waiting.keys()
    tags = [tag for row in table.rows() if (tag := parse_tag(row.comment)) and not is_foreign(row)]
    assert len({tag.member for tag in tags}) == len(tags), "a row for each device"
    wants = {one.entry.member for one in wanted if one.entry.fields is not None}
    assert {tag.member for tag in tags} >= wants if not made.waiting else True
    assert ("S1/8" in {tag.member for tag in tags}) is False, "a device that is no more"


@given(st.lists(st.sampled_from(["same", "mac", "address", "gone", "new"]), min_size=5, max_size=5))
def test_each_device_that_differs_costs_one_write(kinds):
    rows, wanted = [], []
    for number, ((service_id, device), kind) in enumerate(zip(MEMBERS, kinds, strict=True), 1):
        fields = fields_of(mac(number), ipv4(number))
        entry = Entry(service_id, None if kind == "gone" else fields, number=device)
        wanted.append(Wanted(entry, fields))
        if kind != "new":
            row = lease(
                f"*{number}", mac=mac(number), address=ipv4(number), service_id=entry.member
            )
            other = {
                "mac": {"mac-address": mac(number + 40)},
                "address": {"address": ipv4(number + 40)},
            }
            rows.append(replace(row, fields={**row.fields, **other.get(kind, {})}))
    made = plan(wanted, RowIndex(rows, "acme"), POLICY)
    differ = [m for m, kind in zip(MEMBERS, kinds, strict=True) if kind != "same"]
    assert sorted((op.service_id, op.device) for op in made.operations) == differ
    assert len(made.phases) <= 1, "they wait for nothing"


def test_two_devices_of_a_service_that_want_one_mac_say_so():
    both = [
        Wanted(Entry("S1", fields_of(mac(1), ipv4(1)))),
        Wanted(Entry("S1", fields_of(mac(1), ipv4(2)), number="2")),
    ]
    made = plan(both, RowIndex([], "acme"), POLICY)
    assert made.waiting == {
        "S1": Waiting("devices-alike", f"device 2: device 1 of the service wants MAC {mac(1)} too")
    }
    assert [op.device for op in made.operations] == [""]


def device(number, **given):
    address = {"mode": "static", "ipv4": ipv4(number + 10)}
    return {"number": number, "mac": mac(number), "address": address, **given}


def record_of(*events):
    record = ServiceRecord("SVC-1")
    for raw in events:
        record = fold(record, parse_event(raw), version_of(raw)).record
    return record


def entry_of(record, policy=POLICY):
    return wanted_entries(placed(record, {"R1": policy}), {"R1": policy})["R1"]


def test_a_further_device_has_the_plan_and_the_options_of_the_service_and_no_ipv6():
    policy = RouterPolicy("acme", plans={"HOME": "5M/20M"}, ipv6_server="dhcp6")
    ipv6 = {"prefix": {"mode": "static", "ipv6": "2001:db8:1:100::/56"}}
    given = {"plan": {"code": "HOME"}, "dns_servers": [ipv4(53)], "ipv6": ipv6}
    entry = entry_of(record_of(builders.activated(devices=[device(2)], **given)), policy)
    second = entry.devices["2"]
    assert second.member == "SVC-1/2"
    assert second.fields == {**entry.fields, "mac-address": mac(2), "address": ipv4(12)}
    assert second.options == entry.options != {}
    assert (len(entry.bindings), second.bindings) == (1, ())
    keys = {claim.key for claim in entry.claims}
    assert {f"mac:{mac(1)}", f"mac:{mac(2)}", f"address:{ipv4(12)}"} <= keys
    by_queue = replace(policy, rates="queue")
    shared = entry_of(
        record_of(builders.activated(devices=[device(3), device(2)], **given)), by_queue
    )
    assert shared.queue.more == f"{ipv4(12)}/32,{ipv4(13)}/32"
    assert {each.shares for each in shared.devices.values()} == {shared.queue}
    assert {each.fields["rate-limit"] for each in shared.devices.values()} == {""}


def test_a_service_that_loses_devices_is_one_loss_and_one_that_gets_some_is_none():
    record = placed(record_of(builders.activated(devices=[device(2), device(3)])), {"R1": POLICY})
    entry = entry_of(record)
    devices = {number: Placement(each.fields) for number, each in entry.devices.items()}
    at = Placement(entry.fields, seen_ms=1, devices=devices)
    record = record._replace(placements={"R1": at})

    def loss(*events):
        after = record
        for raw in events:
            after = fold(after, parse_event(raw), version_of(raw)).record
        return loss_of(after, {"R1": POLICY})

    added = builders.event("device_added", revision=2, device=device(4))
    gone = [builders.event("device_removed", revision=n + 1, number=n) for n in (2, 3)]
    other = builders.event("device_added", revision=2, device=device(2, mac=mac(9)))
    assert loss() is loss(added) is None
    assert loss(*gone) == loss(gone[0]) == loss(other) == Loss("R1", "replaced")


def test_the_lease_of_a_further_device_comes_after_the_queue_and_keeps_its_rate_until_it_is_read():
    queue = OwnQueue(ipv4(1), "5M/20M", more=f"{ipv4(2)}/32")
    fields = {**fields_of(mac(2), ipv4(2)), "rate-limit": ""}
    first = Wanted(Entry("S1", {**fields_of(mac(1), ipv4(1)), "rate-limit": ""}, queue=queue))
    second = Wanted(Entry("S1", fields, number="2", shares=queue))
    made = plan([first, second], RowIndex([], "acme"), POLICY)
    assert [[(op.menu, op.device) for op in phase] for phase in made.phases] == [
        [(QUEUES, "")],
        [(LEASES, ""), (LEASES, "2")],
    ]
    limited = {**fields, "rate-limit": "5M/20M"}
    row = replace(lease("*1", service_id="S1/2"), fields={**lease("*1").fields, **limited})
    before = plan([first, second], RowIndex([row], "acme"), POLICY)
    assert [op.device for op in before.operations if op.menu == LEASES] == [""], "it keeps its rate"
    name = "leasewire:acme:S1"
    added = QueueRow("*Q", {**QUEUE.defaults, **queue_fields(queue, name)}, name)
    after = plan([first, second], RowIndex([row, added], "acme"), POLICY)
    assert [op.fields for op in after.operations if op.device == "2"] == [{"rate-limit": ""}]
    waits = replace(first, granted=False)
    alone = plan([waits, second], RowIndex([], "acme"), POLICY)
    assert [op.menu for op in alone.operations] == [QUEUES, LEASES], "also where the first waits"


def test_a_device_that_came_and_went_before_a_pass_is_looked_for():
    added = builders.event("device_added", revision=2, device=device(2))
    record = placed(record_of(builders.activated(), added), {"R1": POLICY})
    gone = builders.event("device_removed", revision=3, number=2)
    after = fold(record, parse_event(gone), version_of(gone)).record
    assert entry_of(after).devices == {"2": Entry("SVC-1", None, number="2")}
    assert not in_sync(after, {"R1": POLICY})
