"""The shapes of answers: components of the OpenAPI document, with an example of each answer.

Answers may gain fields; what a field means does not change.
"""

from typing import Any, Final

from gateway.api.problems import KINDS, Kind, Refused
from gateway.api.states import EVENT_STATES, STATUSES, SYNCS, list_of, list_of_events

Json = dict[str, Any]

_TEXT: Final[Json] = {"type": "string"}
_TIME: Final[Json] = {"type": "string", "format": "date-time"}
_COUNT: Final[Json] = {"type": "integer"}
_YES_NO: Final[Json] = {"type": "boolean"}


def ref(name: str) -> Json:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(required: str, optional: str = "", *, about: str = "", **properties: Json) -> Json:
    """An object of the named properties; those without a schema of their own are text."""
    names = [*required.split(), *optional.split()]
    shape: Json = {
        "type": "object",
        "required": required.split(),
        "properties": {name: properties.get(name, _TEXT) for name in names},
    }
    return shape | ({"description": about} if about else {})


def _says(message: str, shape: Json = _TEXT) -> Json:
    return shape | {"description": message}


SCHEMAS: Final[Json] = {
    "EventState": {
        "type": "string",
        "enum": list(EVENT_STATES),
        "description": "Of a final state nothing more comes by itself.\n\n" + list_of_events(),
    },
    "ServiceStatus": {
        "type": "string",
        "enum": list(STATUSES),
        "description": "What the BSS wants.\n\n" + list_of(STATUSES),
    },
    "Sync": {
        "type": "string",
        "enum": list(SYNCS),
        "description": "How far a router is with a service.\n\n" + list_of(SYNCS),
    },
    "Effective": _object(
        "kind",
        "at lease_time_s server",
        about="From when an applied change acts: `effective_by` as data",
        kind={
            "type": "string",
            "enum": ["at-once", "lease-time", "server-lease-time"],
            "description": "at once; when the device renews, within the lease time of its lease; "
            "or within that of its DHCP server",
        },
        at=_says("It acts from then on at the latest; absent where the time is not known", _TIME),
        lease_time_s=_says("Seconds", _COUNT),
        server=_says("The DHCP server whose lease time counts"),
    ),
    "RouterState": _object(
        "state",
        "since next_try_at message",
        about="Why the router that an event waits for cannot be written",
        since=_TIME,
        next_try_at=_TIME,
    ),
    "Event": _object(
        "event source state",
        "type service reason detail router effective_at effective_by effective accepted_at at "
        "lane router_state",
        about="Where an event stands",
        event=_says("The id that its source gave it"),
        state=ref("EventState"),
        reason=_says("One word for programs, such as `already-current` or `foreign-row`"),
        detail=_says("One sentence for people"),
        effective_at=_says("When a scheduled event takes effect", _TIME),
        effective_by=_says("From when an applied change acts, as a sentence; see `effective`"),
        effective=ref("Effective"),
        accepted_at=_TIME,
        at=_says("When this was said", _TIME),
        lane=_says("Of an event in the journal: `events` or `bulk`"),
        router_state=ref("RouterState"),
    ),
    "Receipt": _object(
        "id source status duplicate status_url",
        "reason outcome",
        status=_says("`accepted`: in the journal; or, waited for, the event's final state"),
        duplicate=_says("Its id came before", _YES_NO),
        status_url=_says("Asks where the event stands"),
        outcome=ref("Event"),
    ),
    "Receipts": _object("receipts", receipts=_list(ref("Receipt"))),
    "CloudEvent": {
        "type": "object",
        "description": "A CloudEvent 1.0; its type's JSON Schema is at /v1/schemas/{type}",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": dict.fromkeys(("specversion", "id", "source", "type", "time"), _TEXT)
        | {"data": {"type": "object", "additionalProperties": True}},
        "additionalProperties": True,
    },
    "Valid": _object(
        "valid events",
        valid={"const": True},
        events=_says("In normal form", _list(ref("CloudEvent"))),
    ),
    "OutcomeEvent": _object(
        "specversion id source type time datacontenttype data",
        "subject",
        about="A change of an event's outcome as a CloudEvent; webhooks carry the same",
        specversion={"const": "1.0"},
        type=_says("`leasewire.outcome.<state>.v1`"),
        subject=_says("`service/<id>`"),
        time=_TIME,
        data=ref("Event"),
    ),
    "OutcomePage": _object(
        "outcomes next more",
        outcomes=_list(ref("OutcomeEvent")),
        next=_says("The `cursor` to ask on with"),
        more=_says("There are more, now", _YES_NO),
    ),
    "Register": _object(
        "value event revision",
        about="A value of a service, and the event that set it",
        value={"description": "Text, object or list, as the event's schema has it"},
        revision={"type": ["integer", "null"]},
    ),
    "AtRouter": _object(
        "router wanted sync",
        "reason detail since written",
        about="How far a router is with a service",
        wanted=_says("Whether the service is to be there", _YES_NO),
        sync=ref("Sync"),
        since=_TIME,
        written=_says(
            "The fields of its row as last written",
            {"type": "object", "additionalProperties": True},
        ),
    ),
    "ScheduledEvent": {
        "type": "object",
        "required": ["event", "effective_at"],
        "properties": {"event": _TEXT, "type": _TEXT, "effective_at": _TIME},
        "additionalProperties": True,
    },
    "HistoryLine": {
        "type": "object",
        "description": "Something that happened; what else is said depends on what it was",
        "required": ["at", "what"],
        "properties": {"at": _TIME, "what": _TEXT},
        "additionalProperties": True,
    },
    "Service": _object(
        "service status owner registers routers pending scheduled events history",
        about="All that is known of a service",
        status=ref("ServiceStatus"),
        owner=_says("The source whose service it is"),
        registers={"type": "object", "additionalProperties": ref("Register")},
        routers=_list(ref("AtRouter")),
        pending=_says("Ids of its events that are not final yet", _list(_TEXT)),
        scheduled=_list(ref("ScheduledEvent")),
        events=_says("Its last events", _list(ref("Event"))),
        history=_list(ref("HistoryLine")),
    ),
    "ServiceLine": _object(
        "service status owner",
        "router mac address sync reason detail",
        about="A service in short",
        status=ref("ServiceStatus"),
        router=_says("Where it is to be"),
        address=_says("The address it is to have, or `pool NAME`"),
        sync=ref("Sync"),
        reason=_says("Why it is not in sync, in one word"),
    ),
    "ServicePage": _object(
        "services",
        "next",
        services=_list(ref("ServiceLine")),
        next=_says("The `cursor` to ask on with; absent at the end"),
    ),
    "HistoryPage": _object(
        "service lines",
        "next",
        lines=_list(ref("HistoryLine")),
        next=_says("The `cursor` to ask on with; absent at the end"),
    ),
    "DeadLetter": _object(
        "id kind reason",
        "detail service router source attempts at body",
        about="What could go no further by itself",
        kind={"type": "string", "enum": ["event", "service", "hook"]},
        attempts=_COUNT,
        at=_TIME,
        body={"description": "The event as it came, where it is one"},
    ),
    "DeadLetters": _object("dead_letters", dead_letters=_list(ref("DeadLetter"))),
    "HeldService": _object("service router kind", "event source mac address becomes"),
    "Approval": _object(
        "id digest scope name since count kinds services",
        about="Services that would lose their entries, held until a person decides",
        since={"type": ["string", "null"], "format": "date-time"},
        count=_COUNT,
        kinds={"type": "object", "additionalProperties": _COUNT},
        services=_list(ref("HeldService")),
    ),
    "Approvals": _object("approvals", approvals=_list(ref("Approval"))),
    "Done": _object("id status"),
    "Health": _object("status"),
    "SchemaList": _object("schemas", schemas=_list(_object("type url"))),
    "ProblemError": _object(
        "index pointer code message",
        index=_says("Of the event in the request", _COUNT),
        pointer=_says("JSON pointer into the event"),
    ),
    "Problem": _object(
        "type title status detail instance code",
        "errors",
        about="RFC 9457; `type` is the address of a page about its kind",
        status=_COUNT,
        code={"type": "string", "enum": list(KINDS)},
        errors=_list(ref("ProblemError")),
    ),
}
"""Component -> JSON Schema."""

