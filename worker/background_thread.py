"""A thread that works while a `with` block runs, and that its process can watch."""

import threading
from abc import ABC, abstractmethod
from typing import Self

import structlog

log = structlog.get_logger()


class BackgroundThread(ABC):
    """Works inside `with`. If its work fails, that is logged, and `running` is false.

    Args:
        name: of the thread; a failure is logged with it.
        stop_s: how long the end of the block waits for the work to stop.
    """

    def __init__(self, name: str, stop_s: float) -> None:
        self._stop_s = stop_s
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def running(self) -> bool:
        """Whether the work goes on."""
        return not self._ended.is_set()

    @abstractmethod
    def work(self) -> None:
        """Work until `stop` is called, which another thread does."""

    def stop(self) -> None:
        """Make `work` return soon: it looks at `_stopping`."""
        self._stopping.set()

    def start(self) -> None:
        """Start the work; a `with` block does it by itself."""
        self._thread.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        self._thread.join(self._stop_s)

    def _run(self) -> None:
        try:
            self.work()
        except BaseException:  # SystemExit too: nobody else would notice it in a thread
            log.exception("thread.failed", thread=self._thread.name)
        finally:
            self._ended.set()
