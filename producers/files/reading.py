"""Reads a file of services row by row: each row becomes an event or a list of problems."""

import csv
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.parse import MAX_EVENT_BYTES
from producers.fields import FIELDS, PPP, JsonObject, NotAnEvent, event_of
from producers.files.cells import unescape, was_made_a_number

CSV: Final = ".csv"
NDJSON: Final = (".ndjson", ".jsonl")
_TEXTS: Final = frozenset({"mac", "service_id", "customer_id", "serial", "duid", *PPP})
"""Fields that a spreadsheet may take for numbers."""


class FileBroken(Exception):  # noqa: N818 - says what it is
    """The file cannot be read; the message says where and why."""


class FileRow(NamedTuple):
    """One row.

    Attributes:
        line: on which the row begins, from 1.
        event: `type` and `data`; empty if there are problems.
        problems: each with its column.
    """

    line: int
    event: JsonObject
    problems: tuple[str, ...] = ()


def rows_of(path: Path, kind: str = "") -> Iterator[FileRow]:
    """Yield the rows of a file.

    Args:
        path: of the file.
        kind: `.csv`, `.ndjson` or `.jsonl`; default: the ending of the name.

    Raises:
        FileBroken: the file cannot be read or has no header.
    """
    kind = kind or path.suffix.lower()
    if kind != CSV and kind not in NDJSON:
        raise FileBroken(f"{path}: is neither .csv nor .ndjson; rename it to what it is")
    newline = "" if kind == CSV else None
    with _errors_of(path), path.open(encoding="utf-8-sig", newline=newline) as lines:
        yield from _of_table(path, lines) if kind == CSV else _of_objects(lines)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file: the same content is the same import.

    Raises:
        FileBroken: the file cannot be read.
    """
    with _errors_of(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lines_of(path: Path) -> int:
    """Count the lines of a file, for a progress bar.

    Raises:
        FileBroken: the file cannot be read.
    """
    with _errors_of(path), path.open("rb") as file:
        return sum(1 for _ in file)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileBroken(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise FileBroken(f"{path}: is not UTF-8 text; save it as UTF-8") from None


def _of_table(path: Path, lines: Any) -> Iterator[FileRow]:  # noqa: ANN401 - a text file
    first = lines.readline()
    if not first.strip():
        raise FileBroken(f"{path}: is empty; `leasewire import --template` prints an example")
    if "\t" in first and "," not in first and ";" not in first:
        raise FileBroken(f"{path}:1: its columns are separated by tabs; save it with commas")
    delimiter = ";" if ";" in first and "," not in first else ","
    names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter))]
    unknown = [name for name in names if name not in FIELDS]
    twice = {name for name in names if names.count(name) > 1}
    if unknown or twice or "service_id" not in names:
        wrong = [f"unknown column {name or '(empty)'}" for name in unknown]
        wrong += [f"column {name} is there twice" for name in sorted(twice - set(unknown))]
        wrong += [] if "service_id" in names else ["service_id is missing"]
        known = ", ".join(FIELDS)
        raise FileBroken(f"{path}:1: {'; '.join(wrong)}. The columns are {known}")
    table = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = table.line_num + 2
        try:
            cells = next(table, None)
        except csv.Error as error:
            yield FileRow(line, {}, (f"is not a valid CSV row: {error}",))
            continue
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield _of_cells(line, names, cells)


def _of_cells(line: int, names: list[str], cells: list[str]) -> FileRow:
    if len(cells) != len(names):
        message = (
            f"has {len(cells)} cells, the header has {len(names)}; quote cells that hold a comma"
        )
        return FileRow(line, {}, (message,))
    fields = dict(zip(names, map(unescape, cells), strict=True))
    problems = [
        f"{name} was turned into a number by a spreadsheet; give its column the format text"
        for name in sorted(_TEXTS & fields.keys())
        if was_made_a_number(fields[name])
    ]
    if problems:
        return FileRow(line, {}, tuple(problems))
    try:
        return FileRow(line, event_of(fields))
    except NotAnEvent as error:
        return FileRow(
            line, {}, tuple(f"{name} {message}" for name, message in error.problems.items())
        )


def _of_objects(lines: Any) -> Iterator[FileRow]:  # noqa: ANN401 - a text file
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        if len(text) > MAX_EVENT_BYTES:
            yield FileRow(number, {}, (f"is longer than {MAX_EVENT_BYTES} bytes",))
            continue
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            yield FileRow(number, {}, ("is not a JSON object",))
            continue
        event = data.pop("event", "snapshot")
        yield FileRow(number, {"type": f"leasewire.service.{event}.v1", "data": data})
