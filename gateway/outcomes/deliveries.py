"""The state of the delivery to one target in Redis: its cursor, retries and failed outcomes.

An outcome moves from one place to the next in one step: a process that is killed may deliver an
outcome twice, but never loses one.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, cast

from redis.client import Pipeline
from redis.exceptions import WatchError

from gateway.keys import GatewayKeys, known_fields
from worker.store.audit import AuditEntry, add_entry
from worker.store.text_client import TextClient

DEAD_MOST: Final = 10_000
"""Failed outcomes that are kept for a target; the oldest are dropped."""
ASIDE_MOST: Final = 1_000
"""Refused outcomes of a target that are retried; with more of them its delivery stops."""
HOLD_MS: Final = 30_000
"""How long a target waits after the process that delivered to it was killed."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An outcome that a target did not take.

    Attributes:
        event: the CloudEvent.
        first_ms: time of the first attempt, or of the retry by a person.
        tries: number of attempts.
        message: the last answer.
    """

    event: dict[str, Any]
    first_ms: int
    tries: int = 0
    message: str = ""

    @property
    def id(self) -> str:
        """Id of the CloudEvent: `outcome-…`."""
        return str(self.event["id"])

    def to_json(self) -> str:
        """For Redis."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Undelivered":
        """The reverse of `to_json`."""
        return cls(**known_fields(cls, text))


class TakenOverError(Exception):
    """Another process delivers to this target by now: nothing was changed."""


