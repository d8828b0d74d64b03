"""Writes events directly into the intake journal in Redis.

`send` returning means that the events are in the journal, which keeps them until a worker has
committed them. The same step sends a Celery message that wakes a worker. A lost message delays an
event and loses nothing, because the sweep looks into the journal too.
"""

from collections.abc import Callable, Sequence
from importlib.resources import files
from time import monotonic
from typing import Any, Final

from redis import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.sentinel import SentinelConnectionPool

from contracts.broker import REPLICAS_MS
from contracts.identity import content_hash
from contracts.message import envelope
from contracts.names import (
    DEFAULT_PREFIX,
    INTAKE_ENDS,
    LANES,
    NOTIFIED_LIFETIME_MS,
    TASK_ACCEPT,
    Lane,
    journal_keys,
)
from contracts.parse import read_document
from producers.errors import KeyRefused, PublishFailed, Receipt
from producers.redis_errors import advice_for, refuses_us
from producers.resend import Resend, text_of
from producers.transport import CompleteEvent

CHECK_EVERY_S: Final = 1.0
"""Asking Redis for its memory once a second costs nothing; once an event, a round trip each."""


class Headroom:
    """Measures whether Redis has room for more events, at most once a second.

    Folding an event needs memory too (a record, an outcome, a line of history): from `INTAKE_ENDS`
    of maxmemory on no more events are taken, and the rest of the memory is the workers'. Where
    maxmemory is not set, the memory of Redis's host is the limit.

    Args:
        redis: the server.
        clock: monotonic seconds.

    Attributes:
        limit: what `share` is a share of; empty before the first call.
    """

    def __init__(self, redis: Redis, clock: Callable[[], float] = monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._measured_at: float | None = None
        self._share = 0.0
        self.limit = ""

    def share(self) -> float:
        """Return used memory as a share of the limit; 0 where we may not ask."""
        now = self._clock()
        if self._measured_at is None or now - self._measured_at >= CHECK_EVERY_S:
            self._share = self._measure()
            self._measured_at = now
        return self._share

    def _measure(self) -> float:
        try:
            info = self._redis.info("memory")
        except ResponseError:
            return 0.0  # our user may not ask: Redis itself refuses writes when it is full
        limit, self.limit = int(info.get("maxmemory", 0)), "its maxmemory"
        if not limit:  # the system kills a Redis that takes all memory, again and again
            limit, self.limit = int(info.get("total_system_memory", 0)), "its host's memory"
        return int(info["used_memory"]) / limit if limit else 0.0


class JournalTransport:
    """A `Transport` to the journal and Celery's queues in Redis.

    Args:
        redis: holds both.
        prefix: first part of every key; must be the workers' `LEASEWIRE_KEY_PREFIX`.
        min_replicas: so many replicas must confirm a batch within a second. Where they do not, it
            is in the journal of the primary alone, and is to be sent again.
        resend: sends again what another primary does not know; None: nothing does.
        prove: adds to an event of an operator the proof that workers ask for.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        prefix: str = DEFAULT_PREFIX,
        min_replicas: int = 0,
        resend: Resend | None = None,
        prove: Callable[[CompleteEvent], CompleteEvent] | None = None,
    ) -> None:
        self._redis = redis
        self._keys = {lane: journal_keys(prefix, lane) for lane in LANES}
        self._min_replicas = min_replicas
        self._resend = resend
        self._prove = prove
        text = (files(__package__) / "lua" / "publish.lua").read_text(encoding="utf-8")
        self._script = redis.register_script(text)
        self._headroom = Headroom(redis)

    def close(self) -> None:
        """Close the connections; sending again opens new ones."""
        if self._resend is not None:
            self._resend.close()
        self._redis.close()

    def _leave(self) -> None:
        """Where Sentinel is, close idle connections: the next may lead to another primary."""
        if isinstance(self._redis.connection_pool, SentinelConnectionPool):
            self._redis.connection_pool.disconnect(inuse_connections=False)

    def send(self, events: Sequence[CompleteEvent], lane: Lane) -> list[Receipt]:
        """Write a batch into the journal.

        Raises:
            KeyRefused: Redis refuses our login, or does not permit a command that we need.
            PublishFailed: Redis did not take the events, or is too full for more.
        """
        try:
            share = self._headroom.share()
            if share >= INTAKE_ENDS:
                raise PublishFailed(_too_full(share, self._headroom.limit))
            if self._prove is not None:
                events = [self._prove(event) for event in events]
            return self._write_and_remember(events, lane)
        except RedisError as error:
            self._leave()
            kind = KeyRefused if refuses_us(error) else PublishFailed
            raise kind(f"{advice_for(error)}, and publish again ({error})") from error

    def _write_and_remember(self, events: Sequence[CompleteEvent], lane: Lane) -> list[Receipt]:
        if self._resend is None:
            return self._write(events, lane)
        if not self._resend.history:
            self._redis.ping()
        history = self._resend.history
        receipts = self._write(events, lane)
        reused = {receipt.event_key for receipt in receipts if receipt.id_reused}
        taken = [event for event in events if event.key not in reused] if reused else events
        self._resend.sent.append((taken, lane, history))
        if self._resend.on_disk:
            self._resend.remember()
        if history != self._resend.history:
            self._resend.ask()
        return receipts

    def _write(self, events: Sequence[CompleteEvent], lane: Lane) -> list[Receipt]:
        pairs = [part for event in events for part in (event.key, event.body)]
        args = [NOTIFIED_LIFETIME_MS, lane, envelope(TASK_ACCEPT, lane), *pairs]
        notified, found = self._run(self._keys[lane], args)
        journaled_before = {text_of(key) for key in found[::2]}
        reused = _with_reused_id(events, found)
        return [
            event.receipt(
                notified=bool(notified) and event.key not in reused,
                id_reused=event.key in reused,
                journaled_before=event.key in journaled_before - reused,
            )
            for event in events
        ]

    def _run(self, keys: Sequence[str], args: Sequence[str | int]) -> Any:  # noqa: ANN401 - as Lua returns
        """Run the script; where replicas must have its writes, wait for them too.

        `WAIT` is about the writes of its own connection, so both go over one.
        """
        if not self._min_replicas:
            return self._script(keys=keys, args=args)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.evalsha(self._script.sha, len(keys), *keys, *args)
            pipe.wait(self._min_replicas, REPLICAS_MS)
            try:
                written, confirmed = pipe.execute()
            except NoScriptError:
                self._redis.script_load(self._script.script)
                return self._run(keys, args)
        if confirmed < self._min_replicas:
            self._leave()
            raise PublishFailed(
                f"{confirmed} of {self._min_replicas} replicas of Redis confirmed the events in "
                f"{REPLICAS_MS} ms: mend the replication, and publish again"
            )
        return written


def _with_reused_id(events: Sequence[CompleteEvent], found: Sequence[Any]) -> set[str]:
    """Return the keys whose event in the journal has another content.

    Args:
        events: of the batch.
        found: key and body of those that were in the journal before, alternating.
    """
    contents = {event.key: content_hash(event.event) for event in events} if found else {}
    bodies = zip(map(text_of, found[::2]), found[1::2], strict=True)
    return {key for key, body in bodies if content_hash(read_document(body)[0]) != contents[key]}


def _too_full(share: float, limit: str) -> str:
    return (
        f"Redis uses {share:.0%} of {limit}: from {INTAKE_ENDS:.0%} on no events are taken, so "
        "that the workers can drain what is there. See `leasewire status`; raise maxmemory, or "
        "wait until the workers have drained it, and publish again"
    )
