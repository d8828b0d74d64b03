"""`leasewire dead-letters retry|edit|discard`.

One dead letter that fails leaves the others alone. An event is in the journal before its dead
letter is removed: after a crash in between a retry makes a duplicate, and no event is lost.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import dead_letters
from leasewire.answer import Answer, ApplyOption, Exit, bad_input, fail
from leasewire.context import ActorOption, Context
from leasewire.given_files import text_in
from leasewire.progress import looks
from worker.admin.dead_letters import cause_of
from worker.core.service.outcome import DeadLetter, Outcome

IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="ID…")]
ReasonOption = Annotated[str | None, typer.Option(help="All with this reason.", show_default=False)]
CauseOption = Annotated[
    str | None, typer.Option(help="All of this cause: its id in the list.", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]
WhyOption = Annotated[str, typer.Option(help="Why, for colleagues: in history and audit.")]


def retry(  # noqa: PLR0913 - as many options
    ids: IdsArgument = None,
    *,
    reason: ReasonOption = None,
    cause: CauseOption = None,
    everything: AllOption = False,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for the outcomes of the events.", min=0)
    ] = 5,
    why: WhyOption = "",
    actor: ActorOption = "",
) -> Answer:
    """Retry dead letters: events as received, with their ids; services at their routers.

    An event that newer events have overtaken ends as superseded, and names them.

    Examples: leasewire dead-letters retry SVC-1001@tower-7; leasewire dead-letters retry
    --reason source-not-allowed
    """
    context = Context()
    with context.publisher() as publisher:
        done = [
            (
                dead_letter,
                dead_letters.retry(context.store, publisher, dead_letter, actor, why),
            )
            for dead_letter in _chosen(context, ids, reason, cause, everything=everything)
        ]
    outcomes = _outcomes(context, done, wait)
    documents = [
        {
            "id": dead_letter.id,
            "done": not message,
            "detail": message or outcomes.get(dead_letter.id, ""),
        }
        for dead_letter, message in done
    ]
    return _answer(documents, "retried")


def edit(  # noqa: PLR0913 - as many options
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID")],
    *,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="POINTER=VALUE, such as /data/mac=00:00:5E:00:53:02; repeatable."
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="The whole event instead; - is standard input.")
    ] = None,
    apply: ApplyOption = False,
    why: WhyOption = "",
    actor: ActorOption = "",
) -> Answer:
    """Correct an event and publish it under a new id, with the old id as its causationid.

    Without --apply only the difference is shown.

    Example: leasewire dead-letters edit ID --set /data/mac=00:00:5E:00:53:02 --apply
    """
    context = Context()
    dead_letter = context.store.views.dead_letter(dead_letter_id)
    if dead_letter is None:
        fail(f"There is no dead letter {dead_letter_id}; see `dead-letters list`.")
    if dead_letter.kind != "event":
        fail(
            "Only events can be edited: publish an event that corrects the service, "
            "or correct hooks.toml and retry it."
        )
    if (file is None) == (not set_):
        bad_input("Give --set POINTER=VALUE, or --file.")
    document: str | dict[str, Any]
    if file is not None:
        document = text_in(file)
    else:
        document = _event_of(dead_letter.body)
        for change in set_ or ():
            _set(document, change)
    with context.publisher() as publisher:
        completed, problems = dead_letters.correct(publisher, dead_letter, document)
        if completed is None:
            bad_input(f"The event is still invalid: {dead_letters.joined(problems)}")
        if apply:
            dead_letters.publish_correction(
                context.store, publisher, dead_letter, completed, actor, why
            )
    difference = dead_letters.difference(dead_letter, completed)
    done = f"Published as {completed.id}."
    return Answer(
        {"id": dead_letter.id, "event": completed.event, "published": apply},
        [*difference, done if apply else "\nNothing was published. Run with --apply to publish."],
        Exit.OK if apply else Exit.CHANGES,
    )


def discard(  # noqa: PLR0913 - as many options
    ids: IdsArgument = None,
    *,
    reason: ReasonOption = None,
    cause: CauseOption = None,
    everything: AllOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    why: WhyOption = "",
    actor: ActorOption = "",
) -> Answer:
    """Discard dead letters for good; the service's history keeps who did it.

    Example: leasewire dead-letters discard --reason invalid-event --yes
    """
    context = Context()
    chosen = list(_chosen(context, ids, reason, cause, everything=everything))
    if chosen and not yes:
        typer.confirm(f"Discard {len(chosen)} dead letters for good?", abort=True, err=True)
    documents = []
    for dead_letter in chosen:
        detail = dead_letters.discard(context.store, dead_letter, actor, why)
        documents.append({"id": dead_letter.id, "done": not detail, "detail": detail})
    return _answer(documents, "discarded")


def _chosen(
    context: Context,
    ids: Sequence[str] | None,
    reason: str | None,
    cause: str | None,
    *,
    everything: bool,
) -> Iterator[DeadLetter]:
    if sum((bool(ids), reason is not None, cause is not None, everything)) != 1:
        bad_input("Give IDs, --reason, --cause or --all.")
    if ids:
        found = [(name, context.store.views.dead_letter(name)) for name in ids]
        missing = [name for name, dead_letter in found if dead_letter is None]
        if missing:
            fail(f"There is no dead letter {', '.join(missing)}; nothing was done.")
        yield from (dead_letter for _, dead_letter in found if dead_letter is not None)
        return
    for dead_letter in context.store.dead_letters.all():
        is_of_cause = cause in (None, cause_of(dead_letter.reason, dead_letter.detail))
        if is_of_cause and reason in (None, dead_letter.reason):
            yield dead_letter


def _outcomes(
    context: Context, done: Sequence[tuple[DeadLetter, str]], wait_s: float
) -> dict[str, str]:
    """The outcomes of retried events, by dead letter, as far as they are known in time."""
    pending = {
        dead_letter.event_keys[0]: dead_letter
        for dead_letter, message in done
        if not message and dead_letter.kind == "event" and dead_letter.event_keys
    }
    found = {
        dead_letter.id: "queued at its router"
        for dead_letter, _ in done
        if dead_letter.kind == "service"
    }
    for _ in looks(wait_s):
        for outcome in context.store.views.outcomes(list(pending)):
            dead_letter = pending[outcome.key]
            if outcome.at_ms > dead_letter.at_ms:
                found[dead_letter.id] = _message(outcome)
                del pending[outcome.key]
        if not pending:
            break
    safe = "in the journal; no worker has folded it yet"
    return found | {dead_letter.id: safe for dead_letter in pending.values()}


def _message(outcome: Outcome) -> str:
    more = " ".join(part for part in (outcome.reason, outcome.detail) if part)
    return f"{outcome.state}: {more}" if more else outcome.state


def _event_of(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        bad_input("The event is no JSON object; give the whole event with --file.")
    return found


def _set(document: dict[str, Any], change: str) -> None:
    pointer, equals, text = change.partition("=")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if not equals or not parts or not pointer.startswith("/"):
        bad_input(f"--set {change}: write POINTER=VALUE, such as /data/mac=00:00:5E:00:53:02")
    at = document
    for part in parts[:-1]:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            bad_input(f"--set {change}: {part} has no fields")
    try:
        at[parts[-1]] = json.loads(text)
    except ValueError:
        at[parts[-1]] = text


def _answer(documents: Sequence[dict[str, Any]], done: str) -> Answer:
    text = [
        f"{document['id']}  {done if document['done'] else f'not {done}'}"
        + (f": {document['detail']}" if document["detail"] else "")
        for document in documents
    ]
    all_done = all(document["done"] for document in documents)
    code = Exit.OK if all_done else Exit.FAILED
    return Answer({done: documents}, text or ["No such dead letters."], code)