_ID: Final = "order-88231"
_SOURCE: Final = "urn:isp:bss:example"
_TYPE: Final = "leasewire.service.activated.v1"
_EVENT: Final[Json] = {
    "event": _ID,
    "source": _SOURCE,
    "type": _TYPE,
    "service": "SVC-1001",
    "state": "applied",
    "router": "tower-7",
    "effective_by": "from the device's next renewal, at the latest by the end of its lease time "
    "of 30m",
    "effective": {
        "kind": "lease-time",
        "lease_time_s": 1800,
        "at": "2026-11-24T09:45:02.120Z",
    },
    "accepted_at": "2026-11-24T09:15:01.870Z",
    "at": "2026-11-24T09:15:02.120Z",
}
_OUTCOME: Final[Json] = {
    "specversion": "1.0",
    "id": "outcome-1795543483380-0",
    "source": "urn:leasewire:acme",
    "type": "leasewire.outcome.applied.v1",
    "subject": "service/SVC-1001",
    "time": "2026-11-24T09:15:02.120Z",
    "datacontenttype": "application/json",
    "data": _EVENT,
}
_RECEIPT: Final[Json] = {
    "id": _ID,
    "source": _SOURCE,
    "status": "accepted",
    "duplicate": False,
    "status_url": f"/v1/events/{_ID}",
}
_MAC: Final = "00:00:5E:00:53:01"
_ADDRESS: Final = "198.51.100.10"
_LINE: Final[Json] = {
    "service": "SVC-1001",
    "status": "active",
    "owner": _SOURCE,
    "router": "tower-7",
    "mac": _MAC,
    "address": _ADDRESS,
    "sync": "in_sync",
}
_HISTORY: Final[Json] = {
    "at": "2026-11-24T09:15:02.120Z",
    "what": "in sync",
    "router": "tower-7",
}
_SERVICE: Final[Json] = {
    "service": "SVC-1001",
    "status": "active",
    "owner": _SOURCE,
    "registers": {"mac": {"value": _MAC, "event": _ID, "revision": 1}},
    "routers": [
        {
            "router": "tower-7",
            "wanted": True,
            "sync": "in_sync",
            "written": {"mac-address": _MAC, "address": _ADDRESS},
        }
    ],
    "pending": [],
    "scheduled": [],
    "events": [_EVENT],
    "history": [_HISTORY],
}
_LETTER: Final[Json] = {
    "id": "SVC-1001@tower-7",
    "kind": "service",
    "reason": "operation-refused",
    "detail": "failure: already have static lease with this address",
    "service": "SVC-1001",
    "router": "tower-7",
    "attempts": 3,
    "at": "2026-11-24T09:15:02.120Z",
}
_APPROVAL: Final[Json] = {
    "id": "source:urn:isp:bss:example",
    "digest": "5c1b1a5e",
    "scope": "source",
    "name": _SOURCE,
    "since": "2026-11-24T09:15:02.120Z",
    "count": 1,
    "kinds": {"cancelled": 1},
    "services": [{"service": "SVC-1001", "router": "tower-7", "kind": "cancelled"}],
}
EXAMPLES: Final[Json] = {
    "Receipts": {"receipts": [_RECEIPT]},
    "Valid": {
        "valid": True,
        "events": [
            {
                "specversion": "1.0",
                "id": _ID,
                "source": _SOURCE,
                "type": _TYPE,
                "time": "2026-11-24T09:15:00Z",
                "data": {"service_id": "SVC-1001", "revision": 1, "service": {}},
            }
        ],
    },
    "Event": _EVENT,
    "OutcomePage": {"outcomes": [_OUTCOME], "next": "1795543483380-0", "more": False},
    "Service": _SERVICE,
    "ServicePage": {"services": [_LINE], "next": "2048"},
    "HistoryPage": {"service": "SVC-1001", "lines": [_HISTORY]},
    "DeadLetters": {"dead_letters": [_LETTER]},
    "Approvals": {"approvals": [_APPROVAL]},
    "Done": {"id": "SVC-1001@tower-7", "status": "retried"},
    "Health": {"status": "ready"},
    "SchemaList": {"schemas": [{"type": _TYPE, "url": f"/v1/schemas/{_TYPE}"}]},
}
"""Component that is an answer -> an example of it."""
WAITED: Final[Json] = {
    "receipts": [_RECEIPT | {"status": "applied", "outcome": _EVENT}],
}
"""A receipt that was waited for."""


def problem_example(kind: Kind) -> Json:
    """A problem document of a kind."""
    return Refused(kind, "what is wrong, where, and what to do").document("/v1/events")
