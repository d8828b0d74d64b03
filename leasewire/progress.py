"""A bar on a terminal's standard error for what takes long; elsewhere nothing is printed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]


@contextmanager
def progress_bar(doing: str, total: int | None, *, keep: bool = False) -> Iterator[Advance]:
    """Show how far something is; what it gives is called with each further number of rows.

    Args:
        doing: in front of the bar.
        total: rows in all; None: not known.
        keep: leave the bar there at the end.
    """
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=not keep, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.advance(task, count)
