"""`leasewire dead-letters retry|edit|discard`: what a person does about dead letters.

Each letter is dealt with wholly or not at all; one that fails leaves the others alone. An event is
in the journal before its letter goes, so a crash in between leaves a letter too many, never an
event too few: replayed once more it is a duplicate.
"""

import difflib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn
from uuid import uuid5

import typer

from contracts import content_hash
from contracts.identity import NAMESPACE
from gateway import dead_letters
from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context
from leasewire.preview import ApplyOption, end_preview
from leasewire.printing import JsonOption, clean, print_json
from worker.core.service.outcome import DeadLetter, Outcome

FAILED: Final = 1
BAD_INPUT: Final = 2
_CHECK_EVERY_S: Final = 0.1

IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="ID…")]
ReasonOption = Annotated[str | None, typer.Option(help="All with this reason.", show_default=False)]
AllOption = Annotated[bool, typer.Option("--all", help="All there are.")]


def retry(  # noqa: PLR0913 - as many options
    ids: IdsArgument = None,
    *,
    reason: ReasonOption = None,
    everything: AllOption = False,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for what becomes of the events.", min=0)
    ] = 5,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try again: events as they came, under their old ids; services at their routers.

    An event that newer ones have overtaken meanwhile ends as superseded, and says by which.

    Examples: leasewire dead-letters retry SVC-1001@tower-7; leasewire dead-letters retry
    --reason source-not-allowed
    """
    context = Context()
    with context.publisher() as publisher:
        done = [
            (
                dead_letter,
                dead_letters.retry(context.store, publisher, dead_letter, actor_of(actor)),
            )
            for dead_letter in _chosen(context, ids, reason, everything=everything)
        ]
    said = _outcomes(context, done, wait)
    documents = [
        {
            "id": dead_letter.id,
            "done": not message,
            "detail": message or said.get(dead_letter.id, ""),
        }
        for dead_letter, message in done
    ]
    _tell(documents, "retried", as_json=as_json)


def _text_of(file: Path) -> str:
    return sys.stdin.read() if str(file) == "-" else file.read_text()


def edit(  # noqa: PLR0913 - as many options
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID")],
    *,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="POINTER=VALUE, as /data/mac=00:00:5E:00:53:02; repeatable."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="The whole event instead; - is standard input.")
    ] = None,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correct an event and publish it under a new id, with the old one as its causationid.

    Without --apply the difference is shown, and nothing is published.

    Example: leasewire dead-letters edit ID --set /data/mac=00:00:5E:00:53:02 --apply
    """
    context = Context()
    dead_letter = context.store.views.dead_letter(dead_letter_id)
    if dead_letter is None:
        _fail(f"There is no dead letter {dead_letter_id}; see `dead-letters list`.")
    if dead_letter.kind != "event":
        _fail(
            "Only events can be edited: publish an event that corrects the service, "
            "or correct hooks.toml and retry it."
        )
    if (file is None) == (not set_):
        _fail("Say what to change: --set POINTER=VALUE, or --file.", BAD_INPUT)
    old = _event_of(dead_letter.body)
    document = _event_of(_text_of(file) if file is not None else dead_letter.body)
    for change in set_ or ():
        _set(document, change)
    if isinstance(old.get("id"), str):
        document["causationid"] = old["id"]
    document.pop("id", None)
    # The same correction twice is the same event, should this be repeated after a failure.
    document["id"] = str(uuid5(NAMESPACE, f"{dead_letter.id}|{content_hash(document)}"))
    with context.publisher() as publisher:
        completed = dead_letters.checked(publisher, document)
        if isinstance(completed, str):
            _fail(f"It is not right yet: {completed}", BAD_INPUT)
        if apply:
            publisher.write([completed])
            now_ms = context.store.records.now_ms()
            context.store.dead_letters.settle(
                dead_letter, "edited", actor_of(actor), now_ms, event=completed.id
            )
    if as_json:
        print_json({"id": dead_letter.id, "event": completed.event, "published": apply})
    else:
        _print_edited(old, completed.event)
        done = f"Published as {completed.id}."
        typer.echo(done if apply else "\nNothing was published: add --apply to do so.")
    if not apply:
        end_preview(changes=True)


