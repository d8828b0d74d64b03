"""The thread of a gateway that processes webhooks; each gateway may run one.

A slow vendor blocks a few threads, and no webhook.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Final

import structlog

from gateway.hooks.config import Hook
from gateway.hooks.inbox import Inbox, Posted, Reading
from gateway.hooks.tables import Generic
from gateway.hooks.vendor import VendorApi
from gateway.hooks.work import Work
from gateway.store_failures import STORE_FAILURES, log_store_failure
from producers.publisher import Publisher
from worker.background_thread import BackgroundThread
from worker.store.store import Store

log = structlog.get_logger("hooks")

AT_ONCE: Final = 8
"""Concurrent requests to vendors; a BSS is often a small machine."""
CHECK_EVERY_S: Final = 0.2
_REDIS_DOWN_S: Final = 2.0
_STOP_S: Final = 40.0


class HookReader(BackgroundThread):
    """Runs inside `with`."""

    def __init__(self, inbox: Inbox, work: Work, check_every_s: float = CHECK_EVERY_S) -> None:
        super().__init__("hooks", _STOP_S)
        self._inbox = inbox
        self._work = work
        self._check_every_s = check_every_s

    def work(self) -> None:
        """Process webhooks."""
        busy: set[Future[None]] = set()
        with ThreadPoolExecutor(AT_ONCE, "hooks") as pool:
            while not self._stopping.is_set():
                busy = {future for future in busy if not future.done()}
                wait_s = self._check_every_s
                try:
                    for take in (self._inbox.take, self._inbox.begin):
                        free = AT_ONCE - len(busy)
                        tasks = take(free) if free else []
                        busy |= {pool.submit(self._do, task) for task in tasks}
                except STORE_FAILURES as failure:
                    log_store_failure(failure)
                    wait_s = _REDIS_DOWN_S
                except Exception:
                    log.exception("hooks.failed", advice="a bug: please report")
                    wait_s = _REDIS_DOWN_S
                self._stopping.wait(wait_s)

    def _do(self, task: Posted | Reading) -> None:
        try:
            self._work.do(task)
        except STORE_FAILURES as failure:  # what was taken is taken again after a minute
            log_store_failure(failure)


@contextmanager
def processing_hooks(
    hooks: Mapping[str, Hook], store: Store, publisher: Publisher, clock: Callable[[], datetime]
) -> Iterator[None]:
    """Process webhooks while the block runs; without hooks nothing runs.

    Args:
        hooks: by name.
        store: has the webhooks, and takes dead letters.
        publisher: used by nothing else.
        clock: gives the time, aware.
    """
    if not hooks:
        yield
        return
    with ExitStack() as stack:
        apis = {}
        for name, hook in hooks.items():
            if not isinstance(hook.settings, Generic):
                apis[name] = VendorApi(hook)
                stack.callback(apis[name].close)
        inbox = Inbox(store.client.plain, store.keys.prefix)
        work = Work(hooks, inbox, apis, publisher, store, clock)
        stack.enter_context(HookReader(inbox, work))
        yield
