"""An example of each answer, for the OpenAPI document."""

from typing import Any, Final

from gateway.api.problems import Kind, Refused

Json = dict[str, Any]

_ID: Final = "order-88231"
_SOURCE: Final = "urn:isp:bss:example"
_TYPE: Final = "leasewire.service.activated.v1"
_AT: Final = "2026-11-24T09:15:02.120Z"
_MAC: Final = "00:00:5E:00:53:01"
_ADDRESS: Final = "198.51.100.10"
_EVENT: Final[Json] = {
    "event": _ID,
    "source": _SOURCE,
    "type": _TYPE,
    "service": "SVC-1001",
    "state": "applied",
    "router": "tower-7",
    "effective_by": "at the device's next renewal, at the latest by the end of the lease time "
    "of 30m",
    "effective": {"rung": "lease-time", "lease_time_s": 1800, "by": "2026-11-24T09:45:02.120Z"},
    "effect": {
        "state": "acting",
        "kind": "activated",
        "rung": "lease-time",
        "at": "2026-11-24T09:15:03.320Z",
        "after_s": 1.2,
        "detail": "the device has 198.51.100.10, read 1.2 s after it was applied",
    },
    "accepted_at": "2026-11-24T09:15:01.870Z",
    "at": _AT,
}
_OUTCOME: Final[Json] = {
    "specversion": "1.0",
    "id": "outcome-1795543483380-0",
    "source": "urn:leasewire:acme",
    "type": "leasewire.outcome.applied.v1",
    "subject": "service/SVC-1001",
    "time": _AT,
    "datacontenttype": "application/json",
    "data": _EVENT,
}
_CLOUDEVENT: Final[Json] = {
    "specversion": "1.0",
    "id": _ID,
    "source": _SOURCE,
    "type": _TYPE,
    "time": "2026-11-24T09:15:00Z",
    "data": {"service_id": "SVC-1001", "revision": 1, "service": {}},
}
_RECEIPT: Final[Json] = {
    "id": _ID,
    "source": _SOURCE,
    "status": "accepted",
    "duplicate": False,
    "status_url": f"/v1/events/{_ID}",
}
_SERVICE_HEAD: Final[Json] = {"service": "SVC-1001", "status": "active", "owner": _SOURCE}
_AT_ROUTER: Final[Json] = {"router": "tower-7", "sync": "in_sync"}
_HISTORY: Final[Json] = {"at": _AT, "what": "in sync", "router": "tower-7"}
_SERVICE: Final[Json] = _SERVICE_HEAD | {
    "registers": {"mac": {"value": _MAC, "event": _ID, "revision": 1}},
    "routers": [
        _AT_ROUTER | {"wanted": True, "written": {"mac-address": _MAC, "address": _ADDRESS}}
    ],
    "pending": [],
    "scheduled": [],
    "events": [_EVENT],
    "history": [_HISTORY],
}
_DEAD_LETTER: Final[Json] = {
    "id": "SVC-1001@tower-7",
    "kind": "service",
    "reason": "operation-refused",
    "detail": "failure: already have static lease with this address",
    "service": "SVC-1001",
    "router": "tower-7",
    "attempts": 3,
    "at": _AT,
}
_APPROVAL: Final[Json] = {
    "id": "3f9a1c20",
    "digest": "91b2c0d4e5f6",
    "scope": "source",
    "name": _SOURCE,
    "since": _AT,
    "count": 1,
    "kinds": {"cancelled": 1},
    "services": [{"service": "SVC-1001", "router": "tower-7", "kind": "cancelled"}],
}
_SUMMARY: Final[Json] = _SERVICE_HEAD | _AT_ROUTER | {"mac": _MAC, "address": _ADDRESS}
EXAMPLES: Final[Json] = {
    "Receipts": {"receipts": [_RECEIPT]},
    "Valid": {"valid": True, "events": [_CLOUDEVENT]},
    "Event": _EVENT,
    "OutcomePage": {"outcomes": [_OUTCOME], "next": "1795543483380-0", "more": False},
    "Service": _SERVICE,
    "ServicePage": {"services": [_SUMMARY], "next": "2048"},
    "HistoryPage": {"service": "SVC-1001", "history": [_HISTORY]},
    "DeadLetters": {"dead_letters": [_DEAD_LETTER]},
    "Approvals": {"approvals": [_APPROVAL]},
    "Done": {"id": "SVC-1001@tower-7", "status": "retried"},
    "Health": {"status": "ready"},
    "SchemaList": {"schemas": [{"type": _TYPE, "url": f"/v1/schemas/{_TYPE}"}]},
}
"""Component -> an example of it."""
WAITED: Final[Json] = {"receipts": [_RECEIPT | {"status": "applied", "outcome": _EVENT}]}
"""The receipts of a request with `Prefer: wait`."""


def problem_example(kind: Kind) -> Json:
    """A problem document of a kind."""
    return Refused(kind, "what is wrong, where, and what to do").document("/v1/events")
