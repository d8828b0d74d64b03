"""A file of services, read completely: every row is valid, and it describes one moment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from contracts.values import parse_time
from leasewire.answer import bad_input
from leasewire.context import Context
from leasewire.progress import Advance, progress_bar
from leasewire.sources.export import Format
from producers.errors import BatchViolation
from producers.fields import field_at
from producers.files.reading import FileBroken, FileRow, digest_of, lines_of, rows_of
from producers.publisher import Publisher
from producers.transport import CompleteEvent
from worker.admin.json_fields import utc_time
from worker.store.imports import Import

_SHOWN: Final = 50
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

SourceOption = Annotated[
    str | None,
    typer.Option(help="The source. Default: the only one of the inventory.", show_default=False),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        help="The moment it describes, such as 2026-11-24T09:00:00Z. Default: its last change.",
        show_default=False,
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="Format of standard input (-).", show_default=False),
]


@dataclass(slots=True)
class ServiceFile:
    """A file of valid rows.

    Attributes:
        path: the file.
        digest: SHA-256 of its content.
        source: the source of its events.
        as_of_ms: the moment that it describes.
        publisher: completes events.
        rows: how many rows it has.
        services: the service ids in it.
    """

    path: Path
    digest: str
    source: str
    as_of_ms: int
    publisher: Publisher
    rows: int = 0
    services: set[str] = field(default_factory=set)

    @classmethod
    def open(
        cls, context: Context, path: Path, source: str | None, as_of: str | None
    ) -> "ServiceFile":
        """Read the whole file; ends the command if anything in it is wrong."""
        try:
            digest = digest_of(path)
            named = _source(context, source)
            before = context.store.imports.find(digest)
            as_of_ms = _as_of(as_of, path, before, context.store.records.now_ms())
            file = cls(path, digest, named, as_of_ms, context.publisher())
            with progress_bar("checking", lines_of(path)) as advance:
                problems = list(islice(file.problems(advance), _SHOWN + 1))
        except FileBroken as error:
            bad_input(error)
        if problems:
            more = ["… and more"] if len(problems) > _SHOWN else []
            bad_input(*problems[:_SHOWN], *more, "Nothing was imported: correct these rows first.")
        return file

    def events(self) -> Iterator[CompleteEvent]:
        """The events of its rows."""
        for row in rows_of(self.path):
            yield self._complete(row)

    def event(self, data: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """An event about a service, as of the moment of the file."""
        moment = utc_time(self.as_of_ms)
        return {
            "type": f"leasewire.service.{kind}.v1",
            "source": self.source,
            "time": moment,
            "asof": moment,
            "data": dict(data),
        }

    def _complete(self, row: FileRow) -> CompleteEvent:
        kind = str(row.event["type"]).split(".")[2]
        return self.publisher.check([self.event(row.event["data"], kind)])[0]

    def problems(self, advance: Advance = lambda _: None) -> Iterator[str]:
        """Yield what is wrong with the rows; counts them and collects the services."""
        first: dict[str, int] = {}
        for row in rows_of(self.path):
            self.rows += 1
            advance(1)
            where = f"{self.path}:{row.line}:"
            yield from (f"{where} {message}" for message in row.problems)
            if row.problems:
                continue
            try:
                completed = self._complete(row)
            except BatchViolation as violation:
                for _, problem in violation.problems:
                    place = field_at(problem.pointer) or problem.pointer or "row"
                    yield f"{where} {place} {problem.message}"
                continue
            data: Any = completed.event["data"]
            at = first.setdefault(data["service_id"], row.line)
            if at != row.line and "revision" not in data:
                message = f"the service of line {at} again; give one row, or revisions"
                yield f"{where} service_id is {message}"
        self.services = set(first)
        if not self.rows:
            yield f"{self.path}: has no row"


def stdin_name(path: Path, format_: Format | None) -> str:
    """The name for a copy of standard input; ends the command if its format is not given."""
    if str(path) == "-" and format_ is None:
        bad_input("Give the format of standard input: --format csv, or --format ndjson.")
    return f"stdin.{format_}"


def _source(context: Context, given: str | None) -> str:
    sources = context.inventory.sources
    if given is not None:
        if given not in sources:
            bad_input(f"{given} is not in [sources] of the inventory; add it there.")
        return given
    owning = [name for name, config in sources.items() if "publish" in config.scopes]
    if len(owning) != 1:
        bad_input(f"Give --source, one of: {', '.join(owning) or 'there is none'}.")
    return owning[0]


def _as_of(given: str | None, path: Path, before: Import | None, now_ms: int) -> int:
    if given is not None:
        try:
            moment = parse_time(given)
        except ValueError as error:
            bad_input(f"--as-of {given}: {error}")
        as_of_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    elif before is not None:
        as_of_ms = before.as_of_ms
    else:
        as_of_ms = int(path.stat().st_mtime * 1000)
        if not as_of_ms:  # standard input, through a pipe
            bad_input(f"{path} has no date: give the moment that it describes with --as-of.")
    if as_of_ms > now_ms:
        asked = "give a moment that has passed" if given is not None else "give --as-of"
        bad_input(f"{path}: {utc_time(as_of_ms)} is in the future; {asked}.")
    return as_of_ms
