"""The Celery message that wakes a worker, as text in a Redis list, as kombu writes it.

A Lua script fills in arguments and id, as `producers/lua/publish.lua` does. Source: version 2 of
Celery's message protocol, in the envelope of kombu's virtual transports.
"""

import json
from functools import cache

BODY = "@body@"
"""Placeholder for `[arguments, {}, {}]` as JSON text, so JSON within JSON."""
ID = "@id@"
"""Placeholder for the id of the message."""


@cache
def envelope(task: str, queue: str) -> str:
    """Return a message with placeholders for its arguments and its id; `queue` has no prefix."""
    return json.dumps(
        {
            "body": BODY,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": task,
                "id": ID,
                "root_id": ID,
                "parent_id": None,
                "group": None,
                "shadow": None,
                "eta": None,
                "expires": None,
                "retries": 0,
                "timelimit": [None, None],
                "argsrepr": "",
                "kwargsrepr": "{}",
                "origin": "leasewire",
                "ignore_result": True,
            },
            "properties": {
                "correlation_id": ID,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "utf-8",
                "delivery_tag": ID,
            },
        }
    )
