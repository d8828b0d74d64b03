"""The Celery message that calls a worker, as the text that kombu keeps in a Redis list.

The script puts in what only it knows, as `producers/lua/publish.lua` does. Source: version 2 of
Celery's message protocol, inside of what kombu's virtual transports make of a message.
"""

import json
from functools import cache

BODY = "@body@"
"""Stands in an envelope for `[arguments, {}, {}]` as JSON: a text, so JSON within JSON."""
ID = "@id@"
"""Stands in an envelope for the message's id, wherever one is."""


@cache
def envelope(task: str, queue: str) -> str:
    """All of a message but its arguments and its id.

    Args:
        task: the name of a task (`contracts.names`).
        queue: the queue that it goes through, without the prefix.
    """
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
