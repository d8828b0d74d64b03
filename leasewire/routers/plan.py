"""`leasewire plan`: what would be written to the routers now."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Annotated, Any, Final

import typer

from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, clean, counted, print_json
from worker.convergence.full_read import FullRead, read_fully
from worker.convergence.safety_checks import other_serial
from worker.core.rows.operations import Add, MakeStatic, Operation, Remove, Set, WritePlan
from worker.core.rows.rows import LEASES
from worker.errors import RouterBlocked, RouterUnreachable
from worker.inventory import RouterConfig
from worker.routeros.sessions import Sessions

Seen = FullRead | RouterUnreachable | RouterBlocked

_AT_ONCE: Final = 16
"""Routers read at a time: one that is down costs its connect timeout."""
_COLOURS: Final = {"+": "green", "~": "yellow", "-": "red", "?": "magenta", "!": "cyan"}


def plan_command(
    router: Annotated[
        str | None, typer.Argument(help="Name in the inventory; else all of them.")
    ] = None,
    *,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Show what would be written to a router if all its services were looked at now.

    Reads the router and writes nothing. `+` adds a row, `~` changes one, `-` removes one, `?` is a
    service that waits, `!` something to know. Exit 0: nothing to write; 2: something; 1: a router
    refuses us, or is not in the inventory; 3: a router or Redis cannot be reached.

    Example: leasewire plan tower-7
    """
    context = Context(inventory)
    routers = context.inventory.routers
    if router is not None and router not in routers:
        typer.echo(f"There is no router {router} in {context.settings.inventory}.", err=True)
        raise typer.Exit(1)
    names = [router] if router is not None else list(routers)
    found = look_at(context, names)
    if as_json:
        print_json({"routers": [document_of(routers[name], seen) for name, seen in found.items()]})
    else:
        for name, seen in found.items():
            print_rows(name, seen)
    raise typer.Exit(exit_code(list(found.values())))


def look_at(context: Context, names: Sequence[str]) -> dict[str, Seen]:
    """What would be written to routers under the inventory's policies; reads them, several at once.

    A router whose serial is not the one that is bound to its name is not planned for.
    """
    sessions = Sessions(context.inventory, context.settings)
    serials = context.store.fleet.serials()

    def look(name: str) -> Seen:
        policy = context.inventory.routers[name].policy
        try:
            with closing(sessions.open(name)) as session:
                bound = serials.get(name, session.serial)
                if bound != session.serial:
                    return other_serial(name, bound, session.serial)
                return read_fully(context.store, session, name, policy.held_in(session.entries))
        except (RouterUnreachable, RouterBlocked) as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(names, pool.map(look, names), strict=True))


def exit_code(found: Sequence[Seen]) -> int:
    """As `plan_command` says it."""
    if any(isinstance(seen, RouterBlocked) for seen in found):
        return 1
    if any(isinstance(seen, RouterUnreachable) for seen in found):
        return 3
    return 2 if any(isinstance(seen, FullRead) and seen.plan.phases for seen in found) else 0


def document_of(config: RouterConfig, seen: Seen) -> dict[str, Any]:
    """What was seen of a router, for programs."""
    match seen:
        case RouterBlocked(cause=cause, message=message, advice=advice):
            error = {"cause": cause, "message": message, "advice": advice}
            return {"router": config.name, "error": error}
        case RouterUnreachable(message=message):
            return {"router": config.name, "error": {"cause": "unreachable", "message": message}}
        case FullRead(plan=plan, services=services, rows=rows, row_owners=counted):
            return {
                "router": config.name,
                "services": services,
                "rows": rows,
                "orphans": len(counted.orphans),
                "reason": plan.reason,
                "operations": [
                    _operation(operation, phase)
                    for phase, operations in enumerate(plan.phases, start=1)
                    for operation in operations
                ],
                "waiting": [
                    {"service": service, "reason": why.reason, "detail": why.detail}
                    for service, why in sorted(plan.waiting.items())
                ],
                "notes": [
                    {"service": note.service_id, "kind": note.kind, "detail": note.detail}
                    for note in plan.notes
                ],
            }


def _operation(operation: Operation, phase: int) -> dict[str, Any]:
    document = {
        "number": operation.number,
        "phase": phase,
        "service": operation.service_id,
        "needs": sorted(operation.needs),
        "menu": operation.menu,
    }
    match operation:
        case Add(fields=fields):
            return document | {"do": "add", "fields": dict(fields)}
        case Set(row_id=row, fields=fields, was=was):
            return document | {"do": "set", "row": row, "fields": dict(fields), "was": dict(was)}
        case MakeStatic(row_id=row, was=was):
            return document | {"do": "make-static", "row": row, "was": dict(was)}
        case Remove(row_id=row, was=was):
            return document | {"do": "remove", "row": row, "was": dict(was)}


def print_rows(name: str, seen: Seen) -> None:
    """What was seen of a router, for people."""
    if not isinstance(seen, FullRead):
        typer.secho(clean(seen), err=True, fg="red")
        return
    plan = seen.plan
    to_write = {operation.service_id for operation in plan.operations()}
    summary = (
        f"{len(to_write)} to write, {len(plan.waiting)} waiting"
        if to_write
        else (
            f"nothing to write, {len(plan.waiting)} waiting" if plan.waiting else "nothing to write"
        )
    )
    typer.secho(
        f"{name}: {counted(seen.services, 'service')}, {counted(seen.rows, 'row')}; {summary}",
        bold=True,
    )
    for work_item, line in _lines(plan):
        typer.secho(f"{work_item} {clean(line)}", fg=_COLOURS[work_item])
    if orphans := len(seen.row_owners.orphans):
        are = (
            "row with our tag is of a service"
            if orphans == 1
            else "rows with our tag are of services"
        )
        message = f"! {orphans} {are} that nobody knows: `leasewire orphans list {name}`"
        typer.secho(message, fg=_COLOURS["!"])


def _lines(plan: WritePlan) -> Iterator[tuple[str, str]]:
    """Each service's operations together, in the order in which they would be written."""
    by_service: dict[str, list[Operation]] = {}
    for operation in plan.operations():
        by_service.setdefault(operation.service_id, []).append(operation)
    for service, operations in sorted(by_service.items()):
        for operation in operations:
            work_item, message = _describe(operation)
            where = "" if operation.menu == LEASES else f"{operation.menu}: "
            yield work_item, f"{service}: {where}{message}"
    for service, why in sorted(plan.waiting.items()):
        yield "?", f"{service}: waits ({why.reason}): {why.detail}"
    for note in plan.notes:
        yield "!", f"{note.service_id}: {note.kind}: {note.detail}"


def _describe(operation: Operation) -> tuple[str, str]:
    match operation:
        case Add(fields=fields):
            return "+", f"add {_pairs(fields)}"
        case Set(row_id=row, fields=fields, was=was):
            changes = (
                f"{name} {_shown(was.get(name, ''))} -> {_shown(value)}"
                for name, value in fields.items()
            )
            return "~", f"set {row}: {', '.join(changes)}"
        case MakeStatic(row_id=row, was=was):
            return "~", f"make static {row} ({_pairs(was)})"
        case Remove(row_id=row, was=was):
            return "-", f"remove {row} ({_pairs(was)})"


def _pairs(fields: Mapping[str, str]) -> str:
    return " ".join(f"{name}={_shown(value)}" for name, value in fields.items() if value)


def _shown(value: str) -> str:
    return value if value and " " not in value else f'"{value}"'
