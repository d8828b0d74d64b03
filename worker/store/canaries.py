"""Canaries: regular messages through each queue, which show that its workers take messages.

The sweep of any worker sends them; the worker that takes one reports it.
"""

from typing import Final

from contracts import names
from worker.store.connection import StorePart

QUEUES: Final = (names.QUEUE_EVENTS, names.QUEUE_BULK, names.QUEUE_ROUTERS)
EVERY_MS: Final = 10_000


class Canaries(StorePart):
    """At most one canary is under way in each queue."""

    def to_send(self) -> list[str] | None:
        """The queues that need a canary now, noted as under way; None: it is too early.

        A canary that is under way is sent again only if its queue is empty: it was lost.
        """
        if not self._client.set(self._keys.canary_claim, "1", nx=True, px=EVERY_MS):
            return None
        now_ms, found = self.now_ms(), list[str]()
        for queue in QUEUES:
            new = self._client.hsetnx(self._keys.canaries, queue, str(now_ms))
            if new or not self._client.llen(self._keys.queue(queue)):
                found.append(queue)
        return found

    def arrived(self, queue: str) -> None:
        """A worker of this queue took its canary."""
        self._client.hdel(self._keys.canaries, queue)

    def waiting_ms(self) -> dict[str, int]:
        """Queue -> for how long its canary has been under way.

        `bulk` is served only while `events` is empty: until then its canary is not counted.
        """
        sent = self._client.hgetall(self._keys.canaries)
        if names.QUEUE_BULK in sent and self._client.llen(self._keys.queue(names.QUEUE_EVENTS)):
            del sent[names.QUEUE_BULK]
        now_ms = self.now_ms()
        return {queue: max(0, now_ms - int(at_ms)) for queue, at_ms in sent.items()}