def _print_edited(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = (json.dumps(each, indent=2).splitlines() for each in (old, new))
    for line in difflib.unified_diff(before, after, "as it came", "corrected", lineterm="", n=2):
        typer.echo(clean(line))


def discard(  # noqa: PLR0913 - as many options
    ids: IdsArgument = None,
    *,
    reason: ReasonOption = None,
    everything: AllOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take dead letters away for good; who did it stands in the service's history.

    Example: leasewire dead-letters discard --reason invalid-event --yes
    """
    context = Context()
    chosen = list(_chosen(context, ids, reason, everything=everything))
    if chosen and not yes:
        typer.confirm(f"Discard {len(chosen)} dead letters for good?", abort=True, err=True)
    documents = []
    for dead_letter in chosen:
        detail = dead_letters.discard(context.store, dead_letter, actor_of(actor))
        documents.append({"id": dead_letter.id, "done": not detail, "detail": detail})
    _tell(documents, "discarded", as_json=as_json)


def _chosen(
    context: Context, ids: Sequence[str] | None, reason: str | None, *, everything: bool
) -> Iterator[DeadLetter]:
    if sum((bool(ids), reason is not None, everything)) != 1:
        _fail("Say which: IDs, --reason or --all.", BAD_INPUT)
    if ids:
        found = [(each, context.store.views.dead_letter(each)) for each in ids]
        missing = [name for name, dead_letter in found if dead_letter is None]
        if missing:
            _fail(f"There is no dead letter {', '.join(missing)}; nothing was done.")
        yield from (dead_letter for _, dead_letter in found if dead_letter is not None)
        return
    for dead_letter in context.store.dead_letters.all():
        if reason is None or dead_letter.reason == reason:
            yield dead_letter


def _outcomes(
    context: Context, done: Sequence[tuple[DeadLetter, str]], wait_s: float
) -> dict[str, str]:
    """What became of replayed events, by letter, as far as it is known in time."""
    open_ = {
        dead_letter.event_keys[0]: dead_letter
        for dead_letter, message in done
        if not message and dead_letter.kind == "event" and dead_letter.event_keys
    }
    said = {
        dead_letter.id: "looked at again at its router"
        for dead_letter, _ in done
        if dead_letter.kind == "service"
    }
    deadline = time.monotonic() + wait_s
    while open_:
        for outcome in context.store.views.outcomes(list(open_)):
            dead_letter = open_[outcome.key]
            if outcome.at_ms > dead_letter.at_ms:
                said[dead_letter.id] = _message(outcome)
                del open_[outcome.key]
        if not open_ or time.monotonic() >= deadline:
            break
        time.sleep(_CHECK_EVERY_S)
    safe = "in the journal; no worker has taken it yet"
    return said | {dead_letter.id: safe for dead_letter in open_.values()}


def _message(outcome: Outcome) -> str:
    more = " ".join(part for part in (outcome.reason, outcome.detail) if part)
    return f"{outcome.state}: {more}" if more else outcome.state


def _event_of(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        _fail("It is no JSON object; give the whole event with --file.", BAD_INPUT)
    return found


def _set(document: dict[str, Any], change: str) -> None:
    pointer, equals, text = change.partition("=")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if not equals or not parts or not pointer.startswith("/"):
        _fail(f"--set {change}: write POINTER=VALUE, as /data/mac=00:00:5E:00:53:02", BAD_INPUT)
    at = document
    for part in parts[:-1]:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            _fail(f"--set {change}: {part} holds no fields", BAD_INPUT)
    try:
        at[parts[-1]] = json.loads(text)
    except ValueError:
        at[parts[-1]] = text


def _tell(documents: Sequence[dict[str, Any]], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({what: documents})
    else:
        for each in documents:
            word = what if each["done"] else f"not {what}"
            typer.echo(
                clean(f"{each['id']}  {word}" + (f": {each['detail']}" * bool(each["detail"])))
            )
        if not documents:
            typer.echo("No such dead letters.")
    if not all(each["done"] for each in documents):
        raise typer.Exit(FAILED)


def _fail(message: str, code: int = FAILED) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
