"""The thread of a gateway that works off webhooks; each gateway may run one.

A vendor that is slow holds up a few threads, and no webhook.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

import structlog
from redis.exceptions import RedisError

from gateway.hooks.inbox import Inbox
from gateway.hooks.work import Work

log = structlog.get_logger("hooks")

AT_ONCE: Final = 8
"""Requests to vendors at a time; a BSS is often a small machine."""
CHECK_EVERY_S: Final = 0.2
_REDIS_DOWN_S: Final = 2.0
_STOP_S: Final = 40.0

Task = TypeVar("Task")


class HookReader:
    """Runs inside of `with`.

    Args:
        inbox: what is to be done.
        work: does it.
        check_every_s: how often to look for more.
    """

    def __init__(self, inbox: Inbox, work: Work, check_every_s: float = CHECK_EVERY_S) -> None:
        self._inbox = inbox
        self._work = work
        self._check_every_s = check_every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        busy: set[Future[None]] = set()
        with ThreadPoolExecutor(AT_ONCE, "hooks") as pool:
            while not self._stopping.is_set():
                busy = {each for each in busy if not each.done()}
                wait_s = self._check_every_s
                try:
                    free = AT_ONCE - len(busy)
                    if free:
                        busy |= {
                            pool.submit(_safely(self._work.webhook, each))
                            for each in self._inbox.take(free)
                        }
                    free = AT_ONCE - len(busy)
                    if free:
                        busy |= {
                            pool.submit(_safely(self._work.reread, each))
                            for each in self._inbox.begin(free)
                        }
                except RedisError as failure:
                    log.warning(
                        "store.unreachable", error=type(failure).__name__, reason=str(failure)
                    )
                    wait_s = _REDIS_DOWN_S
                except Exception:
                    log.exception("hooks.failed", advice="a bug: please report")
                    wait_s = _REDIS_DOWN_S
                self._stopping.wait(wait_s)


def _safely(do: Callable[[Task], None], what: Task) -> Callable[[], None]:
    """Redis may go away in the middle: what was taken comes back by itself after a minute."""

    def run() -> None:
        try:
            do(what)
        except RedisError as failure:
            log.warning("store.unreachable", error=type(failure).__name__, reason=str(failure))

    return run
