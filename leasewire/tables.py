"""Tables as text: what is not prose is never broken, so that it can be copied whole.

A table that is too wide for the terminal wraps its prose between words. Where that is not enough
its rows stand one below the other, a line for each field.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.cells import cell_len

_GAP: Final = "  "
_PROSE_WORDS: Final = 3
"""A column with a cell of so many words is prose, and may be wrapped. A time has two."""
_NARROWEST_PROSE: Final = 20


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows under headings.

    Attributes:
        rows: documents; a column shows the value of its key.
        columns: headings, separated by commas: `router, next try=next_try_at, +host`. Behind `=`
            stands the key where it is not the heading; `+` marks a column of `-o wide`.
        empty: shown in place of a table without rows.
        title: a line above the table.
        most: show so many rows, and say how many more there are; None: all.
        rest: what lists the others.
    """

    rows: Iterable[Mapping[str, Any]]
    columns: str
    empty: str = ""
    title: str = field(default="", kw_only=True)
    most: int | None = field(default=None, kw_only=True)
    rest: str = field(default="", kw_only=True)

    def lines(
        self,
        show: Callable[[object], str],
        width: int | None = None,
        *,
        wide: bool = False,
        header: bool = True,
    ) -> Iterator[str]:
        """The table as text.

        Args:
            show: turns a value into one line of text.
            width: columns of the terminal; None where the output is no terminal.
            wide: show every column, whatever the width.
            header: begin with the headings.
        """
        headings, keys = [], []
        for column in self.columns.split(","):
            name, _, key = column.strip().partition("=")
            if wide or not name.startswith("+"):
                headings.append(name.removeprefix("+").upper())
                keys.append(key or name.removeprefix("+"))
        rows = list(self.rows)
        cells = [[show(row.get(key)) for key in keys] for row in rows[: self.most]]
        filled = [at for at in range(len(keys)) if any(row[at] for row in cells)]
        if not filled:
            if self.empty:
                yield self.empty
            return
        if self.title:
            yield self.title
        yield from layout(
            [headings[at] for at in filled],
            [[row[at] for at in filled] for row in cells],
            None if wide else width,
            header=header,
        )
        if len(rows) > len(cells):
            yield f"… and {len(rows) - len(cells):,} more; {self.rest}."


def layout(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    *,
    header: bool = True,
) -> Iterator[str]:
    """Rows of cells as lines of at most `width` columns, but for words that are longer."""
    columns = list(zip(*([headings] if header else []), *rows, strict=True))
    widths = [max(map(cell_len, column), default=0) for column in columns]
    if width is not None and _total(widths) > width:
        prose = [_is_prose(column) for column in zip(*rows, strict=True)]
        fixed = _total(widths) - sum(w for w, wraps in zip(widths, prose, strict=True) if wraps)
        smallest = [
            max(_NARROWEST_PROSE, *(cell_len(word) for cell in column for word in cell.split()))
            for column in columns
        ]
        widths = _shared(widths, smallest, prose, width - fixed)
        if _total(widths) > width:
            yield from _records(headings, rows, width)
            return
    for row in [*([headings] if header else []), *rows]:
        yield from _row(row, widths)


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines, broken between words only."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _is_prose(cells: Sequence[str]) -> bool:
    return any(cell.count(" ") + 1 >= _PROSE_WORDS for cell in cells)


def _shared(
    widths: Sequence[int], smallest: Sequence[int], prose: Sequence[bool], room: int
) -> list[int]:
    """Narrow the widest columns of prose until all of prose takes no more than the room."""
    found = list(widths)
    while sum(w for w, wraps in zip(found, prose, strict=True) if wraps) > room:
        narrowable = [at for at, wraps in enumerate(prose) if wraps and found[at] > smallest[at]]
        if not narrowable:
            break
        found[max(narrowable, key=found.__getitem__)] -= 1
    return found


def _row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    parts = [wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for number in range(max(map(len, parts))):
        line = [part[number] if number < len(part) else "" for part in parts]
        yield _GAP.join(
            text + " " * (width - cell_len(text)) for text, width in zip(line, widths, strict=True)
        ).rstrip()


def _records(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    indent = max(map(len, headings))
    for number, row in enumerate(rows):
        if number:
            yield ""
        for heading, cell in zip(headings, row, strict=True):
            if cell:
                first, *more = wrapped(cell, width - indent - len(_GAP))
                yield f"{heading.lower():{indent}}{_GAP}{first}"
                yield from (f"{'':{indent}}{_GAP}{line}" for line in more)
