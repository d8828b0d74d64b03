"""Makes the AsyncAPI 3 document `schemas/asyncapi.json`, for documentation.

It uses only what tools for JSON Schema draft 7 understand.
"""

import inspect
from typing import Final

from contracts import names
from contracts.events import EVENT_TYPES

_BATCH: Final = "batch"


def document() -> dict[str, object]:
    """Make the document; references to schemas are relative to it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leasewire: events of services",
            "version": "1",
            "description": (
                "Events that a BSS sends to Leasewire as CloudEvents 1.0. Each is a fact about "
                "one service. Readers of events must ignore fields that they do not know."
            ),
            "license": {"name": "GPL-3.0-or-later"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "leasewire.example.net",
                "protocol": "https",
                "description": "HTTP API of the gateway, for publishers in any language.",
            },
            "broker": {
                "host": "127.0.0.1:6379",
                "protocol": "redis",
                "description": (
                    "Redis or Valkey with Celery's queues. Only for the Python publisher of "
                    "Leasewire: messages made by other programs have no guarantee."
                ),
            },
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": _messages()},
    }


def _channels() -> dict[str, object]:
    events = {event_type: _ref("components", "messages", event_type) for event_type in EVENT_TYPES}
    batch = {_BATCH: _ref("components", "messages", _BATCH)}
    return {
        "http": {
            "address": "/v1/events",
            "description": "One event, or a JSON array of at most 500 events.",
            "servers": [_ref("servers", "gateway")],
            "messages": events | batch,
        },
        names.QUEUE_EVENTS: {
            "address": names.QUEUE_EVENTS,
            "description": "Celery queue of live events.",
            "servers": [_ref("servers", "broker")],
            "messages": batch,
        },
        names.QUEUE_BULK: {
            "address": names.QUEUE_BULK,
            "description": "Celery queue of bulk events, served while no live events wait.",
            "servers": [_ref("servers", "broker")],
            "messages": batch,
        },
    }


def _operations() -> dict[str, object]:
    return {
        "acceptOverHttp": {
            "action": "receive",
            "channel": _ref("channels", "http"),
            "bindings": {
                "http": {"method": "POST", "query": _lane_query(), "bindingVersion": "0.3.0"}
            },
        },
        "acceptEvents": {"action": "receive", "channel": _ref("channels", names.QUEUE_EVENTS)},
        "acceptBulk": {"action": "receive", "channel": _ref("channels", names.QUEUE_BULK)},
    }


def _lane_query() -> dict[str, object]:
    lane = {
        "enum": list(names.LANES),
        "default": names.QUEUE_EVENTS,
        "description": f"`{names.QUEUE_BULK}` for imports and resyncs, which may wait.",
    }
    return {"type": "object", "properties": {"lane": lane}}


def _messages() -> dict[str, object]:
    single: dict[str, object] = {
        event_type: {
            "name": event_type,
            "title": model.__name__,
            "summary": inspect.cleandoc(model.__doc__ or ""),
            "contentType": "application/cloudevents+json",
            "payload": _schema(event_type),
        }
        for event_type, model in EVENT_TYPES.items()
    }
    batch = {
        "name": _BATCH,
        "title": "Batch of events",
        "summary": (
            f"First argument of the Celery task {names.TASK_ACCEPT} (the second is the name of "
            "the queue), and body of an HTTP batch."
        ),
        "contentType": "application/cloudevents-batch+json",
        "payload": {
            "type": "array",
            "minItems": 1,
            "maxItems": names.MAX_EVENTS_PER_MESSAGE,
            "items": {"oneOf": [_schema(event_type) for event_type in EVENT_TYPES]},
        },
    }
    return single | {_BATCH: batch}


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


def _schema(event_type: str) -> dict[str, str]:
    return {"$ref": f"./v1/{event_type}.json"}
