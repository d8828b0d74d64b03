"""What the OpenAPI document says beyond the code: bodies, examples, problems."""

import json
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlencode

from producers.gateway.decode import BATCHED, PLAIN, STRUCTURED
from producers.gateway.problems import KINDS, MEDIA_TYPE, Kind

PUBLISHING: Final[tuple[Kind, ...]] = (
    "malformed",
    "unauthorized",
    "bad-signature",
    "replay",
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

_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"enum": list(KINDS)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "pointer", "code", "message"],
                "properties": {
                    "index": {"type": "integer", "description": "of the event in the request"},
                    "pointer": {"type": "string", "description": "JSON pointer into the event"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}

_RECEIPTS: Final = {
    "type": "object",
    "required": ["receipts"],
    "properties": {
        "receipts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "source", "status", "duplicate", "status_url"],
                "properties": {
                    "id": {"type": "string"},
                    "source": {"type": "string"},
                    "status": {"type": "string", "description": "accepted, or the outcome's state"},
                    "duplicate": {"type": "boolean", "description": "its id came before"},
                    "status_url": {"type": "string"},
                    "reason": {"type": "string"},
                    "outcome": {"type": "object"},
                },
            },
        }
    },
}
_JSON_RECEIPTS: Final = {"application/json": {"schema": _RECEIPTS}}
RECEIPTS: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "In the journal", "content": _JSON_RECEIPTS}
}
DONE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "All is known of every event", "content": _JSON_RECEIPTS}
}
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "It is as If-None-Match says"}
}

_EVENT: Final = {
    "type": "object",
    "description": "A CloudEvent 1.0; its type's JSON Schema is at /v1/schemas/{type}",
    "required": ["specversion", "id", "source", "type", "time", "data"],
    "properties": {
        name: {"type": "string"} for name in ("specversion", "id", "source", "type", "time")
    }
    | {"data": {"type": "object"}},
}


def _examples() -> dict[str, dict[str, Any]]:
    """The contract's own examples, by the event's name."""
    found = {}
    for path in sorted(
        (files("contracts") / "examples" / "v1").iterdir(), key=lambda path: path.name
    ):
        if path.name.startswith("leasewire.") and path.name.endswith(".json"):
            name = path.name.split(".")[-3]
            found[name] = {"value": json.loads(path.read_text(encoding="utf-8"))}
    return found


_EXAMPLES: Final = _examples()
EVENTS_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": _EVENT, "examples": _EXAMPLES},
            PLAIN: {"schema": {"type": "object"}, "examples": _EXAMPLES},
            BATCHED: {
                "schema": {"type": "array", "items": _EVENT},
                "examples": {
                    "two": {"value": [each["value"] for each in list(_EXAMPLES.values())[:2]]}
                },
            },
        },
    }
}


def responses(
    success: dict[int | str, dict[str, Any]] | None, *kinds: Kind
) -> dict[int | str, dict[str, Any]]:
    """Describe what a route may answer, by status."""
    found: dict[int | str, dict[str, Any]] = dict(success or {})
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(KINDS[kind][0].value, []).append(kind)
    for status, names in by_status.items():
        found[status] = {
            "description": " or ".join(names),
            "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
        }
    return found


def source_query(source: str) -> str:
    """The query that names a source."""
    return urlencode({"source": source})
