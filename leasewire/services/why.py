"""`leasewire why`: why a customer has no address, in one sentence, and how it came about."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from leasewire.answer import Answer, Exit, Line, Part, cell, clean, local_time
from leasewire.context import Context, InventoryOption
from leasewire.tables import TextTable
from worker.admin.diagnosis import Diagnosis, DiagnosisResult
from worker.admin.json_fields import utc_time, without_empty
from worker.admin.service_documents import effect_entries
from worker.core.diagnosis.facts import AtRouter
from worker.core.rows.observed import SeenRow
from worker.core.storage_format import short_type
from worker.routeros.parallel_read import RowObserver


def why_command(
    subject: Annotated[
        str, typer.Argument(metavar="MAC|IP|SERVICE", help="A MAC may have any spelling.")
    ],
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read no router; use the store alone.")
    ] = False,
    inventory: InventoryOption = None,
) -> Answer:
    """Explain why a customer has no address, or that all is well.

    One sentence, then what happened from the BSS's event to the row that was read back and the
    device that is bound to it. Only reads routers: those of the service, or all of them for a MAC
    or an IP that no service has. Exit 0: all is well; 1: something is wrong, or nothing is known.

    Example: leasewire why 00:00:5E:00:53:01
    """
    context = Context(inventory)
    results = diagnosis(context, offline=offline).ask(subject)
    text: list[Part] = []
    for result in results:
        text += [*([""] if text else []), *_text(result)]
    well = all(result.explanation.code == "all-well" for result in results)
    return Answer(
        {"subject": subject, "answers": [diagnosis_document(result) for result in results]},
        text,
        Exit.OK if well else Exit.FAILED,
    )


def diagnosis(context: Context, *, offline: bool) -> Diagnosis:
    """The diagnosis over the store; reads the routers of the inventory unless `offline`."""
    return Diagnosis(
        context.store,
        context.policies(),
        context.inventory.installation,
        lambda ms: local_time(utc_time(ms)),
        None if offline else RowObserver(context.inventory, context.settings).look,
    )


def diagnosis_document(result: DiagnosisResult) -> dict[str, Any]:
    """A diagnosis, for programs."""
    facts = result.facts
    document = result.explanation._asdict()
    if facts is None:
        return without_empty(document)
    holders = [claim._asdict() for at in facts.at for claim in at.holders]
    return without_empty(
        {
            "service": facts.record.service_id,
            "status": facts.record.status,
            **document,
            "waits_for": [without_empty(holder) for holder in holders],
            "to_clean": facts.to_clean,
            "rows": [row for at in facts.at for row in _rows(at)],
            "timeline": [
                without_empty({"at": utc_time(at_ms), "what": what, **more})
                for at_ms, what, more in timeline(result)
            ],
        }
    )


def _text(result: DiagnosisResult) -> Iterator[Part]:
    code, sentence, advice = result.explanation
    yield Line(clean(sentence), "green" if code == "all-well" else "yellow", bold=True)
    if advice:
        yield f"What to do: {clean(advice)}."
    if result.facts is None:
        return
    if result.facts.to_clean:
        yield f"Still to clean: a row on {', '.join(result.facts.to_clean)}."
    rows = [row for at in result.facts.at for row in _rows(at)]
    if rows:
        yield ""
        yield TextTable(rows, "router, row, status, held by=active_mac, as=active_address, whose")
    yield ""
    yield history_table(
        [
            {"at": utc_time(at_ms), "what": what, "details": details(more)}
            for at_ms, what, more in timeline(result)
        ],
        "Nothing has happened yet.",
    )


def history_table(rows: list[dict[str, Any]], empty: str) -> TextTable:
    """What happened, and when."""
    return TextTable(rows, "at, what happened=what, details", empty)


def timeline(result: DiagnosisResult) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """What happened, the oldest first: (ms since 1970; 0: to come), what, and its details."""
    if result.view is not None:
        happened = [
            (int(line["at_ms"]), str(line["what"]), _without(line, "at_ms", "what"))
            for line in reversed(result.view.history)
        ]
        happened += [entry for outcome in result.view.events for entry in effect_entries(outcome)]
        yield from sorted(happened, key=lambda entry: entry[0])
    facts = result.facts
    if facts is None:
        return
    for entry in sorted(facts.journaled, key=lambda event: event.since_ms):
        yield entry.since_ms, "in the journal", {"event": entry.event_id, "type": entry.type}
    for at in facts.at:
        for row in at.seen.rows if at.seen is not None else ():
            if row.active_address:
                yield facts.now_ms, f"device {row.status}", _bound(at, row)
    for coming in facts.scheduled:
        more = {"event": coming.event_id, "type": coming.type, "lease": coming.lease}
        yield coming.at_ms, "to take effect", more


def _without(line: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in names}


def details(more: Mapping[str, Any]) -> str:
    """The details of a line of history, in one line."""
    shown = {n: short_type(value) if n == "type" else cell(value) for n, value in more.items()}
    return "; ".join(f"{name} {text}" for name, text in shown.items() if text)


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
