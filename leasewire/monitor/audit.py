"""`leasewire audit`: who did what, and when."""

import sys
from typing import Annotated

import typer

from contracts.values import parse_time
from gateway.audit_file import AuditFormat, audit_file
from leasewire.answer import Answer, App, TextTable, bad_input
from leasewire.context import Context
from worker.admin.audit import audit_document
from worker.store.audit import AuditFilter

app = App("Who did what: every write by a person, the newest 10,000.")


ByOption = Annotated[
    str, typer.Option(help="Only by this person, or part of the name.", show_default=False)
]
KindOption = Annotated[
    str,
    typer.Option(
        help="Only what happened to this kind of thing, such as router; or one thing that "
        "happened, such as router.paused.",
        show_default=False,
    ),
]
SubjectOption = Annotated[
    str,
    typer.Option(
        help="Only about this router, service, source …, or part of its name.", show_default=False
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", help="Not earlier: 2026-12-01T06:00:00Z.", show_default=False),
]
UntilOption = Annotated[
    str | None, typer.Option(help="Earlier than this time.", show_default=False)
]


@app.command("list")
def list_(  # noqa: PLR0913 - as many options
    *,
    by: ByOption = "",
    kind: KindOption = "",
    subject: SubjectOption = "",
    from_: FromOption = None,
    until: UntilOption = None,
    page: Annotated[int, typer.Option(help="Page; the first has the newest.", min=1)] = 1,
    most: Annotated[int, typer.Option(help="Entries of a page.", min=1, max=1000)] = 100,
) -> Answer:
    """List what people did, the newest first.

    Example: leasewire audit list --kind router --subject tower-7
    """
    chosen = _chosen(by, kind, subject, from_, until)
    document = audit_document(Context().store.audit, chosen, page, most)
    text = [TextTable(document["entries"], "at, by, what, subject, detail", "No entries.")]
    more = f"There are more: --page {page + 1}" if document["more"] else ""
    return Answer(document, [*text, *([more] if more else [])])


@app.command()
def export(  # noqa: PLR0913 - as many options
    *,
    format_: Annotated[AuditFormat, typer.Option("--format", help="Format of the file.")] = (
        AuditFormat.CSV
    ),
    by: ByOption = "",
    kind: KindOption = "",
    subject: SubjectOption = "",
    from_: FromOption = None,
    until: UntilOption = None,
) -> None:
    """Write the entries to standard output as a file.

    Cells that a spreadsheet would take for formulas begin with an apostrophe.

    Example: leasewire audit export --from 2026-11-01T00:00:00Z > november.csv
    """
    chosen = _chosen(by, kind, subject, from_, until)
    for part in audit_file(Context().store.audit, chosen, format_):
        sys.stdout.write(part)


def _chosen(by: str, kind: str, subject: str, from_: str | None, until: str | None) -> AuditFilter:
    return AuditFilter(by, kind, subject, _ms("--from", from_), _ms("--until", until))


def _ms(flag: str, text: str | None) -> int:
    """A time as milliseconds since 1970; 0: it was not given."""
    try:
        return 0 if text is None else round(parse_time(text).timestamp() * 1000)
    except ValueError as error:
        bad_input(f"{flag} {text}: {error}")
