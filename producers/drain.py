"""Hands in what is spooled: a thread beside the publisher.

One process at a time drains a spool, batch by batch in the order of arrival; a batch leaves the
spool only when it was answered. What is refused for ever goes to the dead table, so that it holds
up nothing.
"""

import logging
import threading
import time
from typing import Final

from producers.backoff import Backoff
from producers.errors import KeyRefused, PublishFailed, SpoolFailed
from producers.spool import Spool
from producers.transport import Transport, deliver

log = logging.getLogger("leasewire.spool")

CHECK_EVERY_S: Final = 0.5
"""Between looks at an empty spool that another process may add to, or that it drains."""


class Drain:
    """Drains while it lives.

    Args:
        spool: what is drained.
        transport: where to.
        backoff: how long the way in is left alone.
    """

    def __init__(self, spool: Spool, transport: Transport, backoff: Backoff) -> None:
        self._spool = spool
        self._transport = transport
        self._backoff = backoff
        self._failures = 0
        self._refusal: KeyRefused | None = None
        self._stopping = threading.Event()
        self._added = threading.Event()
        self._emptied = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="spool-drain", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the batch in hand."""
        self._stopping.set()
        self._added.set()
        self._thread.join()

    def wake(self) -> None:
        """Look at once: something was added. A running back-off goes on."""
        self._added.set()

    def refuse_where_refused(self) -> None:
        """Raise what the last batch met, where only a person can mend it.

        Raises:
            KeyRefused: the way in does not let us in.
        """
        if self._refusal is not None:
            raise KeyRefused(self._refusal.reason)

    def wait_until_empty(self, timeout_s: float) -> bool:
        """True as soon as nothing waits; False when that is not so in time."""
        deadline = time.monotonic() + timeout_s
        with self._emptied:
            while self._spool.depth():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._emptied.wait(min(left, CHECK_EVERY_S))
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                wait_s = self._round()
            except SpoolFailed as failure:
                wait_s = self._failed(failure)
            except Exception as error:  # a bug: an ended thread would drain nothing
                log.exception("spool.drain_failed")
                wait_s = self._failed(PublishFailed(repr(error)))
            if wait_s is None:
                self._added.wait(CHECK_EVERY_S)
                self._added.clear()
            else:
                self._stopping.wait(wait_s)

    def _round(self) -> float | None:
        """Hand in one batch; the seconds to wait, None when there is nothing to do."""
        with self._spool.alone() as alone:
            oldest = self._spool.oldest() if alone else None
            if oldest is None:
                return None
            if self._spool.dead_letter_old():
                log.warning("spool.events_too_old: see the dead table")
                return 0
            done = deliver(self._transport, oldest.events, oldest.lane)
            reused = {
                key: "its id is that of another event"
                for key, receipt in done.receipts.items()
                if receipt.id_reused
            }
            dead = done.refused | reused
            if dead:
                dead_lettered = [each for each in oldest.events if each.key in dead]
                self._spool.add_dead_letter(dead_lettered, oldest.lane, dead)
                for each in dead_lettered:
                    log.warning("spool.event_refused %s: %s", each.id, dead[each.key])
            self._spool.remove([key for key in done.receipts if key not in dead])
        with self._emptied:
            self._emptied.notify_all()
        if done.failure is not None:
            return self._failed(done.failure)
        if self._failures:
            log.info("spool.way_in_is_back")
        self._failures, self._refusal = 0, None
        return 0

    def _failed(self, failure: PublishFailed) -> float:
        self._failures += 1
        self._refusal = failure if isinstance(failure, KeyRefused) else None
        wait_s = self._backoff.wait_s(self._failures, failure.retry_after_s)
        log.warning("spool.way_in_is_down, next try in %.1f s: %s", wait_s, failure.reason)
        return wait_s
