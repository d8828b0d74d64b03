"""The event that restores a service asks for all that it had, also what pools gave it."""

import pytest

from contracts.parse import parse_event
from tests import builders
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Assigned
from worker.core.service.restoring import restoring_event
from worker.core.service.writes import writes_of

ASSIGNED = {"mode": "assigned", "pool": "home"}
IPV6 = {
    "prefix": {"mode": "static", "ipv6": "2001:db8:1:100::/56"},
    "address": "2001:db8::10",
    "duid": "0003000100005e005301",
    "iaid": 0,
}


def record_of(**block):
    raw = builders.activated(**block)
    version = builders.version_of(raw)
    return fold(ServiceRecord("SVC-1"), parse_event(raw), version).record


def restored(record, written=None):
    raw = restoring_event(record, source="urn:a", actor="ann", reason="restored", written=written)
    envelope = builders.event("snapshot", service=builders.service_block())
    return parse_event(envelope | raw)


@pytest.mark.parametrize("block", [{}, {"ipv6": IPV6}, {"address": ASSIGNED, "ipv6": IPV6}])
def test_a_restored_service_has_the_values_that_it_had(block):
    record = record_of(**block)
    writes = writes_of(restored(record)).together
    assert {name: record.value(name) for name in writes} == writes


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("198.51.100.20", ASSIGNED),
        ("198.51.100.21", {"mode": "static", "ipv4": "198.51.100.21"}),
        ("cust", {"mode": "pool", "pool": "cust"}),
    ],
)
def test_a_working_row_with_its_assigned_address_keeps_it_assigned(written, address):
    record = record_of(address=ASSIGNED)._replace(
        assigned={"address": Assigned("home", "198.51.100.20")}
    )
    row = {"mac-address": builders.mac(7), "address": written}
    writes = writes_of(restored(record, row)).together
    assert (writes["address"], writes["mac"]) == (address, builders.mac(7))
