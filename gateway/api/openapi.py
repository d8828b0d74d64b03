"""What the OpenAPI document says beyond the code: bodies, examples, problems."""

import json
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlencode

from gateway.api.answers import WAITED, ref
from gateway.api.decode import BATCHED, PLAIN, STRUCTURED
from gateway.api.problems import KINDS, MEDIA_TYPE, Kind

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

_HEADERS: Final[dict[int, dict[str, Any]]] = {
    401: {
        "WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}},
    },
    429: {
        "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}},
    },
    503: {
        "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}},
    },
}

_APPLIED: Final = {
    "Preference-Applied": {"description": "`wait=` as asked for", "schema": {"type": "string"}},
}
_LOCATION: Final = {
    "Location": {
        "description": "`status_url` of the event, where it is one",
        "schema": {"type": "string"},
    },
}
RECEIPTS: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "In the journal", "headers": _LOCATION | _APPLIED}
}
DONE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "All is known of every event",
        "headers": _LOCATION | _APPLIED,
        "content": {"application/json": {"schema": ref("Receipts"), "example": WAITED}},
    }
}
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "It is as If-None-Match says"}
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
            STRUCTURED: {"schema": ref("CloudEvent"), "examples": _EXAMPLES},
            PLAIN: {"schema": {"type": "object"}, "examples": _EXAMPLES},
            BATCHED: {
                "schema": {"type": "array", "items": ref("CloudEvent")},
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
        examples = {name: {"$ref": f"#/components/examples/{name}"} for name in names}
        found[status] = {
            "description": " or ".join(names),
            "content": {MEDIA_TYPE: {"schema": ref("Problem"), "examples": examples}},
        }
        if status in _HEADERS:
            found[status]["headers"] = _HEADERS[status]
    return found


def source_query(source: str) -> str:
    """The query that names a source."""
    return urlencode({"source": source})
