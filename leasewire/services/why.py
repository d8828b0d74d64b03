"""`leasewire why`: why a customer has no address, in one sentence, and how it came about."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, clean, local_time, print_json, print_table
from worker.admin.diagnosis import Answer, Diagnosis
from worker.admin.json_fields import utc_time, without_empty
from worker.core.diagnosis.facts import AtRouter
from worker.core.rows.observed import SeenRow
from worker.core.storage_format import short_type
from worker.routeros.parallel_read import RowObserver


def why_command(
    subject: Annotated[
        str, typer.Argument(metavar="MAC|IP|SERVICE", help="In whichever spelling a MAC has.")
    ],
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no router; say what the store alone knows.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Say why a customer has no address, or that all is well.

    One sentence, then what happened from the BSS's event to the row that was read back and the
    device that is bound to it. Routers are only read: those of the service; for a MAC or an IP
    that no service has, all. Exit 0: all is well; 1: something is not, or nothing is known.

    Example: leasewire why 00:00:5E:00:53:01
    """
    context = Context(inventory)
    answers = diagnosis(context, offline=offline).ask(subject)
    if as_json:
        print_json({"subject": subject, "answers": [document_of(each) for each in answers]})
    else:
        for number, answer in enumerate(answers):
            if number:
                typer.echo()
            print_answer(answer)
    if any(answer.explanation.code != "all-well" for answer in answers):
        raise typer.Exit(1)


def diagnosis(context: Context, *, offline: bool) -> Diagnosis:
    """What answers, with the routers of the inventory to look at unless `offline`."""
    found = context.inventory
    return Diagnosis(
        context.store,
        {name: router.policy for name, router in found.routers.items()},
        found.installation,
        lambda ms: local_time(utc_time(ms)),
        None if offline else RowObserver(found, context.settings).look,
    )


def document_of(answer: Answer) -> dict[str, Any]:
    """An answer for programs."""
    facts = answer.facts
    document = answer.explanation._asdict()
    if facts is None:
        return without_empty(document)
    holders = [holder._asdict() for at in facts.at for holder in at.holders]
    return without_empty(
        {
            "service": facts.record.service_id,
            "status": facts.record.status,
            **document,
            "waits_for": [without_empty(each) for each in holders],
            "to_clean": facts.to_clean,
            "rows": [row for at in facts.at for row in _rows(at)],
            "timeline": [
                without_empty({"at": utc_time(at_ms), "what": what, **more})
                for at_ms, what, more in timeline(answer)
            ],
        }
    )


def print_answer(answer: Answer) -> None:
    """An answer for people."""
    code, sentence, advice = answer.explanation
    typer.secho(clean(sentence), fg="green" if code == "all-well" else "yellow", bold=True)
    if advice:
        typer.echo(f"What to do: {clean(advice)}.")
    if answer.facts is None:
        return
    if answer.facts.to_clean:
        typer.echo(f"Still to clean: a row on {', '.join(answer.facts.to_clean)}.")
    rows = [row for at in answer.facts.at for row in _rows(at)]
    if rows:
        typer.echo()
        print_table(
            ("router", "row", "status", "held by", "as", "whose"),
            ([row.get(name) for name in _COLUMNS] for row in rows),
            "",
        )
    typer.echo()
    print_table(
        ("at", "what happened", ""),
        (
            (local_time(utc_time(at_ms)), what, describe(more))
            for at_ms, what, more in timeline(answer)
        ),
        "Nothing has happened yet.",
    )


_COLUMNS = ("router", "row", "status", "active_mac", "active_address", "whose")


def timeline(answer: Answer) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """What happened, the oldest first: (ms since 1970; 0: to come), what, and more of it."""
    if answer.view is not None:
        for line in reversed(answer.view.history):
            more = {name: value for name, value in line.items() if name not in ("at_ms", "what")}
            yield int(line["at_ms"]), str(line["what"]), more
    facts = answer.facts
    if facts is None:
        return
    for entry in sorted(facts.journaled, key=lambda each: each.since_ms):
        yield entry.since_ms, "in the journal", {"event": entry.event_id, "type": entry.type}
    for at in facts.at:
        for row in at.seen.rows if at.seen is not None else ():
            if row.active_address:
                yield facts.now_ms, f"device {row.status}", _bound(at, row)
    for coming in facts.scheduled:
        more = {"event": coming.event_id, "type": coming.type}
        yield coming.at_ms, "to take effect", more


def describe(more: Mapping[str, Any]) -> str:
    """The rest of a line in words."""
    parts = []
    for name, value in more.items():
        match value:
            case None | "" | [] | {}:
                continue
            case list():
                shown = ", ".join(str(each) for each in value)
            case _:
                shown = short_type(value) if name == "type" else str(value)
        parts.append(f"{name} {shown}")
    return "; ".join(parts)


def _bound(at: AtRouter, row: SeenRow) -> dict[str, Any]:
    ends = f"{row.expires_in_s} s" if row.expires_in_s is not None else ""
    return {
        "router": at.name,
        "mac": row.active_mac,
        "address": row.active_address,
        "expires_in": ends,
    }


def _rows(at: AtRouter) -> Iterator[dict[str, Any]]:
    for row in at.seen.rows if at.seen is not None else ():
        lease = row.lease
        yield without_empty(
            {
                "router": at.name,
                "row": f"{lease.address} {lease.mac} {lease.server}",
                "comment": lease.comment,
                "dynamic": lease.dynamic or None,
                "status": row.status,
                "active_mac": row.active_mac,
                "active_address": row.active_address,
                "expires_in_s": row.expires_in_s,
                "whose": "dynamic" if lease.dynamic else lease.comment or "not ours",
            }
        )
