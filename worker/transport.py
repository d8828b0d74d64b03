"""kombu's Redis transport, with entries set aside that would end or block a worker.

A list entry that is no complete Celery message makes a stock worker exit (no JSON, no
content-type), block its queue (no task id) or drop it silently (no delivery info). Here such an
entry becomes a dead letter and the queue goes on. `worker/celery_app.py` puts this in the place
of the stock transport; why here and not in the supervisor: `docs/decisions/`.
"""

import base64
import hashlib
import json
from functools import partial
from typing import Any, Final

import structlog
from kombu.transport import redis as stock

from worker.core.outcome import DeadLetter
from worker.store.keys import Keys

log = structlog.get_logger()

_PROPERTIES: Final[dict[str, type]] = {"delivery_tag": str, "delivery_info": dict}
_HEADERS: Final[dict[str, type]] = {"id": str, "task": str}
_BYTES_KEPT: Final = 65_536


def problem_of(entry: bytes) -> str | None:
    """Say what keeps a list entry from being a message that a worker survives; None: nothing."""
    try:
        message = json.loads(entry)
    except (ValueError, RecursionError):
        return "is no JSON"
    if not isinstance(message, dict):
        return "is no JSON object"
    problems = [
        f"{name} is missing or no {kind.__name__}"
        for where, name, kind in (
            (message, "body", str),
            (message, "content-type", str),
            (message, "content-encoding", str),
            (message, "headers", dict),
            (message, "properties", dict),
        )
        if not isinstance(where.get(name), kind)
    ]
    for part, fields in (("properties", _PROPERTIES), ("headers", _HEADERS)):
        inner = message.get(part)
        if isinstance(inner, dict):
            problems += [
                f"{part}.{name} is missing or no {kind.__name__}"
                for name, kind in fields.items()
                if not isinstance(inner.get(name), kind)
            ]
    return "; ".join(problems) or _problem_of_delivery(message) or _problem_of_body(message)


def _problem_of_delivery(message: dict[str, Any]) -> str | None:
    info = message["properties"]["delivery_info"]
    if isinstance(info.get("exchange"), str) and isinstance(info.get("routing_key"), str):
        return None
    return "properties.delivery_info names no exchange and routing_key"


def _problem_of_body(message: dict[str, Any]) -> str | None:
    if message["properties"].get("body_encoding") != "base64":
        return None
    try:
        base64.b64decode(message["body"], validate=True)
    except ValueError:
        return "body is not the base64 that body_encoding announces"
    return None


class _GuardedRedis(stock.PrefixedStrictRedis):
    """The client of a channel: looks at what BRPOP brings before kombu does."""

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        answer = super().parse_response(  # type: ignore[no-untyped-call]  # half of kombu is typed
            connection, command_name, **options
        )
        if command_name != "BRPOP" or not answer:
            return answer
        entry = answer[1] if isinstance(answer[1], bytes) else str(answer[1]).encode()
        problem = problem_of(entry)
        if problem is None:
            return answer
        self._set_aside(connection, entry, problem)
        return None  # as if the wait had run out: kombu asks again

    def _set_aside(self, connection: Any, entry: bytes, problem: str) -> None:  # noqa: ANN401
        """Keep the entry as a dead letter, over the connection that has just answered."""
        keys = Keys(self.global_keyprefix)
        connection.send_command("TIME")
        seconds, micros = connection.read_response()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        letter = DeadLetter(
            id="message-" + hashlib.sha256(entry).hexdigest()[:24],
            kind="event",
            reason="broken-message",
            detail=problem,
            body=entry[:_BYTES_KEPT].decode("utf-8", "replace"),
            at_ms=now_ms,
        )
        for command in (
            ("HSET", keys.dead_letters, letter.id, letter.to_json()),
            ("ZADD", keys.dead_letters_by_time, now_ms, letter.id),
        ):
            connection.send_command(*command)
            connection.read_response()
        log.error("message.set_aside", reason=problem, dead_letter=letter.id, bytes=len(entry))


class Channel(stock.Channel):
    """A channel whose clients look at what they are given."""

    def _get_client(self) -> Any:  # noqa: ANN401 - a factory, as kombu wants it
        return partial(_GuardedRedis, global_keyprefix=self.global_keyprefix)


class Transport(stock.Transport):
    """The Redis transport with those channels."""

    Channel = Channel
