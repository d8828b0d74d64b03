"""Whether a router was last seen to hold what a service wants there."""

import pytest

from contracts.parse import parse_event
from tests import builders
from worker.core.entry.wanted import in_sync, wanted_entries, work_items_of
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import ListPlace
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord, place
from worker.core.service.record_parts import Placement

POLICY = RouterPolicy("acme")
OTHER = Placement({"mac-address": builders.mac(9)})


def queued(at, policy=POLICY, **block):
    raw = builders.activated(**block)
    record = fold(ServiceRecord("SVC-1"), parse_event(raw), builders.version_of(raw)).record
    record = place(record, "R1")
    entries = wanted_entries(record, {"R1": policy})
    if at is None:
        at = Placement(entries["R1"].fields, entries["R1"].listed)
    record.placements["R1"] = at
    work_items = work_items_of(record, entries, bulk=False)
    assert in_sync(record, {"R1": policy}) == (not work_items)
    return "R1" in work_items


def test_what_is_written_as_wanted_needs_no_look():
    assert not queued(None)


@pytest.mark.parametrize("at", [Placement(None), OTHER])
def test_what_is_not_there_or_another_row_does(at):
    assert queued(at)


def test_a_row_that_stands_in_a_list_where_none_is_wanted_does():
    place_of = ListPlace("suspended", builders.ipv4(10))
    fields = {
        "mac-address": builders.mac(1),
        "address": builders.ipv4(10),
        "server": "dhcp1",
        "block-access": "no",
        "dhcp-option": "",
    }
    assert not queued(Placement(fields))
    assert queued(Placement(fields, frozenset({place_of})))


def test_what_cannot_be_written_does_even_where_the_rest_is_as_wanted():
    policy = RouterPolicy("acme", plans={"HOME-50": "10M/50M"})
    assert queued(None, policy, plan={"code": "UNHEARD-OF"})
