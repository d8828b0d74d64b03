"""Waiting for long work: how often to look, and a progress bar on a terminal's standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

_LOOKS_EVERY_S: Final = 0.1

Advance = Callable[[int], None]


def looks(within_s: float) -> Iterator[None]:
    """One turn of a loop for each look at something that is awaited, for so long; at least one."""
    deadline = time.monotonic() + within_s
    yield
    while time.monotonic() < deadline:
        time.sleep(_LOOKS_EVERY_S)
        yield


@contextmanager
def progress_bar(doing: str, total: int | None, *, keep: bool = False) -> Iterator[Advance]:
    """Show the progress of the block, which calls what it gets with each number of further rows.

    Args:
        doing: text in front of the bar.
        total: rows in all; None: not known.
        keep: leave the bar on the screen at the end.
    """
    with _bar(doing, total, keep=keep) as (progress, task):
        yield lambda count: progress.advance(task, count)


@contextmanager
def progress_to(doing: str) -> Iterator[Callable[[int, int], None]]:
    """The same for a block that knows the rows done and those in all."""
    with _bar(doing, None, keep=True) as (progress, task):
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def _bar(doing: str, total: int | None, *, keep: bool) -> Iterator[tuple[Progress, TaskID]]:
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=not keep, disable=not console.is_terminal
    ) as progress:
        yield progress, progress.add_task("", total=total)
