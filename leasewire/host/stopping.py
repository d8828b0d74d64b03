"""How commands that run until somebody stops them are stopped: SIGTERM or Ctrl-C, then in order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import typer

_CHECK_EVERY_S = 0.2


class Running(Protocol):
    """What runs in a thread of its own."""

    @property
    def running(self) -> bool:
        """Whether it still does."""


def run_until_stopped(service: Running, stopping: threading.Event) -> None:
    """Wait until somebody asks to stop.

    Raises:
        typer.Exit: 1: the service ended by itself.
    """
    while service.running and not stopping.wait(_CHECK_EVERY_S):
        pass
    if not stopping.is_set():
        raise typer.Exit(1)


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, instead of ending anything half-way."""
    stopping = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: stopping.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stopping
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
