"""Writes events to the intake journal itself, and rings: for who may speak to Redis.

`send` returning means that the events are in the journal, which keeps them until a worker has
committed them. The Celery message that rings goes out in the same step; it is only the fast path:
workers look into the journal by themselves.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from contracts import content_hash
from contracts.document import read_document
from contracts.message import envelope
from contracts.names import (
    DEFAULT_PREFIX,
    INTAKE_ENDS,
    NOTIFIED_LIFETIME_MS,
    TASK_ACCEPT,
    Lane,
    journal_body,
    journal_due,
    journal_notified,
    queue_key,
)
from producers.complete import CompleteEvent
from producers.errors import KeyRefused, PublishFailed, Receipt
from producers.headroom import Headroom
from producers.redis_failure import refuses_us, what_to_do


class JournalTransport:
    """A transport (`producers/transport.py`) to Redis: the journal, and Celery's queues.

    Args:
        redis: where both are.
        prefix: before every key; the workers' must be the same.
    """

    def __init__(self, redis: Redis, *, prefix: str = DEFAULT_PREFIX) -> None:
        self._redis = redis
        self._prefix = prefix
        text = (files("producers") / "lua" / "publish.lua").read_text(encoding="utf-8")
        self._script = redis.register_script(text)
        self._headroom = Headroom(redis)

    def close(self) -> None:
        """Close the connections; sending again opens new ones."""
        self._redis.close()

    def send(self, events: Sequence[CompleteEvent], lane: Lane) -> list[Receipt]:
        """Write a batch to the journal; see `Transport`.

        Raises:
            KeyRefused: Redis refuses our login, or forbids it what is needed.
            PublishFailed: Redis did not take the events, or is too full for more (`headroom.py`).
        """
        try:
            share = self._headroom.share()
            if share >= INTAKE_ENDS:
                raise PublishFailed(_too_full(share, self._headroom.limit))
            return self._write(events, lane)
        except RedisError as error:
            kind = KeyRefused if refuses_us(error) else PublishFailed
            raise kind(f"{what_to_do(error)}, and publish again ({error})") from error

    def _write(self, chunk: Sequence[CompleteEvent], lane: Lane) -> list[Receipt]:
        prefix = self._prefix
        pairs = [part for each in chunk for part in (each.key, each.body)]
        notified, there = self._script(
            keys=[
                journal_body(prefix, lane),
                journal_due(prefix, lane),
                journal_notified(prefix, lane),
                queue_key(prefix, lane),
            ],
            args=[NOTIFIED_LIFETIME_MS, lane, envelope(TASK_ACCEPT, lane), *pairs],
        )
        before = {_text(key) for key in there[::2]}
        reused = _reused(chunk, there)
        return [
            Receipt(
                event_id=each.id,
                source=each.source,
                event_key=each.key,
                notified=bool(notified) and each.key not in reused,
                id_reused=each.key in reused,
                journaled_before=each.key in before - reused,
            )
            for each in chunk
        ]


def _reused(chunk: Sequence[CompleteEvent], there: Sequence[Any]) -> set[str]:
    """Find the events whose id another event in the journal has."""
    contents = {each.key: content_hash(each.event) for each in chunk} if there else {}
    reused = set()
    for key, body in zip(there[::2], there[1::2], strict=True):
        if content_hash(read_document(body)[0]) != contents[_text(key)]:
            reused.add(_text(key))
    return reused


def _text(reply: str | bytes) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply


def _too_full(share: float, limit: str) -> str:
    return (
        f"Redis uses {share:.0%} of {limit}: from {INTAKE_ENDS:.0%} on nothing is taken in, "
        "so that the workers can drain what there is. See `leasewire status`; raise maxmemory, or "
        "wait until it is drained, and publish again"
    )
