"""How commands answer: a table for people, or one JSON document for programs.

What a router, a BSS or a file said is printed as text and never as markup or terminal control.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of a table.")
]

_WIDE: Final = 240
"""Columns where no terminal says how many it has: a pipe must get whole values."""


def console() -> Console:
    """Standard output for people."""
    return Console(
        markup=False,
        highlight=False,
        emoji=False,
        width=None if sys.stdout.isatty() else _WIDE,
    )


def print_json(document: object) -> None:
    """Print one JSON document; text that is not UTF-8 is escaped."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=True))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print rows under headings, or the sentence `empty` where there are none."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    if table.row_count:
        console().print(table)
    else:
        typer.echo(empty)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one a line; those without a value are left out."""
    shown = [(name, clean(value)) for name, value in fields if value not in (None, "", (), [], {})]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        typer.echo(f"{name:{width}}  {value}")


def clean(value: object) -> str:
    """A value as one line of printable text."""
    text = "" if value is None else str(value)
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 service`, `3,000 services`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def local_time(moment: str | None) -> str:
    """A time as `utc_time` gives it, as local time to the second; empty for none."""
    if not moment:
        return ""
    return datetime.fromisoformat(moment).astimezone().isoformat(sep=" ", timespec="seconds")
