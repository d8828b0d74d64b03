"""Threads of the program as tasks of their process, with locks for which a task waits in turns."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, Self

from tests.simulation.scheduler import Scheduler

_LOOKS_S: Final = 0.001
"""A task that waits for another looks again after so long, and then after twice as long."""
_SELDOMER: Final = 5
"""Who looks on at something does it so much more seldom, else many points would be its looks."""


def threads_of(scheduler: Scheduler) -> Any:
    """What stands in place of the module `threading` in parts of the program that have threads."""
    lock = partial(_Lock, scheduler)
    thread, event = partial(_Thread, scheduler), partial(_Event, scheduler)
    return SimpleNamespace(Lock=lock, RLock=lock, Thread=thread, Event=event)


class _Lock:
    """One task has it, as often as it likes."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._holder: Any = None
        self._times = 0

    def __enter__(self) -> Self:
        task, looks_s = self._scheduler.current, _LOOKS_S
        while self._holder not in (None, task):
            self._scheduler.sleep(looks_s)
            looks_s *= 2
        self._holder, self._times = task, self._times + 1
        return self

    def __exit__(self, *_: object) -> None:
        self._times -= 1
        if not self._times:
            self._holder = None


class _Thread:
    """A further task of the process."""

    def __init__(
        self, scheduler: Scheduler, *, target: Callable[[], None], name: str, daemon: bool
    ) -> None:
        del daemon
        self._scheduler, self._target, self._name, self._runs = scheduler, target, name, False

    def start(self) -> None:
        """Begin."""
        task = self._scheduler.current
        if task is None:
            raise RuntimeError("only a task starts others")
        self._runs = True
        self._scheduler.spawn(task.process, self._name, self._run)

    def _run(self) -> None:
        try:
            self._target()
        finally:
            self._runs = False

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._runs


class _Event:
    """What a task waits for."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False

    def set(self) -> None:
        """Let it be so."""
        self._is_set = True

    def clear(self) -> None:
        """Let it be so no more."""
        self._is_set = False

    def wait(self, seconds: float) -> bool:
        """Wait for so long; whoever sets it meanwhile is not noticed earlier."""
        self._scheduler.sleep(_SELDOMER * seconds)
        return self._is_set