class Deliveries:
    """The state of one target. Only the process that holds the target changes it."""

    def __init__(self, redis: TextClient, prefix: str, target: str) -> None:
        self._redis = redis
        keys = GatewayKeys(prefix)
        self._target = target
        self._token = secrets.token_hex(8)
        self._audit = keys.audit
        self._keys = keys.target(target)

    def hold(self) -> bool:
        """Deliver to this target for a while longer; False: another process does."""
        if self._redis.set(self._keys.holder, self._token, nx=True, px=HOLD_MS):
            return True
        if self._redis.get(self._keys.holder) != self._token:
            return False
        return bool(self._redis.pexpire(self._keys.holder, HOLD_MS))

    def let_go(self) -> None:
        """Let another process deliver at once."""
        if self._redis.get(self._keys.holder) == self._token:
            self._redis.delete(self._keys.holder)

    @contextmanager
    def _holding(self) -> Iterator[Pipeline]:
        """Change the state in one step, if this process still holds the target.

        A process that was stopped for a while would else set the cursor back.

        Raises:
            TakenOverError: it does not.
        """
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.watch(self._keys.holder)  # type: ignore[no-untyped-call]
            if cast("str | None", pipe.get(self._keys.holder)) != self._token:
                raise TakenOverError
            pipe.multi()
            yield pipe
            try:
                pipe.execute()
            except WatchError:
                raise TakenOverError from None

    def cursor(self, first: str) -> str:
        """The position in the feed; a new target starts at `first`."""
        self._redis.set(self._keys.cursor, first, nx=True)
        return self._redis.get(self._keys.cursor) or ""

    def go_on(self, cursor: str, delivered_ms: int = 0) -> None:
        """Move the cursor; `delivered_ms`: when the target took an outcome."""
        with self._holding() as pipe:
            pipe.set(self._keys.cursor, cursor)
            if delivered_ms:
                pipe.hincrby(self._keys.state, "delivered", 1)
                pipe.hset(self._keys.state, "last_at", delivered_ms)

    def set_aside(self, item: Undelivered, due_ms: int, cursor: str | None = None) -> None:
        """Retry an outcome later; `cursor`: its position, if it comes from the feed."""
        with self._holding() as pipe:
            pipe.hset(self._keys.aside, item.id, item.to_json())
            pipe.zadd(self._keys.aside_due, {item.id: due_ms})
            if cursor is not None:
                pipe.set(self._keys.cursor, cursor)

    def due(self, now_ms: int) -> Undelivered | None:
        """An outcome to retry now."""
        found = cast(
            "list[str]", self._redis.zrangebyscore(self._keys.aside_due, "-inf", now_ms, 0, 1)
        )
        text = self._redis.hget(self._keys.aside, found[0]) if found else None
        return Undelivered.from_json(text) if text else None

    def waiting(self) -> int:
        """Number of outcomes that are retried."""
        return self._redis.hlen(self._keys.aside)

    def taken(self, item: Undelivered, now_ms: int) -> None:
        """The target took an outcome that it had refused."""
        with self._holding() as pipe:
            pipe.hdel(self._keys.aside, item.id)
            pipe.zrem(self._keys.aside_due, item.id)
            pipe.hincrby(self._keys.state, "delivered", 1)
            pipe.hset(self._keys.state, "last_at", now_ms)

    def give_up(self, item: Undelivered, now_ms: int, cursor: str | None = None) -> None:
        """Keep an outcome as failed; the oldest of too many are dropped."""
        with self._holding() as pipe:
            pipe.hdel(self._keys.aside, item.id)
            pipe.zrem(self._keys.aside_due, item.id)
            pipe.hset(self._keys.dead, item.id, item.to_json())
            pipe.zadd(self._keys.dead_by_time, {item.id: now_ms})
            if cursor is not None:
                pipe.set(self._keys.cursor, cursor)
        left = self._redis.zcard(self._keys.dead_by_time) - DEAD_MOST
        if left > 0:
            gone = cast("list[Any]", self._redis.zpopmin(self._keys.dead_by_time, left))
            self._redis.hdel(self._keys.dead, *(id_ for id_, _ in gone))

    def dead(self) -> list[Undelivered]:
        """Failed outcomes, oldest first."""
        ids = self._redis.zrange(self._keys.dead_by_time, 0, -1)
        texts = self._redis.hmget(self._keys.dead, ids) if ids else []
        return [Undelivered.from_json(text) for text in texts if text]

    def retry(self, ids: Sequence[str], now_ms: int, actor: str) -> int:
        """Retry failed outcomes at once, and as long as new ones; returns how many."""
        texts = self._redis.hmget(self._keys.dead, list(ids)) if ids else []
        found = [Undelivered.from_json(text) for text in texts if text]
        with self._redis.pipeline(transaction=True) as pipe:
            for failed in found:
                retried = replace(failed, first_ms=now_ms, tries=0)
                pipe.hset(self._keys.aside, failed.id, retried.to_json())
                pipe.zadd(self._keys.aside_due, {failed.id: now_ms})
                pipe.hdel(self._keys.dead, failed.id)
                pipe.zrem(self._keys.dead_by_time, failed.id)
            if found:
                detail = f"{len(found)} outcomes"
                entry = AuditEntry(now_ms, actor, "delivery.retried", self._target, detail)
                add_entry(pipe, self._audit, entry)
            pipe.execute()
        return len(found)

    def note_failing(self, message: str, since_ms: int, next_ms: int) -> None:
        """The target does not take outcomes."""
        fields: dict[Any, Any] = {
            "message": message,
            "failing_since": str(since_ms),
            "next_at": str(next_ms),
        }
        with self._holding() as pipe:
            pipe.hset(self._keys.state, mapping=fields)

    def note_well(self) -> None:
        """The target takes outcomes."""
        with self._holding() as pipe:
            pipe.hdel(self._keys.state, "message", "failing_since", "next_at")

    def state(self) -> dict[str, str]:
        """Its state with the numbers of retried and failed outcomes."""
        found = self._redis.hgetall(self._keys.state)
        dead = self._redis.hlen(self._keys.dead)
        cursor = self._redis.get(self._keys.cursor) or ""
        return found | {"aside": str(self.waiting()), "dead": str(dead), "cursor": cursor}
