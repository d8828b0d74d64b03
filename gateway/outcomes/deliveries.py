"""What Redis keeps of the delivery to one target: how far it is, what is tried again, what is lost.

An item leaves one place in the step that puts it into the next, so that a process that is killed
delivers something twice, never nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, cast

from redis import Redis

from gateway.outcomes import redis_keys

HOLD_MS: Final = 30_000
"""How long a target waits when the process that delivered to it was killed."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An outcome that a target did not take.

    Attributes:
        event: the CloudEvent.
        first_ms: when it was tried first, or replayed.
        tries: how often it was tried.
        message: what the last answer was.
    """

    event: dict[str, Any]
    first_ms: int
    tries: int = 0
    message: str = ""

    @property
    def id(self) -> str:
        """Of the event: `outcome-…`."""
        return str(self.event["id"])

    def to_json(self) -> str:
        """For Redis."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Undelivered":
        """The reverse of `to_json`; unknown fields of a newer version are dropped."""
        known = json.loads(text)
        return cls(**{name: known[name] for name in cls.__dataclass_fields__ if name in known})


class Deliveries:
    """The state of one target.

    Args:
        redis: decodes replies.
        prefix: before every key.
        target: its name.
    """

    def __init__(self, redis: Redis, prefix: str, target: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._cursor = redis_keys.cursor(prefix, target)
        self._holder = redis_keys.holder(prefix, target)
        self._state = redis_keys.state(prefix, target)
        self._aside = redis_keys.aside(prefix, target)
        self._due = redis_keys.aside_due(prefix, target)
        self._dead = redis_keys.dead(prefix, target)
        self._dead_times = redis_keys.dead_by_time(prefix, target)

    def hold(self, token: str) -> bool:
        """Be the one that delivers to this target, for a while more; False: another is."""
        if self._redis.set(self._holder, token, nx=True, px=HOLD_MS):
            return True
        if self._redis.get(self._holder) != token:
            return False
        return bool(self._redis.pexpire(self._holder, HOLD_MS))

    def let_go(self, token: str) -> None:
        """Let another deliver at once."""
        if self._redis.get(self._holder) == token:
            self._redis.delete(self._holder)

    def cursor(self, first: str) -> str:
        """How far the feed was dealt with; a target that is new begins at `first`."""
        self._redis.set(self._cursor, first, nx=True)
        return cast("str", self._redis.get(self._cursor))

    def go_on(self, cursor: str, delivered_ms: int = 0) -> None:
        """Everything up to the cursor is dealt with; `delivered_ms`: it was taken, then."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(self._cursor, cursor)
            if delivered_ms:
                pipe.hincrby(self._state, "delivered", 1)
                pipe.hset(self._state, "last_at", delivered_ms)
            pipe.execute()

    def set_aside(self, item: Undelivered, due_ms: int, cursor: str | None = None) -> None:
        """Try an item again later; with the cursor after it, where it comes from the feed."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(self._aside, item.id, item.to_json())
            pipe.zadd(self._due, {item.id: due_ms})
            if cursor is not None:
                pipe.set(self._cursor, cursor)
            pipe.execute()

    def due(self, now_ms: int) -> Undelivered | None:
        """What is to be tried again now."""
        found = cast("list[str]", self._redis.zrangebyscore(self._due, "-inf", now_ms, 0, 1))
        text = cast("str | None", self._redis.hget(self._aside, found[0])) if found else None
        return Undelivered.from_json(text) if text else None

    def waiting(self) -> int:
        """How many are tried again."""
        return self._redis.hlen(self._aside)

    def taken(self, item: Undelivered, now_ms: int) -> None:
        """The target took at last what it had refused."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(self._aside, item.id)
            pipe.zrem(self._due, item.id)
            pipe.hincrby(self._state, "delivered", 1)
            pipe.hset(self._state, "last_at", now_ms)
            pipe.execute()

    def give_up(self, item: Undelivered, now_ms: int, cursor: str | None = None) -> None:
        """Keep an item as undelivered, for a person; the oldest of too many go."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(self._aside, item.id)
            pipe.zrem(self._due, item.id)
            pipe.hset(self._dead, item.id, item.to_json())
            pipe.zadd(self._dead_times, {item.id: now_ms})
            if cursor is not None:
                pipe.set(self._cursor, cursor)
            pipe.execute()
        left = self._redis.zcard(self._dead_times) - redis_keys.DEAD_MOST
        if left > 0:
            gone = cast("list[Any]", self._redis.zpopmin(self._dead_times, left))
            self._redis.hdel(self._dead, *(id_ for id_, _ in gone))

    def dead(self) -> list[Undelivered]:
        """What could not be delivered, the oldest first."""
        ids = cast("list[str]", self._redis.zrange(self._dead_times, 0, -1))
        texts = cast("list[str | None]", self._redis.hmget(self._dead, ids)) if ids else []
        return [Undelivered.from_json(text) for text in texts if text]

    def retry(self, ids: Sequence[str], now_ms: int, action: str) -> int:
        """Try undelivered ones again, at once and for as long as new ones; returns how many.

        Args:
            ids: of them.
            now_ms: the time.
            action: who did it and what, as JSON.
        """
        texts = cast("list[str | None]", self._redis.hmget(self._dead, list(ids))) if ids else []
        found = [Undelivered.from_json(text) for text in texts if text]
        with self._redis.pipeline(transaction=True) as pipe:
            for each in found:
                anew = replace(each, first_ms=now_ms, tries=0)
                pipe.hset(self._aside, each.id, anew.to_json())
                pipe.zadd(self._due, {each.id: now_ms})
                pipe.hdel(self._dead, each.id)
                pipe.zrem(self._dead_times, each.id)
            if found:
                pipe.lpush(redis_keys.actions(self._prefix), action)
                pipe.ltrim(redis_keys.actions(self._prefix), 0, redis_keys.ACTIONS_MOST - 1)
            pipe.execute()
        return len(found)

    def note_failing(self, message: str, since_ms: int, next_ms: int) -> None:
        """The target does not take what it is sent."""
        fields: dict[str, str | int] = {"message": message, "failing_since": since_ms}
        fields["next_at"] = next_ms
        for name, value in fields.items():
            self._redis.hset(self._state, name, value)

    def note_well(self) -> None:
        """The target takes what it is sent."""
        self._redis.hdel(self._state, "message", "failing_since", "next_at")

    def state(self) -> dict[str, str]:
        """How it is doing; see `redis_keys.state`, with counts of what waits and what is dead."""
        found = cast("dict[str, str]", self._redis.hgetall(self._state))
        dead = self._redis.hlen(self._dead)
        cursor = cast("str | None", self._redis.get(self._cursor)) or ""
        return found | {"aside": str(self.waiting()), "dead": str(dead), "cursor": cursor}
