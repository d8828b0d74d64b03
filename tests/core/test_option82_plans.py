"""A plan goes by what names a device, whatever that is; and what is seen of leases by ids."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings

from tests.builders import ipv4, mac
from tests.core.effect_readings import APPLIED_MS, FIRST
from tests.core.test_planner_properties import situations
from worker.core.effect.acting import AppliedChange, judge
from worker.core.effect.reading import EffectReading
from worker.core.plan.planner import plan
from worker.core.rows.observed import SeenRow
from worker.core.rows.option82 import joined
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import NO_MAC, OPTION_82, Lease
from worker.watching.effect_queries import effect_query

JOINED = "eth 0/3+olt-7"


def ids_of(device):
    """The ids that stand for a MAC."""
    return joined(device.replace(":", "").lower(), "")


def by_ids(fields):
    """The fields of a row, of the ids in place of the MAC."""
    if fields is None:
        return None
    return {**fields, "mac-address": NO_MAC, OPTION_82: ids_of(fields["mac-address"])}


def as_ids(operation):
    """An operation in words of both ways: a client id is of a MAC alone."""
    fields = dict(getattr(operation, "fields", {}))
    if fields.get("mac-address", NO_MAC) != NO_MAC:
        fields[OPTION_82] = ids_of(fields["mac-address"])
    for name in ("mac-address", "client-id"):
        fields.pop(name, None)
    row = getattr(operation, "row_id", "")
    return type(operation), operation.service_id, row, operation.needs, fields


@given(situations())
@settings(max_examples=100)
def test_a_plan_for_ids_is_that_for_macs(situation):
    named = [each.entry.fields or {} for each in situation.wanted]
    assume(not any("name" in fields for fields in [*named, *(r.fields for r in situation.rows)]))
    made = situation.plan()
    rows = [replace(row, fields=by_ids(row.fields)) for row in situation.rows]
    wanted = [
        replace(
            one,
            entry=replace(one.entry, fields=by_ids(one.entry.fields)),
            written=by_ids(one.written),
        )
        for one in situation.wanted
    ]
    other = plan(wanted, RowIndex(rows, "acme"), situation.policy)
    assert [[*map(as_ids, phase)] for phase in other.phases] == [
        [*map(as_ids, phase)] for phase in made.phases
    ]
    reasons = [{name: why.reason for name, why in each.waiting.items()} for each in (other, made)]
    assert reasons[0] == reasons[1]


def seen(active_mac, ids=JOINED, status="bound", **fields):
    row = {"mac-address": NO_MAC, OPTION_82: JOINED, "address": ipv4(10), "server": "s", **fields}
    lease = Lease("*1", row, "", dynamic=False)
    return SeenRow(lease, status, active_mac, ipv4(10), 600, 0, None, ids)


def change(*kinds, **fields):
    row = {"mac-address": NO_MAC, OPTION_82: JOINED, "address": ipv4(10), "server": "s"}
    return AppliedChange(kinds=kinds, row={**row, **fields}, applied_ms=APPLIED_MS)


def verdict(kinds, *rows, arp=None):
    reading = EffectReading(leases=rows, lease_times_s={"s": 600}, arp=arp)
    return judge(change(*kinds), reading, FIRST, APPLIED_MS + 700_000)


def test_whoever_is_at_the_port_holds_the_lease():
    for number in (1, 2):
        assert verdict(["activated"], seen(mac(number))).acting
    assert verdict(["activated"], seen(mac(1), "eth 0/4+olt-7")).reason == "device-offline"
    assert verdict(["activated"]).reason == "device-offline"


@pytest.mark.parametrize("kind", ["cancelled", "moved-away"])
def test_a_service_that_is_gone_is_cut_off_when_no_arp_entry_has_its_address(kind):
    assert verdict([kind], seen(mac(1))).reason == "keeps-lease"
    assert verdict([kind], arp={ipv4(10): mac(1)}).reason == "arp-entry-left"
    assert verdict([kind], arp={ipv4(11): mac(1)}).acting
    assert verdict([kind]).reason == "arp-not-read"
    asked = effect_query([change(kind)], EffectReading(), None)
    assert asked.arp == {ipv4(10)}
