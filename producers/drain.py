"""Sends the events of a spool, in a thread next to the publisher.

One process at a time drains a spool, batch by batch, in the order of arrival. A batch leaves the
spool only after it was answered. Refused events become dead events, so they delay no others.
"""

import logging
import threading
import time
from typing import Final

from producers.errors import KeyRefused, PublishFailed, SpoolFailed
from producers.spool import Spool
from producers.transport import Backoff, Transport, deliver

log = logging.getLogger("leasewire.spool")

CHECK_EVERY_S: Final = 0.5
"""How often an empty spool is checked: another process may add to it, or drain it."""


class Drain:
    """Drains a spool into a transport until it is closed; waits after failures."""

    def __init__(self, spool: Spool, transport: Transport, backoff: Backoff) -> None:
        self._spool = spool
        self._transport = transport
        self._backoff = backoff
        self._failures = 0
        self._refusal: KeyRefused | None = None
        self._stopping = threading.Event()
        self._added = threading.Event()
        self._batch_done = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="spool-drain", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the current batch."""
        self._stopping.set()
        self._added.set()
        self._thread.join()

    def wake(self) -> None:
        """Check the spool at once: events were added. A wait after a failure goes on."""
        self._added.set()

    def raise_if_refused(self) -> None:
        """Raise the failure of the last batch if only a person can repair it.

        Raises:
            KeyRefused: the key or login is refused.
        """
        if self._refusal is not None:
            raise KeyRefused(self._refusal.reason)

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until the spool is empty; False if it is not in time."""
        deadline = time.monotonic() + timeout_s
        with self._batch_done:
            while self._spool.depth():
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                self._batch_done.wait(min(left_s, CHECK_EVERY_S))
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                wait_s = self._send_batch()
            except SpoolFailed as failure:
                wait_s = self._failed(failure)
            except Exception as error:  # a bug; the thread must go on draining
                log.exception("spool.drain_failed")
                wait_s = self._failed(PublishFailed(repr(error)))
            if wait_s is None:
                self._added.wait(CHECK_EVERY_S)
                self._added.clear()
            else:
                self._stopping.wait(wait_s)

    def _send_batch(self) -> float | None:
        """Send one batch. Returns the seconds to wait; None when there is nothing to send."""
        with self._spool.exclusive() as is_ours:
            oldest = self._spool.oldest() if is_ours else None
            if oldest is None:
                return None
            if self._spool.expire():
                log.warning("spool.events_expired: see Spool.dead()")
                return 0
            done = deliver(self._transport, oldest.events, oldest.lane)
            reasons = done.refused | {
                key: "its id is that of another event"
                for key, receipt in done.receipts.items()
                if receipt.id_reused
            }
            dead = [event for event in oldest.events if event.key in reasons]
            if dead:
                self._spool.add_dead(dead, oldest.lane, reasons)
                for event in dead:
                    log.warning("spool.event_refused %s: %s", event.id, reasons[event.key])
            self._spool.remove([key for key in done.receipts if key not in reasons])
        with self._batch_done:
            self._batch_done.notify_all()
        if done.failure is not None:
            return self._failed(done.failure)
        if self._failures:
            log.info("spool.connected")
        self._failures, self._refusal = 0, None
        return 0

    def _failed(self, failure: PublishFailed) -> float:
        self._failures += 1
        self._refusal = failure if isinstance(failure, KeyRefused) else None
        wait_s = self._backoff.wait_s(self._failures, failure.retry_after_s)
        log.warning("spool.disconnected, next try in %.1f s: %s", wait_s, failure.reason)
        return wait_s
