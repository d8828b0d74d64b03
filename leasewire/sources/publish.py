"""`leasewire publish`: events from a file or standard input, or one event from options.

The options of single events are in `publish_one.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from contracts.errors import Problem
from contracts.names import QUEUE_BULK, QUEUE_EVENTS, Lane
from contracts.sealing import masked_event
from leasewire.answer import Answer, App, Exit, Group, TextTable, bad_input, fail
from leasewire.context import Context, InventoryOption, actor_of
from leasewire.given_files import text_in
from leasewire.progress import Advance, looks, progress_bar
from leasewire.sources.publish_check import check_inventory
from leasewire.sources.publish_one import EVENTS, command_of, flag_of
from producers.errors import BatchViolation, KeyRefused, PublishFailed, Receipt
from producers.event_input import BrokenText, find_events
from producers.transport import CompleteEvent
from worker.admin.documents import event_document
from worker.core.service.outcome import FINAL, Outcome
from worker.core.texts import capitalized, did_you_mean
from worker.errors import StoreRefused

_SHOWN: Final = 20
_AT_ONCE: Final = 500

WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        help="Wait this long for the outcomes of the events, and print them.",
        min=0,
        show_default=False,
        metavar="SECONDS",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only check the events; publish nothing.")
]


class FileOrEvent(Group):
    """Takes what is no name of an event for a file: `leasewire publish events.ndjson`."""

    def parse_args(
        self,
        ctx: Any,  # noqa: ANN401 - its class is private to Typer
        args: list[str],
    ) -> list[str]:
        """Put the word `file` before the name of a file."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            alike = capitalized(did_you_mean(args[0], self.commands))
            hint = alike or "--help lists the events."
            means_event = alike or any(arg.startswith("--service") for arg in args)
            if means_event and not Path(args[0]).exists():
                ctx.fail(f"No event '{args[0]}', and no such file. {hint}")
            args = ["file", *args]
        return super().parse_args(ctx, args)


app = App(
    """Publish events from a FILE, from standard input (-), or one EVENT from options.

    Nothing is published unless every event is valid; otherwise each problem is shown and the exit
    code is 2. After success the events are safe in Redis, and workers process them from there.

    With --wait exit 0 means that each event is applied, observed or scheduled; 1: one was rejected,
    failed, expired or superseded; 3: one is still pending. Ctrl-C only ends the waiting.

    Examples: leasewire publish events.ndjson; my-export | leasewire publish -; leasewire publish
    mac-changed --service SVC-1001 --mac 00:00:5E:00:53:02
    """,
    cls=FileOrEvent,
    subcommand_metavar="FILE | - | EVENT",
)


