"""`leasewire publish`: events from a file or standard input; and one event said by options.

The commands for single events are in `publish_one.py`.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from contracts import Problem
from contracts.names import QUEUE_BULK, QUEUE_EVENTS, Lane
from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, clean, print_json, print_table
from leasewire.progress import Advance, progress_bar
from leasewire.sources.publish_check import look_at
from leasewire.sources.publish_one import EVENTS, command_of, flag_of
from producers.complete import CompleteEvent
from producers.errors import BatchViolation, KeyRefused, PublishFailed, Receipt
from producers.event_input import BrokenText, find_events
from worker.admin.documents import event_document
from worker.core.service.outcome import FINAL, Outcome

BAD_INPUT: Final = 2
OUT_OF_REACH: Final = 3
_ROWS: Final = 20

NOT_APPLIED: Final = 1
_CHECK_EVERY_S: Final = 0.1
_AT_ONCE: Final = 500

WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        help="Wait so many seconds for what becomes of the events, and print it.",
        min=0,
        show_default=False,
        metavar="SECONDS",
    ),
]
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
            alike = get_close_matches(args[0], self.commands, 1)
            if alike and not Path(args[0]).exists():
                ctx.fail(f"No event '{args[0]}', and no such file. Did you mean '{alike[0]}'?")
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

    With --wait exit 0 says that each event is applied, observed or scheduled; 1: one was refused,
    failed, expired or superseded; 3: one still waits. Ctrl-C ends the waiting alone.

    Examples: leasewire publish events.ndjson; my-export | leasewire publish -; leasewire publish
    mac-changed --service SVC-1001 --mac 00:00:5E:00:53:02
    """,
)


@app.command("file")
def file_command(  # noqa: PLR0913 - as many options
    path: Annotated[Path, typer.Argument(metavar="FILE", help="- is standard input.")],
    *,
    bulk: Annotated[
        bool, typer.Option("--bulk", help="An import: live events are served first.")
    ] = False,
    dry_run: DryRunOption = False,
    wait: WaitOption = 0,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
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
        wait_s=wait,
        as_json=as_json,
        inventory=inventory,
    )


class Given(NamedTuple):
    """An event as it was given, and where, for the messages."""

    where: str
    event: str | dict[str, object]


def send(  # noqa: PLR0913 - as many options
    events: Sequence[Given],
    *,
    lane: Lane,
    dry_run: bool,
    wait_s: float,
    as_json: bool,
    inventory: Path | None,
) -> None:
    """Publish events, or only check them; show what became of them.

    Raises:
        typer.Exit: 2 for broken events, 3 when Redis does not take them; for others see the help.
    """
    context = Context(inventory)
    with context.publisher() as publisher:
        try:
            with progress_bar("checking", len(events)) as advance:
                completed = publisher.check(_counted(events, advance))
            look_at(context, completed, named=inventory is not None)
            if dry_run:
                _show_checked(completed, as_json=as_json)
                return
            receipts = publisher.write(completed, lane=lane)
        except BatchViolation as violation:
            _end(BAD_INPUT, *(_line(events[index], p) for index, p in violation.problems))
        except KeyRefused:
            raise  # told as for any other command
        except PublishFailed as error:
            _end(OUT_OF_REACH, str(error))
    said = _wait(context, receipts, wait_s) if wait_s else {}
    _show_receipts(completed, receipts, said, waited=bool(wait_s), as_json=as_json)
    reused = [
        f"{given.where}: /id is the id of another event that was not yet taken in; this one was "
        "not published. Give it an id of its own [event-id-reused]"
        for given, receipt in zip(events, receipts, strict=True)
        if receipt.id_reused
    ]
    if reused:
        _end(BAD_INPUT, *reused)
    if not wait_s:
        return
    if any(each.state in FINAL and each.state not in _GOOD for each in said.values()):
        raise typer.Exit(NOT_APPLIED)
    if any(not _is_over(said.get(receipt.event_key)) for receipt in receipts):
        _end(
            OUT_OF_REACH, f"Not over after {wait_s:g} s. The events are safe; it goes on by itself."
        )


_GOOD: Final = ("applied", "observed", "scheduled")


def _counted(events: Sequence[Given], advance: Advance) -> Iterator[str | dict[str, object]]:
    for each in events:
        yield each.event
        advance(1)


