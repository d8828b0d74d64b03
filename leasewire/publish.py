"""`leasewire publish`: events from a file or standard input; and one event said by options.

Who calls it: the command line. The commands for single events are in `publish_one.py`.
"""

import sys
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from contracts import Problem
from contracts.names import QUEUE_BULK, QUEUE_EVENTS, Lane
from leasewire.context import Context
from leasewire.printing import JsonOption, clean, print_json, print_table
from leasewire.publish_one import EVENTS, command_of
from producers.errors import BatchViolation, KeyRefused, PublishFailed, Receipt
from producers.event_input import BrokenText, find_events
from producers.stamp import Stamped

BAD_INPUT: Final = 2
OUT_OF_REACH: Final = 3
_ROWS: Final = 20

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Check only; publish nothing.")]


class Group(TyperGroup):
    """What is not the name of an event is a file: `leasewire publish events.ndjson`."""

    def parse_args(
        self,
        ctx: Any,  # noqa: ANN401 - its class is private to Typer
        args: list[str],
    ) -> list[str]:
        """Put the word `file` before what names no event."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["file", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    subcommand_metavar="FILE | - | EVENT",
    help="""Publish events: of a FILE, of standard input (-), or one EVENT said by options.

    Nothing is published unless every event is right: else each problem is shown and the exit code
    is 2. When this command has ended well the events are safe in Redis, and a worker takes them
    from there.

    Examples: leasewire publish events.ndjson; my-export | leasewire publish -; leasewire publish
    mac-changed --service SVC-1001 --mac 00:00:5E:00:53:02
    """,
)


@app.command("file")
def file_command(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="- is standard input.")],
    *,
    bulk: Annotated[
        bool, typer.Option("--bulk", help="An import: live events are served first.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Publish the events of a file: a JSON object, a JSON array, or an object a line.

    The word `file` may be left out. What follows from the rest of an event need not be said:
    specversion, datacontenttype, subject, time (now) and id.

    Example: leasewire publish events.ndjson --dry-run
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        found = find_events(raw.decode("utf-8-sig"))
    except OSError as error:
        _end(BAD_INPUT, f"{name}: cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        _end(BAD_INPUT, f"{name}: is not UTF-8 text; encode it as UTF-8")
    except BrokenText as error:
        _end(BAD_INPUT, f"{name}: {error}")
    send(
        [Given(f"{name}:{each.line}", each.text) for each in found],
        lane=QUEUE_BULK if bulk else QUEUE_EVENTS,
        dry_run=dry_run,
        as_json=as_json,
    )


class Given(NamedTuple):
    """An event as it was given, and where, for the messages."""

    where: str
    event: str | dict[str, object]


def send(events: Sequence[Given], *, lane: Lane, dry_run: bool, as_json: bool) -> None:
    """Publish events, or only check them; show what became of them.

    Raises:
        typer.Exit: 2 for broken events, 3 when Redis does not take them.
    """
    with Context().publisher() as publisher:
        try:
            stamped = publisher.check(each.event for each in events)
            if dry_run:
                _show_checked(stamped, as_json=as_json)
                return
            receipts = publisher.write(stamped, lane=lane)
        except BatchViolation as violation:
            _end(BAD_INPUT, *(_line(events[index].where, p) for index, p in violation.problems))
        except KeyRefused:
            raise  # told as for any other command
        except PublishFailed as error:
            _end(OUT_OF_REACH, str(error))
    _show_receipts(stamped, receipts, as_json=as_json)
    reused = [
        f"{given.where}: /id is the id of another event that was not yet taken in; this one was "
        "not published. Give it an id of its own [event-id-reused]"
        for given, receipt in zip(events, receipts, strict=True)
        if receipt.id_reused
    ]
    if reused:
        _end(BAD_INPUT, *reused)


def _line(where: str, problem: Problem) -> str:
    return f"{where}: {problem}"


def _end(code: int, *lines: str) -> NoReturn:
    for line in lines:
        typer.echo(clean(line), err=True)
    raise typer.Exit(code)


def _show_checked(stamped: Sequence[Stamped], *, as_json: bool) -> None:
    if as_json:
        print_json({"events": [each.event for each in stamped]})
        return
    _table(stamped, ["right; not published"] * len(stamped))


def _show_receipts(
    stamped: Sequence[Stamped], receipts: Sequence[Receipt], *, as_json: bool
) -> None:
    if as_json:
        print_json({"receipts": [_document(*pair) for pair in zip(stamped, receipts, strict=True)]})
        return
    _table(stamped, [_state(receipt) for receipt in receipts])
    typer.echo(f"\nWhat became of it: leasewire events show {receipts[0].event_id}")


def _document(stamped: Stamped, receipt: Receipt) -> dict[str, object]:
    return {
        "event": receipt.event_id,
        "source": receipt.source,
        "type": stamped.event["type"],
        "service": _service(stamped),
        "published": not receipt.id_reused,
        "message_sent": receipt.rung,
    }


def _state(receipt: Receipt) -> str:
    if receipt.id_reused:
        return "not published"
    return "published" if receipt.rung else "published; the workers were called before"


def _table(stamped: Sequence[Stamped], states: Sequence[str]) -> None:
    rows = [
        (each.id, str(each.event["type"]).split(".")[2], _service(each), state)
        for each, state in zip(stamped, states, strict=True)
    ]
    print_table(("event", "type", "service", "state"), rows[:_ROWS], "No events.")
    if len(rows) > _ROWS:
        typer.echo(f"… and {len(rows) - _ROWS} more ({len(rows)} in all); --json lists them.")


def _service(stamped: Stamped) -> str:
    return str(stamped.event["subject"]).removeprefix("service/")


def _send_one(
    name: str,
    event: dict[str, object],
    *,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    send([Given(name, event)], lane=QUEUE_EVENTS, dry_run=dry_run, as_json=as_json)


_OF_EVERY_EVENT: Final = list(signature(_send_one).parameters.values())[2:]
for _name in EVENTS:
    app.command(_name)(command_of(_name, _send_one, _OF_EVERY_EVENT))