@app.command("file")
def file_command(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="- is standard input.")],
    *,
    bulk: Annotated[
        bool, typer.Option("--bulk", help="Use the bulk lane: live events go first.")
    ] = False,
    dry_run: DryRunOption = False,
    wait: WaitOption = 0,
    inventory: InventoryOption = None,
) -> Answer:
    """Publish the events of a file: a JSON object, a JSON array, or one object per line.

    The word `file` may be omitted, as may the fields that follow from the rest of an event:
    specversion, datacontenttype, subject, time (now) and id.

    Example: leasewire publish events.ndjson --dry-run
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        found = find_events(text_in(path))
    except BrokenText as error:
        bad_input(f"{name}: {error}")
    return send(
        [Given(f"{name}:{event.line}", event.text) for event in found],
        lane=QUEUE_BULK if bulk else QUEUE_EVENTS,
        dry_run=dry_run,
        wait_s=wait,
        inventory=inventory,
    )


class Given(NamedTuple):
    """An event as it was given, and its place for messages."""

    where: str
    event: str | dict[str, object]


def send(
    events: Sequence[Given], *, lane: Lane, dry_run: bool, wait_s: float, inventory: Path | None
) -> Answer:
    """Publish events, or only check them; returns their outcomes.

    Raises:
        typer.Exit: 2: invalid events; 3: Redis does not accept them.
    """
    context = Context(inventory)
    with context.publisher() as publisher:
        try:
            with progress_bar("checking", len(events)) as advance:
                completed = publisher.check(_counted(events, advance))
            check_inventory(context, completed, named=inventory is not None)
            if dry_run:
                text = _table(completed, ["valid (dry run)"] * len(completed))
                return Answer({"events": [masked_event(each.event) for each in completed]}, [text])
            receipts = publisher.write(completed, lane=lane)
        except BatchViolation as violation:
            bad_input(*(_line(events[index], p) for index, p in violation.problems))
        except KeyRefused:
            raise  # explained as for any other command
        except PublishFailed as error:
            fail(error, code=Exit.UNREACHABLE)
    _record(context, completed)
    outcomes = _wait(context, receipts, wait_s) if wait_s else {}
    code, errors = _result(events, receipts, outcomes, wait_s)
    documents = [_document(*pair) for pair in zip(completed, receipts, strict=True)]
    if wait_s:
        for document, receipt in zip(documents, receipts, strict=True):
            outcome = outcomes.get(receipt.event_key)
            document["outcome"] = event_document(outcome) if outcome else None
    states = [_state(receipt, outcomes) for receipt in receipts]
    hint = f"\nOutcome: leasewire events show {receipts[0].event_id}"
    return Answer({"receipts": documents}, [_table(completed, states), hint], code, errors)


def _record(context: Context, completed: Sequence[CompleteEvent]) -> None:
    """Record a run by a person in the audit trail."""
    if not completed:
        return
    first = completed[0]
    subject, detail = _service(first), f"{first.event['type']} of {first.source}, id {first.id}"
    if len(completed) > 1:
        subject, detail = first.source, f"{len(completed)} events"
    # The login of publishers, which a BSS's own programs use, may not write the trail.
    with suppress(StoreRefused):
        by = str(first.event.get("actor") or actor_of(""))
        context.store.audit.record(by, "event.published", subject, detail)


def _result(
    events: Sequence[Given],
    receipts: Sequence[Receipt],
    outcomes: Mapping[str, Outcome],
    wait_s: float,
) -> tuple[Exit, list[str]]:
    """The exit code, and what is wrong."""
    reused = [
        f"{given.where}: /id is the id of another event that was not folded yet; this event was "
        "not published. Give it another id [event-id-reused]"
        for given, receipt in zip(events, receipts, strict=True)
        if receipt.id_reused
    ]
    if reused:
        return Exit.BAD_INPUT, reused
    if not wait_s:
        return Exit.OK, []
    if any(o.state in FINAL and o.state not in _GOOD for o in outcomes.values()):
        return Exit.FAILED, []
    if any(not _is_over(outcomes.get(receipt.event_key)) for receipt in receipts):
        message = f"Still pending after {wait_s:g} s. The events are safe and will be processed."
        return Exit.UNREACHABLE, [message]
    return Exit.OK, []


_GOOD: Final = ("applied", "observed", "scheduled")


def _counted(events: Sequence[Given], advance: Advance) -> Iterator[str | dict[str, object]]:
    for given in events:
        yield given.event
        advance(1)


def _is_over(outcome: Outcome | None) -> bool:
    return outcome is not None and (outcome.state in FINAL or outcome.state == "scheduled")


def _wait(context: Context, receipts: Sequence[Receipt], wait_s: float) -> dict[str, Outcome]:
    """The outcomes of events by key, as far as they are known in time."""
    outcomes: dict[str, Outcome] = {}
    pending = [receipt.event_key for receipt in receipts if not receipt.id_reused]
    with progress_bar("waiting", len(pending)) as advance, suppress(KeyboardInterrupt):
        for _ in looks(wait_s):
            before = len(pending)
            for at in range(0, before, _AT_ONCE):
                found = context.store.views.outcomes(pending[at : at + _AT_ONCE])
                outcomes |= {outcome.key: outcome for outcome in found}
            pending = [key for key in pending if not _is_over(outcomes.get(key))]
            advance(before - len(pending))
            if not pending:
                break
    return outcomes


def _line(given: Given, problem: Problem) -> str:
    flag = "" if isinstance(given.event, str) else flag_of(given.where, given.event, problem)
    return (
        f"{given.where}: {flag or (problem.pointer or 'event')} {problem.message} [{problem.code}]"
    )


def _document(completed: CompleteEvent, receipt: Receipt) -> dict[str, object]:
    return {
        "event": receipt.event_id,
        "source": receipt.source,
        "type": completed.event["type"],
        "service": _service(completed),
        "published": not receipt.id_reused,
        "message_sent": receipt.notified,
    }


def _state(receipt: Receipt, outcomes: Mapping[str, Outcome]) -> str:
    if receipt.id_reused:
        return "not published"
    if outcome := outcomes.get(receipt.event_key):
        reason = f" ({outcome.reason})" if outcome.reason else ""
        return f"{outcome.state}{reason}{': ' if outcome.detail else ''}{outcome.detail}"
    return "published" if receipt.notified else "published; workers already notified"


def _table(completed: Sequence[CompleteEvent], states: Sequence[str]) -> TextTable:
    rows = [
        {
            "event": event.id,
            "type": str(event.event["type"]).split(".")[2],
            "service": _service(event),
            "state": state,
        }
        for event, state in zip(completed, states, strict=True)
    ]
    rest = f"--json lists all {len(rows)}"
    return TextTable(rows, "event, type, service, state", "No events.", most=_SHOWN, rest=rest)


def _service(completed: CompleteEvent) -> str:
    return str(completed.event["subject"]).removeprefix("service/")


def _send_one(
    name: str,
    event: dict[str, object],
    *,
    dry_run: DryRunOption = False,
    wait: WaitOption = 0,
    inventory: InventoryOption = None,
) -> Answer:
    return send(
        [Given(name, event)],
        lane=QUEUE_EVENTS,
        dry_run=dry_run,
        wait_s=wait,
        inventory=inventory,
    )


_OF_EVERY_EVENT: Final = list(signature(_send_one).parameters.values())[2:]
for _name in EVENTS:
    app.command(_name)(command_of(_name, _send_one, _OF_EVERY_EVENT))
