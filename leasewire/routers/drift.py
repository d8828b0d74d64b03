"""`leasewire drift` and `reconcile`: what was changed on routers by hand, and putting it right."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import WOULD_CHANGE, ApplyOption
from leasewire.printing import JsonOption, clean, counted, local_time, print_json, print_table
from leasewire.routers.plan import Seen, look_at
from leasewire.routers.policy import router_of
from worker.admin.json_fields import utc_time
from worker.convergence.full_read import FullRead
from worker.core.full_read.drift import Difference
from worker.errors import RouterBlocked, RouterUnreachable

RouterArgument = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Name in the inventory; else all of them.")
]
_REPORTED = ("services", "rows", "pending", "differences", "orphans")
_COLUMNS = ("router", "service", "what", "row of", "field", "as written", "on the router")


def drift_command(
    name: RouterArgument = None,
    *,
    last: Annotated[
        bool, typer.Option("--last", help="Show the last hourly reports; read no router.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Show what differs on a router from what was written there: by service, row and field.

    Reads each menu of the router once and writes nothing. What is to be written anyway, or waits,
    is no drift: `leasewire plan` shows that. `leasewire reconcile` puts right what it can; rows
    that were switched off or copied by hand are left to whoever did it.
    Exit 0: no drift; 2: some; 1: a router refuses us; 3: it cannot be reached.

    Example: leasewire drift tower-7
    """
    context = Context(inventory)
    if last:
        _show_last(context, name, as_json=as_json)
        return
    found = _look(context, name)
    if as_json:
        print_json({"routers": [document_of(router, seen) for router, seen in found.items()]})
    else:
        _print(found)
    raise typer.Exit(_exit_code(found))


def reconcile_command(
    name: RouterArgument = None,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Put right what was changed on a router by hand.

    Reads the router as `leasewire drift` does and shows what would be put right. With --apply each
    of these services is queued: a worker then writes to the router, as it does after an event.
    Rows that were switched off or copied by hand are left to a person.
    Exit 0: nothing to do, or all of it is queued; 2: without --apply, something to do; with it,
    something is left to a person; 1: a router refuses us; 3: it cannot be reached.

    Examples: leasewire reconcile tower-7; leasewire reconcile tower-7 --apply
    """
    context = Context(inventory)
    found = _look(context, name)
    documents, left = [], 0
    for router, seen in found.items():
        document = document_of(router, seen)
        documents.append(document)
        if not isinstance(seen, FullRead):
            continue
        mendable = [each for each in seen.drift if each.mendable]
        rest = [each for each in seen.drift if not each.mendable]
        services = sorted({each.service_id for each in mendable})
        left += len(rest)
        if apply and services:
            detail = f"{len(services)} services differ"
            fleet = context.store.fleet
            fleet.recheck(router, services, "reconcile", detail, actor_of(actor))
        document |= {"applied": apply, "reconcile": services}
        if not as_json:
            _print_reconciled(router, services, {"put right": mendable, "left": rest}, apply=apply)
    if as_json:
        print_json({"routers": documents})
    else:
        _print_errors(found)
    code = _exit_code(found)
    raise typer.Exit(2 * bool(left) if apply and code == WOULD_CHANGE else code)


def _print_reconciled(
    router: str, services: list[str], drift: Mapping[str, list[Difference]], *, apply: bool
) -> None:
    count = f"{len(services)} service{'s' * (len(services) != 1)}"
    if apply:
        typer.secho(f"{router}: {count} queued to be put right", bold=True)
    else:
        typer.secho(f"{router}: {count} would be put right", bold=True)
        _print_differences({router: drift["put right"]}, "")
    if drift["left"]:
        typer.echo("Left to a person:")
        _print_differences({router: drift["left"]}, "")
    if services and not apply:
        typer.echo("Nothing was changed. Run with --apply to put it right.")


def _show_last(context: Context, name: str | None, *, as_json: bool) -> None:
    names = list(context.inventory.routers) if name is None else [router_of(context, name).name]
    reports = {each: context.store.full_reads.last(each) for each in names}
    made = {each: report for each, report in reports.items() if report is not None}
    if as_json:
        documents = [
            {"router": each, "at": utc_time(at_ms), **document}
            for each, (at_ms, document) in made.items()
        ]
        print_json({"reports": documents})
    else:
        print_table(
            ("router", "at", *_REPORTED),
            (
                (each, local_time(utc_time(at_ms)), *(said[name] for name in _REPORTED))
                for each, (at_ms, said) in made.items()
            ),
            "No router was reported on yet.",
        )
        _print_differences(
            {
                each: [Difference(**d) for d in report.document["drift"]]
                for each, report in made.items()
            },
            "",
        )
    raise typer.Exit(2 * any(report.document["differences"] for report in made.values()))


def document_of(router: str, seen: Seen) -> dict[str, Any]:
    """What a full read found, for programs."""
    match seen:
        case RouterBlocked(cause=cause, message=message, advice=advice):
            return {
                "router": router,
                "error": {"cause": cause, "message": message, "advice": advice},
            }
        case RouterUnreachable(message=message):
            return {"router": router, "error": {"cause": "unreachable", "message": message}}
        case FullRead(
            services=services, rows=rows, pending=pending, drift=drift, row_owners=counted
        ):
            return {
                "router": router,
                "services": services,
                "rows": rows,
                "pending": len(pending),
                "drift": [difference_document(each) for each in drift],
                "orphans": len(counted.orphans),
            }


def difference_document(each: Difference) -> dict[str, Any]:
    """One difference, for programs."""
    return {
        "service": each.service_id,
        "kind": each.kind,
        "menu": each.menu,
        "field": each.field,
        "wanted": clean(each.wanted),
        "found": clean(each.found),
        "mendable": each.mendable,
    }


def _look(context: Context, name: str | None) -> dict[str, Seen]:
    names = list(context.inventory.routers) if name is None else [router_of(context, name).name]
    return look_at(context, names)


def _exit_code(found: Mapping[str, Seen]) -> int:
    if any(isinstance(seen, RouterBlocked) for seen in found.values()):
        return 1
    if any(isinstance(seen, RouterUnreachable) for seen in found.values()):
        return 3
    return 2 if any(isinstance(seen, FullRead) and seen.drift for seen in found.values()) else 0


def _print(found: Mapping[str, Seen]) -> None:
    for router, seen in found.items():
        if isinstance(seen, FullRead):
            drift = {each.service_id for each in seen.drift}
            more = f", {len(seen.pending)} pending" if seen.pending else ""
            more += f", {len(seen.row_owners.orphans)} orphans" if seen.row_owners.orphans else ""
            typer.secho(
                f"{router}: {counted(seen.services, 'service')}, {counted(seen.rows, 'row')}; "
                f"{len(drift) or 'no'} service{'s' * (len(drift) != 1)} with drift{more}",
                bold=True,
            )
    drifts = {router: seen.drift for router, seen in found.items() if isinstance(seen, FullRead)}
    _print_differences(drifts, "")
    _print_errors(found)


def _print_differences(drifts: Mapping[str, Any], empty: str) -> None:
    rows = [
        (router, d.service_id, d.kind, d.menu, d.field, d.wanted, d.found)
        for router, drift in drifts.items()
        for d in drift
    ]
    if rows or empty:
        print_table(_COLUMNS, rows, empty)


def _print_errors(found: Mapping[str, Seen]) -> None:
    for seen in found.values():
        if not isinstance(seen, FullRead):
            typer.secho(clean(seen), err=True, fg="red")
