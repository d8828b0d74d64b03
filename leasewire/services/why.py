"""`leasewire why`: why a customer has no address or no prefix, and how it came about."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from leasewire.answer import Answer, Exit, Line, Part, TextTable, bad_input, cell, clean, local_time
from leasewire.context import Context
from worker.admin.diagnosis import Diagnosis, DiagnosisResult
from worker.admin.diagnosis_documents import diagnosis_document, row_documents, timeline
from worker.admin.json_fields import utc_time
from worker.core.rows.rows import service_of_member
from worker.core.storage_format import short_type
from worker.routeros.parallel_read import RowObserver


def why_command(
    context: Context,
    subject: Annotated[
        str,
        typer.Argument(metavar="MAC|IP|PREFIX|SERVICE|LOGIN", help="A MAC may have any spelling."),
    ],
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read no router; use the store alone.")
    ] = False,
) -> Answer:
    """Explain why a customer has no address or no IPv6 prefix, or that all is well.

    One sentence, and one more for a service with IPv6; then what happened from the BSS's event to
    the row that was read back and the device that is bound to it. Only reads routers: those of the
    service, or all of them for a MAC, an IP or a prefix that no service has. Exit 0: all is well;
    1: something is wrong, or nothing is known.

    Example: leasewire why 00:00:5E:00:53:01
    """
    if not subject.strip():
        bad_input("Give a MAC, an IP, a prefix, a login or the id of a service.")
    results = diagnosis(context, offline=offline).ask(subject)
    text: list[Part] = []
    services = [_service_of(result) for result in results]
    for number, (service_id, result) in enumerate(zip(services, results, strict=True), 1):
        text += [*([""] if text else []), *_text(result)]
        if service_id is not None and service_id not in services[number:]:  # of all its devices
            text += ["", _history(result)]
    well = all(result.is_well for result in results)
    return Answer(
        {"subject": subject, "answers": [diagnosis_document(result) for result in results]},
        text,
        Exit.OK if well else Exit.FAILED,
    )


def diagnosis(context: Context, *, offline: bool) -> Diagnosis:
    """The diagnosis over the store; reads the routers of the inventory unless `offline`."""
    return Diagnosis(
        context.store,
        context.inventory.policies,
        context.inventory.installation,
        lambda ms: local_time(utc_time(ms)),
        None if offline else RowObserver(context.inventory, context.settings).look,
    )


def _text(result: DiagnosisResult) -> Iterator[Part]:
    for explanation in filter(None, (result.explanation, result.ipv6)):
        colour = "green" if explanation.code == "all-well" else "yellow"
        yield Line(clean(explanation.sentence), colour, bold=True)
        if explanation.advice:
            yield f"What to do: {clean(explanation.advice)}."
    if result.facts is None:
        return
    if result.facts.to_clean:
        yield f"Still to clean: a row on {', '.join(result.facts.to_clean)}."
    if rows := row_documents(result):
        yield ""
        yield TextTable(rows, "router, row, status, held by=active_mac, as=active_address, whose")


def _service_of(result: DiagnosisResult) -> str | None:
    """The service, also of a further device; None: no service was found."""
    if result.facts is None:
        return None
    return service_of_member(result.facts.record.service_id)


def _history(result: DiagnosisResult) -> TextTable:
    return history_table(
        [
            {"at": utc_time(at_ms), "what": what, "details": details(more)}
            for at_ms, what, more in timeline(result)
        ],
        "Nothing has happened yet.",
    )


def history_table(rows: list[dict[str, Any]], empty: str) -> TextTable:
    """What happened, and when."""
    return TextTable(rows, "at, what happened=what, details", empty)


def details(more: Mapping[str, Any]) -> str:
    """The details of a line of history, in one line."""
    shown = {n: short_type(value) if n == "type" else cell(value) for n, value in more.items()}
    return "; ".join(f"{name} {text}" for name, text in shown.items() if text)
