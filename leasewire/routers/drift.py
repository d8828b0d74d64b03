"""`leasewire drift` and `reconcile`: show what was changed on routers by hand, and undo it."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from leasewire.answer import Answer, ApplyOption, Exit, Line, Part, TextTable, counted
from leasewire.context import ActorOption, AnyRouterArgument, Context
from leasewire.routers.plan import exit_code, read
from worker.admin.json_fields import utc_time
from worker.admin.router_actions import reconcile, to_reconcile
from worker.admin.router_reads import drift_document, errors_of
from worker.convergence.full_read import FullRead
from worker.core.full_read.drift import Difference

_REPORTED = ("services", "rows", "pending", "differences", "orphans")


def drift_command(
    context: Context,
    name: AnyRouterArgument = None,
    *,
    last: Annotated[
        bool, typer.Option("--last", help="Show the last hourly reports; read no router.")
    ] = False,
) -> Answer:
    """Show what differs on a router from what was written there: by service, row and field.

    Reads each menu of the router once and writes nothing. Pending writes are no drift: `leasewire
    plan` shows them. `leasewire reconcile` undoes what it can; rows that a person disabled or
    copied are left alone. Exit 0: no drift; 4: drift; 1: a router refuses us; 3: a router cannot
    be reached.

    Example: leasewire drift tower-7
    """
    names = context.router_names(name)
    if last:
        return _last_reports(context, names)
    results = read(context, names)
    text: list[Part] = []
    differences: list[dict[str, Any]] = []
    for router, result in results.items():
        if isinstance(result, FullRead):
            text.append(Line(_summary(router, result), bold=True))
            differences += _rows(router, result.drift)
    return Answer(
        {"routers": [drift_document(router, result) for router, result in results.items()]},
        [*text, _table(differences)],
        exit_code(results.values(), lambda result: result.drift),
        errors_of(results.values()),
    )


def reconcile_command(
    context: Context,
    name: AnyRouterArgument = None,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Undo what was changed on a router by hand.

    Reads the router as `leasewire drift` does and shows what would be undone. With --apply these
    services are queued, and a worker writes to the router. Rows that a person disabled or copied
    are left alone. Exit 0: nothing to do, or all of it queued; 4: something to do, or with --apply
    something is left to a person; 1: a router refuses us; 3: a router cannot be reached.

    Examples: leasewire reconcile tower-7; leasewire reconcile tower-7 --apply
    """
    results = read(context, context.router_names(name))
    documents: list[dict[str, Any]] = []
    text: list[Part] = []
    all_left: list[Difference] = []
    for router, result in results.items():
        document = drift_document(router, result)
        documents.append(document)
        if not isinstance(result, FullRead):
            continue
        mendable = [difference for difference in result.drift if difference.mendable]
        left = [difference for difference in result.drift if not difference.mendable]
        all_left += left
        services = to_reconcile(result)
        if apply and services:
            reconcile(context.store, router, services, actor)
        document |= {"applied": apply, "reconcile": services}
        done = "queued to be reconciled" if apply else "would be reconciled"
        text.append(Line(f"{router}: {counted(len(services), 'service')} {done}", bold=True))
        if not apply:
            text.append(_table(_rows(router, mendable)))
        text.append(_table(_rows(router, left), title="Left to a person:"))
        if services and not apply:
            text.append("Nothing was changed. Run with --apply to reconcile.")
    code = exit_code(results.values(), lambda result: result.drift)
    if apply and code is Exit.CHANGES and not all_left:
        code = Exit.OK
    return Answer({"routers": documents}, text, code, errors_of(results.values()))


def _last_reports(context: Context, names: list[str]) -> Answer:
    reports = {router: context.store.full_reads.last(router) for router in names}
    documents: list[dict[str, Any]] = [
        {"router": router, "at": utc_time(report.at_ms), **report.document}
        for router, report in reports.items()
        if report is not None
    ]
    differences = [
        row
        for document in documents
        for row in _rows(document["router"], [Difference(**d) for d in document["drift"]])
    ]
    columns = ", ".join(("router", "at", *_REPORTED))
    any_differs = any(document["differences"] for document in documents)
    return Answer(
        {"reports": documents},
        [TextTable(documents, columns, "No router was read fully yet."), _table(differences)],
        Exit.CHANGES if any_differs else Exit.OK,
    )


def _summary(router: str, result: FullRead) -> str:
    services = len({difference.service_id for difference in result.drift})
    size = f"{counted(result.services, 'service')}, {counted(result.rows, 'row')}"
    drift = f"{counted(services, 'service')} with drift" if services else "no drift"
    pending = f", {len(result.pending)} pending" if result.pending else ""
    orphans = f", {len(result.row_owners.orphans)} orphans" if result.row_owners.orphans else ""
    return f"{router}: {size}; {drift}{pending}{orphans}"


def _rows(router: str, drift: Iterable[Difference]) -> list[dict[str, Any]]:
    return [
        {
            "router": router,
            "service": difference.service_id,
            "what": difference.kind,
            "row": difference.menu,
            "field": difference.field,
            "written": difference.wanted,
            "found": difference.found,
        }
        for difference in drift
    ]


def _table(rows: list[dict[str, Any]], title: str = "") -> TextTable:
    return TextTable(
        rows, "router, service, what, row of=row, field, as written=written, found", title=title
    )
