"""`leasewire resync`: all services of a source at once, and those that it no longer has.

Publishes a snapshot of each service, then a manifest that lists them (`worker/intake/manifest.py`).
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from contracts import names
from contracts.manifest import MOST_SERVICES
from leasewire.answer import Answer, ApplyOption, Exit, Line, Part, TextTable, counted, fail
from leasewire.context import ActorOption, Context
from leasewire.given_files import as_file
from leasewire.progress import looks
from leasewire.sources.import_apply import apply_file
from leasewire.sources.import_services import done_answer, preview, preview_answer
from leasewire.sources.service_file import (
    AsOfOption,
    FormatOption,
    ServiceFile,
    SourceOption,
    stdin_name,
)
from producers.errors import PublishFailed
from worker.admin.json_fields import utc_time
from worker.core.service.outcome import Outcome
from worker.core.texts import first_of
from worker.intake.manifest import missing_of

_SHOWN: Final = 10
_TIME_LIMIT_S: Final = 60.0


Missing = Literal["report", "suspend", "cancel"]
"""What to do with services that are missing from the file."""


def resync_command(  # noqa: PLR0913 - as many options
    context: Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="- is standard input.")],
    *,
    format_: FormatOption = None,
    missing: Annotated[
        Missing, typer.Option(help="What to do with services that are missing from the file.")
    ] = "report",
    router: Annotated[
        list[str] | None,
        typer.Option(help="The file covers only this router; repeatable.", show_default=False),
    ] = None,
    source: SourceOption = None,
    as_of: AsOfOption = None,
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Name every missing service, not only {_SHOWN}.")
    ] = False,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Compare all services of a source with a file, and update them.

    The file has the format of `leasewire import`, with every service of the source. Services that
    are missing from it are reported, suspended or cancelled; those with events since the file was
    made, or in the five minutes before, are left alone. The brake holds unusually many losses: see
    `leasewire brake list`.

    Examples: leasewire resync all.csv; leasewire resync all.csv --missing suspend --apply
    """
    with as_file(path, stdin_name(path, format_)) as given:
        file = ServiceFile.open(context, given, source, as_of)
        routers = sorted(router) if router else None
        for name in routers or ():
            context.router(name)
        found = missing_of(context.store, file.source, file.services, routers, file.as_of_ms)
        gone, newer = ([record.service_id for record in records] for records in found)
        with file.publisher:
            if not apply:
                answer = preview_answer(file, preview(context, file))
                text = _missing_text(gone, newer, missing, show_all=show_all, done=False)
                ends = bool(gone) and missing != "report"
                return Answer(
                    answer.document | {"missing": gone, "newer": newer},
                    [*answer.text, "", *text],
                    Exit.CHANGES if ends else answer.code,
                )
            more = f"missing services: {missing}"
            done = apply_file(context, file, actor, "source.resynced", more)
            answer = done_answer(file, done)
            if done.interrupted or done.stalled:
                return answer
            outcome = _send(context, file, list(_parts(file, missing, routers, actor)))
        text = _missing_text(gone, newer, missing, show_all=show_all, done=True)
        return Answer(
            answer.document | {"missing": gone, "newer": newer, "manifest": outcome.detail},
            [*answer.text, *text, f"Manifest: {outcome.detail}"],
            answer.code,
        )


def _parts(
    file: ServiceFile, missing: Missing, routers: Sequence[str] | None, actor: str
) -> Iterator[dict[str, Any]]:
    services = iter(sorted(file.services))
    parts = -(-len(file.services) // MOST_SERVICES)
    # The same file with the same options is the same manifest.
    asked = "-".join((missing, *(routers or ())))[:24]
    name = f"{file.digest[:16]}:{file.as_of_ms}:{asked}"
    for number in range(1, parts + 1):
        listed = [{"service_id": service} for service in islice(services, MOST_SERVICES)]
        event = file.event({}, "none") | {
            "type": "leasewire.inventory.manifest.v1",
            "actor": actor,
            "data": {
                "manifest_id": name,
                "part": number,
                "parts": parts,
                "taken_at": utc_time(file.as_of_ms),
                "scope": {"routers": list(routers)} if routers else {},
                "missing": missing,
                "services": listed,
            },
        }
        yield event


def _send(context: Context, file: ServiceFile, parts: Sequence[dict[str, Any]]) -> Outcome:
    """Publish a manifest, and wait for its outcome."""
    try:
        receipts = file.publisher.publish(parts, lane=names.QUEUE_BULK)
    except PublishFailed as error:
        fail(error, "Run the same command again to continue.", code=Exit.UNREACHABLE)
    keys = [receipt.event_key for receipt in receipts]
    for _ in looks(_TIME_LIMIT_S):
        for outcome in context.store.views.outcomes(keys):
            if outcome.state == "applied":
                return outcome
            if outcome.state != "accepted":
                fail(f"The manifest was {outcome.state}: {outcome.reason} {outcome.detail}")
    return fail(
        "The manifest is safe in the journal, but no worker folds it: is one running?",
        "Run the same command again to see its outcome.",
    )


def _missing_text(
    gone: Sequence[str], newer: Sequence[str], missing: Missing, *, show_all: bool, done: bool
) -> Iterator[Part]:
    if newer:
        services = counted(len(newer), "service")
        yield (
            f"{services} missing from the file, with events since it was made or in the five "
            f"minutes before: left alone ({first_of(newer, _SHOWN)})."
        )
    if not gone:
        yield "No other service is missing." if newer else "No service is missing from the file."
        return
    services = f"{counted(len(gone), 'service')} missing from the file"
    if missing == "report":
        yield f"{services}; --missing suspends or cancels such services."
    else:
        ended = {"suspend": "suspended", "cancel": "cancelled"}[missing]
        yield Line(f"{services}: {'' if done else 'would be '}{ended}.", bold=True)
    most = None if show_all else _SHOWN
    rows = [{"missing": service} for service in gone]
    yield TextTable(rows, "missing", most=most, rest="--all names them")
    if missing != "report":
        yield "The brake holds losses beyond its limits for approval: leasewire brake list"
