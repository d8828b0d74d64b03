"""Canaries: a message through each queue now and then, so that silence is seen on a quiet day.

Who sends one is the sweep of whichever worker comes first; who runs it says that it arrived.
"""

from typing import Final, cast

import redis

from contracts import names
from worker.store.connection import redis_now_ms
from worker.store.keys import Keys

QUEUES: Final = (names.QUEUE_EVENTS, names.QUEUE_BULK, names.QUEUE_ROUTERS)
EVERY_MS: Final = 10_000


class Canaries:
    """One is under way in each queue at the most."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def to_send(self) -> list[str] | None:
        """The queues into which one is to be put now, noted as under way; None: it is too early.

        One that is under way is sent again only when its queue is empty: its message was lost.
        """
        if not self._client.set(self._keys.canary_claim, "1", nx=True, px=EVERY_MS):
            return None
        now_ms, found = redis_now_ms(self._client), list[str]()
        for queue in QUEUES:
            new = self._client.hsetnx(self._keys.canaries, queue, str(now_ms))
            if new or not self._client.llen(self._keys.queue(queue)):
                found.append(queue)
        return found

    def arrived(self, queue: str) -> None:
        """A worker of this queue took it."""
        self._client.hdel(self._keys.canaries, queue)

    def waiting_ms(self) -> dict[str, int]:
        """How long each that is under way has been so.

        `bulk` is served only while `events` is empty: until then its canary is not counted.
        """
        sent = cast("dict[str, str]", self._client.hgetall(self._keys.canaries))
        if names.QUEUE_BULK in sent and self._client.llen(self._keys.queue(names.QUEUE_EVENTS)):
            del sent[names.QUEUE_BULK]
        now_ms = redis_now_ms(self._client)
        return {queue: max(0, now_ms - int(at_ms)) for queue, at_ms in sent.items()}
