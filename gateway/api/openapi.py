"""The OpenAPI document: what FastAPI cannot derive from the code.

An operation that is not in `_OPERATIONS` keeps what FastAPI says of it, and a test fails.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import contracts
from gateway.api.decode import BATCHED, PLAIN, STRUCTURED
from gateway.api.examples import EXAMPLES, WAITED, problem_example
from gateway.api.problems import KINDS, MEDIA_TYPE, Kind
from gateway.api.schemas import SCHEMAS, ref

PUBLISHING: Final[tuple[Kind, ...]] = (
    "malformed",
    "unauthorized",
    "bad-signature",
    "bad-timestamp",
    "too-large",
    "unsupported-media-type",
    "invalid-event",
    "unsupported-type",
    "event-id-reused",
    "rate-limited",
    "overloaded",
)
READING: Final[tuple[Kind, ...]] = (
    "malformed",
    "unauthorized",
    "scope-missing",
    "not-found",
    "rate-limited",
    "overloaded",
)


def _header(name: str, description: str, kind: str = "string") -> dict[str, Any]:
    return {name: {"description": description, "schema": {"type": kind}}}


_RETRY_AFTER: Final = _header("Retry-After", "Seconds to wait", "integer")
_HEADERS: Final[dict[int, dict[str, Any]]] = {
    401: _header("WWW-Authenticate", "`Bearer`"),
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
_OF_RECEIPTS: Final = _header("Location", "`status_url` of a single event") | _header(
    "Preference-Applied", "`wait=` of the request"
)
RECEIPTS: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "In the journal", "headers": _OF_RECEIPTS}
}
DONE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The outcome of every event is final",
        "headers": _OF_RECEIPTS,
        "content": {"application/json": {"schema": ref("Receipts"), "example": WAITED}},
    }
}
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "Not changed since If-None-Match"}
}


def _examples() -> dict[str, dict[str, Any]]:
    """The contract's own examples, by the event's name."""
    found = {}
    for path in sorted(
        (files(contracts) / "examples" / "v1").iterdir(), key=lambda path: path.name
    ):
        if path.name.startswith("leasewire.") and path.name.endswith(".json"):
            name = path.name.split(".")[-3]
            found[name] = {"value": json.loads(path.read_text(encoding="utf-8"))}
    return found


_EXAMPLES: Final = _examples()
_NAMED: Final = {name: {"$ref": f"#/components/examples/{name}"} for name in _EXAMPLES}
EVENTS_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": ref("CloudEvent"), "examples": _NAMED},
            PLAIN: {"schema": {"type": "object"}, "examples": _NAMED},
            BATCHED: {
                "schema": {"type": "array", "items": ref("CloudEvent")},
                "examples": {
                    "two": {"value": [example["value"] for example in list(_EXAMPLES.values())[:2]]}
                },
            },
        },
    }
}


def responses(
    success: dict[int | str, dict[str, Any]] | None, *kinds: Kind
) -> dict[int | str, dict[str, Any]]:
    """The possible answers of a route, by status."""
    found: dict[int | str, dict[str, Any]] = dict(success or {})
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(KINDS[kind].status, []).append(kind)
    for status, names in by_status.items():
        examples = {name: {"$ref": f"#/components/examples/{name}"} for name in names}
        found[status] = {
            "description": " or ".join(names),
            "content": {MEDIA_TYPE: {"schema": ref("Problem"), "examples": examples}},
        }
        if status in _HEADERS:
            found[status]["headers"] = _HEADERS[status]
    return found


def source_query(source: str) -> str:
    """The query string for a source."""
    return urlencode({"source": source})


_JSON: Final = "application/json"
_FASTAPIS: Final = ("HTTPValidationError", "ValidationError")


class _Operation(NamedTuple):
    """What the document says of an operation.

    Attributes:
        id: its name in generated clients.
        answer: component of its usual answer; empty if that has no component.
        status: of that answer.
    """

    id: str
    answer: str = ""
    status: str = "200"


_OPERATIONS: Final[Mapping[tuple[str, str], _Operation]] = {
    ("get", "/healthz"): _Operation("getHealth", "Health"),
    ("get", "/readyz"): _Operation("getReadiness", "Health"),
    ("get", "/v1/schemas"): _Operation("listSchemas", "SchemaList"),
    ("get", "/v1/schemas/{event_type}"): _Operation("getSchema"),
    ("post", "/v1/events"): _Operation("publishEvents", "Receipts", "202"),
    ("post", "/v1/validate"): _Operation("validateEvents", "Valid"),
    ("get", "/v1/events/{event_id}"): _Operation("getEvent", "Event"),
    ("get", "/v1/services"): _Operation("listServices", "ServicePage"),
    ("get", "/v1/services/{service_id}"): _Operation("getService", "Service"),
    ("get", "/v1/services/{service_id}/events"): _Operation("getServiceHistory", "HistoryPage"),
    ("get", "/v1/outcomes"): _Operation("followOutcomes", "OutcomePage"),
    ("get", "/v1/dead-letters"): _Operation("listDeadLetters", "DeadLetters"),
    ("post", "/v1/dead-letters/{dead_letter_id}/retry"): _Operation(
        "retryDeadLetter", "Done", "202"
    ),
    ("post", "/v1/dead-letters/{dead_letter_id}/discard"): _Operation("discardDeadLetter", "Done"),
    ("get", "/v1/approvals"): _Operation("listApprovals", "Approvals"),
    ("post", "/v1/approvals/{approval_id}/approve"): _Operation(
        "approveHeldServices", "Done", "202"
    ),
    ("post", "/v1/approvals/{approval_id}/reject"): _Operation("rejectHeldServices", "Done", "202"),
    ("post", "/v1/hooks/{adapter}/{endpoint_id}"): _Operation("postHook"),
    ("get", "/v1/hooks/{adapter}/{endpoint_id}"): _Operation("probeHook"),
}


def complete(document: dict[str, Any]) -> None:
    """Finish the document that FastAPI made, in place."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _remove_fastapis_own(operation["responses"])
            known = _OPERATIONS.get((method, path))
            if known is None:
                continue
            operation["operationId"] = known.id
            answer = operation["responses"][known.status]
            if known.answer:
                shape = {"schema": ref(known.answer), "example": EXAMPLES[known.answer]}
                answer["content"] = {_JSON: shape}
            elif known.id == "getSchema":
                answer["content"] = {"application/schema+json": {"schema": {"type": "object"}}}
            else:
                answer.pop("content", None)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _FASTAPIS:
        schemas.pop(name, None)
    schemas.update(SCHEMAS)
    problems = {kind: {"value": problem_example(kind)} for kind in KINDS}
    components["examples"] = _EXAMPLES | problems


def _remove_fastapis_own(responses: dict[str, Any]) -> None:
    """FastAPI documents 422; here it is 400, with a problem document."""
    if any(name in str(responses.get("422", {})) for name in _FASTAPIS):
        del responses["422"]