def _is_over(outcome: Outcome | None) -> bool:
    return outcome is not None and (outcome.state in FINAL or outcome.state == "scheduled")


def _wait(context: Context, receipts: Sequence[Receipt], wait_s: float) -> dict[str, Outcome]:
    """What became of events, by key, as far as it is known in time."""
    said: dict[str, Outcome] = {}
    open_ = [each.event_key for each in receipts if not each.id_reused]
    deadline = time.monotonic() + wait_s
    with progress_bar("waiting", len(open_)) as advance, suppress(KeyboardInterrupt):
        while open_:
            before = len(open_)
            for at in range(0, before, _AT_ONCE):
                found = context.store.views.outcomes(open_[at : at + _AT_ONCE])
                said |= {outcome.key: outcome for outcome in found}
            open_ = [key for key in open_ if not _is_over(said.get(key))]
            advance(before - len(open_))
            if not open_ or time.monotonic() >= deadline:
                break
            time.sleep(_CHECK_EVERY_S)
    return said


def _line(given: Given, problem: Problem) -> str:
    flag = "" if isinstance(given.event, str) else flag_of(given.where, given.event, problem)
    return (
        f"{given.where}: {flag or (problem.pointer or 'event')} {problem.message} [{problem.code}]"
    )


def _end(code: int, *lines: str) -> NoReturn:
    for line in lines:
        typer.echo(clean(line), err=True)
    raise typer.Exit(code)


def _show_checked(completed: Sequence[CompleteEvent], *, as_json: bool) -> None:
    if as_json:
        print_json({"events": [each.event for each in completed]})
        return
    _table(completed, ["valid (dry run)"] * len(completed))


def _show_receipts(
    completed: Sequence[CompleteEvent],
    receipts: Sequence[Receipt],
    said: Mapping[str, Outcome],
    *,
    waited: bool,
    as_json: bool,
) -> None:
    if as_json:
        documents = [_document(*pair) for pair in zip(completed, receipts, strict=True)]
        if waited:
            for document, receipt in zip(documents, receipts, strict=True):
                outcome = said.get(receipt.event_key)
                document["outcome"] = event_document(outcome) if outcome else None
        print_json({"receipts": documents})
        return
    _table(completed, [_state(receipt, said) for receipt in receipts])
    typer.echo(f"\nWhat became of it: leasewire events show {receipts[0].event_id}")


def _document(completed: CompleteEvent, receipt: Receipt) -> dict[str, object]:
    return {
        "event": receipt.event_id,
        "source": receipt.source,
        "type": completed.event["type"],
        "service": _service(completed),
        "published": not receipt.id_reused,
        "message_sent": receipt.notified,
    }


def _state(receipt: Receipt, said: Mapping[str, Outcome]) -> str:
    if receipt.id_reused:
        return "not published"
    if outcome := said.get(receipt.event_key):
        more = " ".join(part for part in (outcome.reason, outcome.detail) if part)
        return f"{outcome.state}: {more}" if more else outcome.state
    return "published" if receipt.notified else "published; the workers were called before"


def _table(completed: Sequence[CompleteEvent], states: Sequence[str]) -> None:
    rows = [
        (each.id, str(each.event["type"]).split(".")[2], _service(each), state)
        for each, state in zip(completed, states, strict=True)
    ]
    print_table(("event", "type", "service", "state"), rows[:_ROWS], "No events.")
    if len(rows) > _ROWS:
        typer.echo(f"… and {len(rows) - _ROWS} more ({len(rows)} in all); --json lists them.")


def _service(completed: CompleteEvent) -> str:
    return str(completed.event["subject"]).removeprefix("service/")


def _send_one(  # noqa: PLR0913 - as many options
    name: str,
    event: dict[str, object],
    *,
    dry_run: DryRunOption = False,
    wait: WaitOption = 0,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    send(
        [Given(name, event)],
        lane=QUEUE_EVENTS,
        dry_run=dry_run,
        wait_s=wait,
        as_json=as_json,
        inventory=inventory,
    )


_OF_EVERY_EVENT: Final = list(signature(_send_one).parameters.values())[2:]
for _name in EVENTS:
    app.command(_name)(command_of(_name, _send_one, _OF_EVERY_EVENT))
