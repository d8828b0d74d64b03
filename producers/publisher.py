"""The one way out: validate, stamp, write to the intake journal, ring.

Who calls it: every producer. `publish` returning means that the events are in the journal, which
keeps them until a worker has committed them. The Celery message that follows is only the fast
path: workers look into the journal by themselves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Final, Self

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import (
    AuthenticationError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from contracts import ContractViolation, Event, Problem, content_hash
from contracts.document import read_document
from contracts.names import (
    DEFAULT_PREFIX,
    INTAKE_ENDS,
    MAX_EVENTS_PER_MESSAGE,
    QUEUE_EVENTS,
    RING_LIFETIME_MS,
    TASK_ACCEPT,
    Lane,
    journal_body,
    journal_due,
    journal_rung,
)
from producers.errors import BatchViolation, PublishFailed, Receipt
from producers.headroom import Headroom
from producers.stamp import Stamped, stamp

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""Of events in one script call and message: large ones must not hold up Redis together."""

_IDS_SHOWN: Final = 3


class Publisher:
    """Publishes events.

    Args:
        redis: where the journal is.
        app: sends the Celery messages; `producers.connection.make_app` makes one.
        clock: gives the time, aware.
        prefix: before every key; the app's must be the same.
    """

    def __init__(
        self,
        redis: Redis,
        app: Celery,
        *,
        clock: Callable[[], datetime],
        prefix: str = DEFAULT_PREFIX,
    ) -> None:
        self._redis = redis
        self._app = app
        self._clock = clock
        self._prefix = prefix
        text = (files("producers") / "lua" / "publish.lua").read_text(encoding="utf-8")
        self._script = redis.register_script(text)
        self._headroom = Headroom(redis)

    def close(self) -> None:
        """Close the connections; publishing again opens new ones."""
        self._app.close()
        self._redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(
        self,
        events: Iterable[Mapping[str, object] | str | bytes | Event],
        *,
        lane: Lane = QUEUE_EVENTS,
    ) -> list[Receipt]:
        """Write events to the journal; see `producers.stamp.stamp` for what may be left out.

        Args:
            events: in any number; JSON text, mappings or models.
            lane: `bulk` for imports and resyncs, which wait for live events.

        Returns:
            A receipt for each event, in order.

        Raises:
            BatchViolation: with every problem of every event; nothing was published.
            PublishFailed: Redis did not take the events, or is too full for more (`headroom.py`).
        """
        return self.write(self.check(events), lane=lane)

    def write(self, stamped: Sequence[Stamped], *, lane: Lane = QUEUE_EVENTS) -> list[Receipt]:
        """Write what `check` gave to the journal; see `publish`."""
        keys: dict[str, Stamped] = {each.key: each for each in stamped}
        receipts: dict[str, Receipt] = {}
        for chunk in _chunks(keys.values()):
            try:
                share = self._headroom.share()
                if share >= INTAKE_ENDS:
                    raise PublishFailed(_too_full(share), tuple(receipts.values()))
                receipts |= self._write(chunk, lane)
            except RedisError as error:
                raise PublishFailed(_what_to_do(error), tuple(receipts.values())) from error
        return [receipts[each.key] for each in stamped]

    def check(self, events: Iterable[Mapping[str, object] | str | bytes | Event]) -> list[Stamped]:
        """Validate and complete events as `publish` does, and write nothing.

        Raises:
            BatchViolation: with every problem of every event.
        """
        now = self._clock()
        stamped: list[Stamped] = []
        named: dict[str, Stamped] = {}
        problems: list[tuple[int, Problem]] = []
        for index, given in enumerate(events):
            try:
                each = stamp(given, now)
            except ContractViolation as violation:
                problems.extend((index, problem) for problem in violation.problems)
                continue
            first = named.setdefault(each.key, each)
            if first is not each and content_hash(first.event) != content_hash(each.event):
                message = "is the id of another event of this call; give each event its own"
                problems.append((index, Problem("/id", "event-id-reused", message)))
            stamped.append(each)
        if problems:
            raise BatchViolation(problems)
        return stamped

    def _write(self, chunk: Sequence[Stamped], lane: Lane) -> dict[str, Receipt]:
        prefix = self._prefix
        pairs = [part for each in chunk for part in (each.key, each.body)]
        ring, there = self._script(
            keys=[
                journal_body(prefix, lane),
                journal_due(prefix, lane),
                journal_rung(prefix, lane),
            ],
            args=[RING_LIFETIME_MS, *pairs],
        )
        before = {_text(key) for key in there[::2]}
        reused = _reused(chunk, there)
        ours = [each for each in chunk if each.key not in reused]
        rung = bool(ring) and bool(ours) and self._send(ours, lane)
        return {
            each.key: Receipt(
                event_id=each.id,
                source=each.source,
                event_key=each.key,
                rung=rung and each.key not in reused,
                id_reused=each.key in reused,
                journaled_before=each.key in before - reused,
            )
            for each in chunk
        }

    def _send(self, events: Sequence[Stamped], lane: Lane) -> bool:
        shown = ", ".join(each.id for each in events[:_IDS_SHOWN])
        more = len(events) - _IDS_SHOWN
        try:
            self._app.send_task(
                TASK_ACCEPT,
                args=[[each.event for each in events], lane],
                queue=lane,
                # Else Celery copies the arguments, addresses and all, into a header.
                argsrepr=f"{shown} and {more} more" if more > 0 else shown,
                kwargsrepr="{}",
                ignore_result=True,
            )
        except (OperationalError, RedisError, OSError):
            return False  # the events are in the journal: a sweep rings for them
        return True


def _chunks(events: Iterable[Stamped]) -> Iterator[list[Stamped]]:
    chunk: list[Stamped] = []
    size = 0
    for each in events:
        length = len(each.body)
        if chunk and (len(chunk) == MAX_EVENTS_PER_MESSAGE or size + length > MAX_MESSAGE_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(each)
        size += length
    if chunk:
        yield chunk


def _reused(chunk: Sequence[Stamped], there: Sequence[Any]) -> set[str]:
    """Find the events whose id another event in the journal has."""
    contents = {each.key: content_hash(each.event) for each in chunk} if there else {}
    reused = set()
    for key, body in zip(there[::2], there[1::2], strict=True):
        if content_hash(read_document(body)[0]) != contents[_text(key)]:
            reused.add(_text(key))
    return reused


def _text(reply: str | bytes) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply


def _too_full(share: float) -> str:
    return (
        f"Redis uses {share:.0%} of its maxmemory: from {INTAKE_ENDS:.0%} on nothing is taken in, "
        "so that the workers can drain what there is. See `leasewire status`; raise maxmemory, or "
        "wait until it is drained, and publish again"
    )


def _what_to_do(error: RedisError) -> str:
    match error:
        case AuthenticationError():
            what = "Redis refuses the login: mend user and password"
        case RedisConnectionError() | RedisTimeoutError():
            what = "Redis cannot be reached: start it, or mend its URL"
        case OutOfMemoryError():
            what = "Redis is full: raise maxmemory, or let the workers drain"
        case ReadOnlyError():
            what = "this Redis is a read-only replica: give the URL of the primary"
        case _ if str(error).startswith("MISCONF"):
            what = "Redis cannot write to its disk: make room there"
        case _:
            what = "Redis refuses the write"
    return f"{what}, and publish again ({error})"
