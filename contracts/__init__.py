"""The contract between publishers and Leasewire: events, their parts, their names. No I/O."""

from contracts.errors import ContractViolation, Problem
from contracts.events import (
    Activated,
    AddressChanged,
    AnyEvent,
    Cancelled,
    DeviceSwapped,
    DnsChanged,
    Event,
    MacChanged,
    Moved,
    OptionsChanged,
    PlanChanged,
    Resumed,
    ScheduleWithdrawn,
    Snapshot,
    Suspended,
)
from contracts.identity import content_hash, deterministic_id, event_key, hashes, version_hash
from contracts.manifest import Manifest
from contracts.parse import parse_document, parse_event, to_json
from contracts.service import (
    Access,
    Device,
    DhcpOption,
    Plan,
    PoolAddress,
    Service,
    StaticAddress,
    Suspension,
)
from contracts.values import Ipv4, Mac48

__all__ = [
    "Access",
    "Activated",
    "AddressChanged",
    "AnyEvent",
    "Cancelled",
    "ContractViolation",
    "Device",
    "DeviceSwapped",
    "DhcpOption",
    "DnsChanged",
    "Event",
    "Ipv4",
    "Mac48",
    "MacChanged",
    "Manifest",
    "Moved",
    "OptionsChanged",
    "Plan",
    "PlanChanged",
    "PoolAddress",
    "Problem",
    "Resumed",
    "ScheduleWithdrawn",
    "Service",
    "Snapshot",
    "StaticAddress",
    "Suspended",
    "Suspension",
    "content_hash",
    "deterministic_id",
    "event_key",
    "hashes",
    "parse_document",
    "parse_event",
    "to_json",
    "version_hash",
]
