"""A file of services as commands work with it: read through, right in every row, of one moment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from contracts.values import parse_time
from leasewire.context import Context
from leasewire.printing import clean
from leasewire.progress import Advance, progress_bar
from leasewire.sources.export import Format
from producers.complete import CompleteEvent
from producers.errors import BatchViolation
from producers.fields import field_at
from producers.files.reading import FileBroken, Row, digest_of, lines_of, rows_of
from producers.publisher import Publisher
from worker.admin.json_fields import utc_time
from worker.store.imports import Import, Imports

BAD_INPUT: Final = 2
_SHOWN: Final = 50
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

SourceOption = Annotated[
    str | None,
    typer.Option(help="In whose name; else the only source of the inventory.", show_default=False),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        help="When the file was true, such as 2026-11-24T09:00:00Z; else when it was last changed.",
        show_default=False,
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="What standard input (-) holds.", show_default=False),
]


@dataclass(slots=True)
class ServiceFile:
    """A file of which every row is right.

    Attributes:
        path: where it is.
        digest: SHA-256 of its content.
        source: in whose name its rows are said.
        as_of_ms: of which moment it speaks.
        publisher: completes events.
        rows: how many there are.
        services: the ids in it.
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
        """Read a file through, and end the command if anything in it is wrong."""
        try:
            digest = digest_of(path)
            named = _source(context, source)
            before = Imports(context.store.client, context.store.keys).find(digest)
            as_of_ms = _as_of(as_of, path, before, context.store.records.now_ms())
            file = cls(path, digest, named, as_of_ms, context.publisher())
            with progress_bar("checking", lines_of(path)) as advance:
                problems = list(islice(file.problems(advance), _SHOWN + 1))
        except FileBroken as error:
            end(BAD_INPUT, str(error))
        if problems:
            more = ["… and more"] if len(problems) > _SHOWN else []
            end(
                BAD_INPUT, *problems[:_SHOWN], *more, "Nothing was imported: mend these rows first."
            )
        return file

    def events(self) -> Iterator[CompleteEvent]:
        """The events of its rows."""
        for row in rows_of(self.path):
            yield self._stamp(row)

    def event(self, data: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """An event about a service as of the moment of the file."""
        moment = utc_time(self.as_of_ms)
        return {
            "type": f"leasewire.service.{kind}.v1",
            "source": self.source,
            "time": moment,
            "asof": moment,
            "data": dict(data),
        }

    def _stamp(self, row: Row) -> CompleteEvent:
        kind = str(row.event["type"]).split(".")[2]
        return self.publisher.check([self.event(row.event["data"], kind)])[0]

    def problems(self, advance: Advance = lambda _: None) -> Iterator[str]:
        """What is wrong with its rows; counts them, and notes the services."""
        first: dict[str, int] = {}
        for row in rows_of(self.path):
            self.rows += 1
            advance(1)
            where = f"{self.path}:{row.line}:"
            yield from (f"{where} {message}" for message in row.problems)
            if row.problems:
                continue
            try:
                completed = self._stamp(row)
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
    """What a copy of standard input is called; ends the command where it is not said what it is."""
    if str(path) == "-" and format_ is None:
        end(BAD_INPUT, "Say what standard input holds: --format csv, or --format ndjson.")
    return f"stdin.{format_}"


def end(code: int, *lines: str) -> NoReturn:
    """End the command with words on standard error."""
    for line in lines:
        typer.echo(clean(line), err=True)
    raise typer.Exit(code)


def _source(context: Context, given: str | None) -> str:
    sources = context.inventory.sources
    if given is not None:
        if given not in sources:
            end(BAD_INPUT, f"{given} is not in [sources] of the inventory; add it there.")
        return given
    owning = [name for name, each in sources.items() if "publish" in each.scopes]
    if len(owning) != 1:
        end(BAD_INPUT, f"Say in whose name with --source: {', '.join(owning) or 'there is none'}.")
    return owning[0]


def _as_of(given: str | None, path: Path, before: Import | None, now_ms: int) -> int:
    if given is not None:
        try:
            moment = parse_time(given)
        except ValueError as error:
            end(BAD_INPUT, f"--as-of {given}: {error}")
        as_of_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    elif before is not None:
        as_of_ms = before.as_of_ms
    else:
        as_of_ms = int(path.stat().st_mtime * 1000)
        if not as_of_ms:  # standard input, through a pipe
            end(BAD_INPUT, f"{path} has no date: say with --as-of when what is in it was true.")
    if as_of_ms > now_ms:
        end(BAD_INPUT, f"{path}: is of {utc_time(as_of_ms)}, which is yet to come; give --as-of.")
    return as_of_ms
