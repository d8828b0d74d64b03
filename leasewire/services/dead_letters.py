"""`leasewire dead-letters`: events and services that failed permanently."""

import json
from typing import Annotated

import typer

from leasewire.answer import Answer, App, Fields, Part, TextTable, fail
from leasewire.context import Context
from leasewire.services import dead_letter_actions
from worker.admin.dead_letters import cause_document, causes
from worker.admin.documents import dead_letter_document

app = App("Events and services that failed permanently.")


@app.command("list")
def list_(
    *,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason.")] = None,
    single: Annotated[bool, typer.Option("--each", help="List each one, not grouped.")] = False,
    most: Annotated[int, typer.Option(help="Show the newest N of them.", metavar="N", min=1)] = 100,
) -> Answer:
    """List dead letters by cause: how many, since when, and the id of one of them.

    Example: leasewire dead-letters list; leasewire dead-letters list --each --reason invalid-event
    """
    store = Context().store
    found = [
        dead_letter
        for dead_letter in store.dead_letters.all()
        if reason is None or dead_letter.reason == reason
    ]
    dropped = [
        {"source": source, "reason": cause, "count": count}
        for group, count in sorted(store.dead_letters.gone().items())
        for source, _, cause in [group.rpartition("|")]
        if reason is None or cause == reason
    ]
    dead_letters = [dead_letter_document(dead_letter) for dead_letter in reversed(found[-most:])]
    groups = [cause_document(cause) for cause in causes(found)]
    if single:
        columns, rows = "id, kind, service, router, reason, detail, at", dead_letters
    else:
        columns, rows = "count, reason, message=detail, oldest, newest, cause=id, example", groups
    text: list[Part] = [TextTable(rows, columns, "No dead letters.")]
    for group in dropped:
        source = group["source"] or "unknown sources"
        text.append(
            f"{group['count']} more ({group['reason']}) of {source} were dropped: only the newest "
            "of a source and reason are kept."
        )
    return Answer({"groups": groups, "dead_letters": dead_letters, "gone": dropped}, text)


@app.command()
def show(
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID", help="As in `dead-letters list`.")],
) -> Answer:
    """Show one dead letter: all that is wrong, and the event as received.

    The dead letter of a service disappears when the service is in sync: its next event retries it.

    Example: leasewire dead-letters show SVC-1001@tower-7
    """
    dead_letter = Context().store.views.dead_letter(dead_letter_id)
    if dead_letter is None:
        fail(f"There is no dead letter {dead_letter_id}; see `dead-letters list`.")
    document = dead_letter_document(dead_letter)
    text: list[Part] = [Fields({n: value for n, value in document.items() if n != "body"})]
    if "body" in document:
        text += ["\nThe event as received:", json.dumps(document["body"], indent=2)]
    return Answer(document, text)


app.command()(dead_letter_actions.retry)
app.command()(dead_letter_actions.edit)
app.command()(dead_letter_actions.discard)
