"""Orderly stop of commands that run until SIGTERM or Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import typer

from leasewire.answer import Exit

_CHECK_EVERY_S = 0.2


class RunningPart(Protocol):
    """A part of a command that runs in its own thread."""

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""


def run_until_stopped(part: RunningPart, stopping: threading.Event) -> None:
    """Wait for the request to stop.

    Raises:
        typer.Exit: 1: the part ended by itself.
    """
    while part.running and not stopping.wait(_CHECK_EVERY_S):
        pass
    if not stopping.is_set():
        raise typer.Exit(Exit.FAILED)


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, so that the block can end in order."""
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
