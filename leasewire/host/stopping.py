"""Orderly stop of commands that run until SIGTERM or Ctrl-C, and reload at SIGHUP."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
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


class SignalRequests(threading.Event):
    """Is set when the command is to stop; `reload` is set when it is to read its files again."""

    def __init__(self) -> None:
        super().__init__()
        self.reload = threading.Event()


def run_until_stopped(
    part: RunningPart, stopping: SignalRequests, reload: Callable[[], object]
) -> None:
    """Wait for the request to stop; `reload` is called at each request to reload.

    Raises:
        typer.Exit: 1: the part ended by itself.
    """
    while part.running and not stopping.wait(_CHECK_EVERY_S):
        if stopping.reload.is_set():
            stopping.reload.clear()
            reload()
    if not stopping.is_set():
        raise typer.Exit(Exit.FAILED)


@contextmanager
def asked_to_stop(*, reloads: bool = False) -> Iterator[SignalRequests]:
    """An event that SIGTERM and SIGINT set, so that the block can end in order.

    Args:
        reloads: SIGHUP is a request to reload, unless the terminal of the command is gone. Without
            it SIGHUP ends the command at once.
    """
    stopping, at_terminal = SignalRequests(), os.isatty(0)

    def hang_up(*_: object) -> None:
        (stopping if at_terminal and not os.isatty(0) else stopping.reload).set()

    handlers = dict.fromkeys((signal.SIGTERM, signal.SIGINT), lambda *_: stopping.set())
    if reloads:
        handlers[signal.SIGHUP] = hang_up
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stopping
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
