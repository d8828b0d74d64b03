"""JSON Schemas of the answers: components of the OpenAPI document.

Answers may get new fields; the meaning of a field does not change.
"""

from collections.abc import Iterable
from typing import Any, Final, get_args

from gateway.api.problems import KINDS
from gateway.api.states import EVENT_STATES, STATUSES, SYNCS, list_of, list_of_events
from worker.core.effect.rungs import ChangeKind, Rung

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
    """An object with these properties; those without a schema are text."""
    names = [*required.split(), *optional.split()]
    shape: Json = {
        "type": "object",
        "required": required.split(),
        "properties": {name: properties.get(name, _TEXT) for name in names},
    }
    return shape | ({"description": about} if about else {})


def _described(description: str, shape: Json = _TEXT) -> Json:
    return shape | {"description": description}


def _one_of(values: Iterable[str]) -> Json:
    return _TEXT | {"enum": list(values)}


SCHEMAS: Final[Json] = {
    "EventState": _described(
        "A final state does not change by itself.\n\n" + list_of_events(), _one_of(EVENT_STATES)
    ),
    "ServiceStatus": _described(
        "The status that the BSS wants.\n\n" + list_of(STATUSES), _one_of(STATUSES)
    ),
    "Sync": _described(
        "Whether a router has what it should have for a service.\n\n" + list_of(SYNCS),
        _one_of(SYNCS),
    ),
    "Effective": _object(
        "rung",
        "by lease_time_s server last_seen",
        about="When an applied change acts: `effective_by` as data",
        rung=_described("By which means", _one_of(get_args(Rung))),
        by=_described("The latest time, if the device renews; absent if not known", _TIME),
        lease_time_s=_described("Seconds", _COUNT),
        server=_described("The DHCP server whose lease time counts"),
        last_seen=ref("LastSeen"),
    ),
    "LastSeen": _object(
        "acted_within_ms times version",
        about="What that router did with such changes before",
        acted_within_ms=_described("From applied to acting, the last time", _COUNT),
        times=_described("How often it was seen on this version of RouterOS", _COUNT),
    ),
    "Effect": _object(
        "state kind at after_s",
        "rung reason detail until",
        about="Whether an applied event acts at the customer, as it was read last on its router",
        state=_one_of(("acting", "not-acting-yet")),
        kind=_described("Of the change", _one_of(get_args(ChangeKind))),
        rung=_described("By which means", _one_of(get_args(Rung))),
        at=_described("When it was read", _TIME),
        after_s={"type": "number", "description": "Seconds since it was applied"},
        reason=_described("For programs, such as `flows-left`"),
        detail=_described("For people"),
        until=_described("Until when it may not act; absent if not known", _TIME),
    ),
    "RouterState": _object(
        "state",
        "since next_try_at message",
        about="Why the router of a pending event cannot be written now",
        since=_TIME,
        next_try_at=_TIME,
    ),
    "Event": _object(
        "event source state",
        "type service reason detail router effective_at effective_by effective accepted_at at "
        "effect lane router_state lease assigned",
        about="An event and its outcome",
        event=_described("The id that its source set"),
        state=ref("EventState"),
        reason=_described("For programs, such as `already-current` or `foreign-row`"),
        detail=_described("For people"),
        effective_at=_described("When a scheduled event takes effect", _TIME),
        effective_by=_described(
            "When an applied change takes effect, as a sentence; see `effective`"
        ),
        effective=ref("Effective"),
        effect=ref("Effect"),
        accepted_at=_TIME,
        at=_described("Time of the outcome", _TIME),
        assigned=ref("Assigned"),
        lane=_described("Lane of an event in the journal: `events` or `bulk`"),
        router_state=ref("RouterState"),
        lease=_described("How the lease is shortened ahead of a scheduled event, and until when"),
    ),
    "Assigned": _object(
        "",
        "address prefix",
        about="What Leasewire assigned to the service from pools of its inventory",
        address=_described("IPv4 address"),
        prefix=_described("IPv6 prefix with its length"),
    ),
    "Receipt": _object(
        "id source status duplicate status_url",
        "reason outcome",
        status=_described(
            "`accepted`: in the journal; with `Prefer: wait` the event's final state"
        ),
        duplicate=_described("An event with this id came before", _YES_NO),
        status_url=_described("URL of the event and its outcome"),
        outcome=ref("Event"),
    ),
    "Receipts": _object("receipts", receipts=_list(ref("Receipt"))),
    "CloudEvent": {
        "type": "object",
        "description": "A CloudEvent 1.0; the JSON Schema of its type is at /v1/schemas/{type}",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": dict.fromkeys(("specversion", "id", "source", "type", "time"), _TEXT)
        | {"data": {"type": "object", "additionalProperties": True}},
        "additionalProperties": True,
    },
    "Valid": _object(
        "valid events",
        valid={"const": True},
        events=_described("In normal form", _list(ref("CloudEvent"))),
    ),
    "OutcomeEvent": _object(
        "specversion id source type time datacontenttype data",
        "subject",
        about="A change of an event's outcome, as in outcome webhooks",
        specversion={"const": "1.0"},
        type=_described("`leasewire.outcome.<state>.v1`"),
        subject=_described("`service/<id>`"),
        time=_TIME,
        data=ref("Event"),
    ),
    "OutcomePage": _object(
        "outcomes next more",
        outcomes=_list(ref("OutcomeEvent")),
        next=_described("The `cursor` of the next request"),
        more=_described("More are available now", _YES_NO),
    ),
    "Register": _object(
        "value event revision",
        about="A value of a service and the event that set it",
        value={"description": "Text, object or list, as in the event's schema"},
        revision={"type": ["integer", "null"]},
    ),
    "RouterSync": _object(
        "router wanted sync",
        "reason detail since lease written bindings",
        about="Whether a router has what it should have for a service",
        wanted=_described("Whether the service should be on this router", _YES_NO),
        sync=ref("Sync"),
        since=_TIME,
        lease=_described("How the lease is shortened ahead of a scheduled event, and until when"),
        written=_described(
            "The fields of its row, as last written",
            {"type": "object", "additionalProperties": True},
        ),
        bindings=_described(
            "The fields of its DHCPv6 bindings, as last written; without `duid` and `iaid` while "
            "the client of its device is not known",
            _list({"type": "object", "additionalProperties": _TEXT}),
        ),
    ),
    "ScheduledEvent": {
        "type": "object",
        "required": ["event", "effective_at"],
        "properties": {"event": _TEXT, "type": _TEXT, "effective_at": _TIME},
        "additionalProperties": True,
    },
    "HistoryEntry": {
        "type": "object",
        "description": "Something that happened; further fields depend on `what`",
        "required": ["at", "what"],
        "properties": {"at": _TIME, "what": _TEXT},
        "additionalProperties": True,
    },
    "Service": _object(
        "service status owner registers routers pending scheduled events history",
        "assigned",
        about="All that is known of a service",
        status=ref("ServiceStatus"),
        owner=_described("The source that owns it"),
        registers={"type": "object", "additionalProperties": ref("Register")},
        assigned=ref("Assigned"),
        routers=_list(ref("RouterSync")),
        pending=_described("Ids of its pending events", _list(_TEXT)),
        scheduled=_list(ref("ScheduledEvent")),
        events=_described("Its last events", _list(ref("Event"))),
        history=_list(ref("HistoryEntry")),
    ),
    "ServiceSummary": _object(
        "service status owner",
        "router mac address prefix sync reason detail",
        about="A service in short",
        status=ref("ServiceStatus"),
        router=_described("The router that it should be on"),
        address=_described("The address that it should have, or `pool NAME`"),
        prefix=_described("The IPv6 prefix that it should have"),
        sync=ref("Sync"),
        reason=_described("Why it is not in sync, for programs"),
    ),
    "ServicePage": _object(
        "services",
        "next",
        services=_list(ref("ServiceSummary")),
        next=_described("The `cursor` of the next page; absent on the last page"),
    ),
    "HistoryPage": _object(
        "service history",
        "next",
        history=_list(ref("HistoryEntry")),
        next=_described("The `cursor` of the next page; absent on the last page"),
    ),
    "DeadLetter": _object(
        "id kind reason",
        "detail service router source attempts at body",
        about="An event, service or webhook that failed permanently",
        kind=_one_of(("event", "service", "hook")),
        attempts=_COUNT,
        at=_TIME,
        body={"description": "The event or webhook as it came"},
    ),
    "DeadLetters": _object("dead_letters", dead_letters=_list(ref("DeadLetter"))),
    "HeldService": _object("service router kind", "event source mac address prefix becomes"),
    "Approval": _object(
        "id digest scope name since count kinds services",
        about="Services that would lose their entries, held for approval",
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
        index=_described("Index of the event in the request", _COUNT),
        pointer=_described("JSON pointer into the event"),
    ),
    "Problem": _object(
        "type title status detail instance code",
        "errors",
        about="RFC 9457; `type` is the URL of a page about this kind",
        status=_COUNT,
        code=_one_of(KINDS),
        errors=_list(ref("ProblemError")),
    ),
}
"""Component -> JSON Schema."""
