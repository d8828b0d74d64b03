"""`leasewire plan`: what would be written to the routers now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final

from leasewire.answer import Answer, Exit, Line, Part, counted
from leasewire.context import AnyRouterArgument, Context, InventoryOption
from worker.convergence.full_read import FullRead, read_fully
from worker.convergence.safety_checks import other_serial
from worker.core.rows.operations import Add, MakeStatic, Move, Operation, Remove, Set, WritePlan
from worker.core.rows.rows import LEASES
from worker.errors import RouterBlocked, RouterUnreachable
from worker.routeros.sessions import Sessions

ReadResult = FullRead | RouterUnreachable | RouterBlocked

_AT_ONCE: Final = 16
"""Routers read at a time: one that is down costs its connect timeout."""
_COLOURS: Final = {"+": "green", "~": "yellow", "-": "red", "?": "magenta", "!": "cyan"}


def plan_command(router: AnyRouterArgument = None, *, inventory: InventoryOption = None) -> Answer:
    """Show what would be written to a router if all its services were checked now.

    Reads the router and writes nothing. `+` adds a row, `~` changes one, `-` removes one, `?` a
    service waits, `!` warning. Exit 0: nothing to write; 4: something to write; 1: a router refuses
    us; 3: a router or Redis cannot be reached.

    Example: leasewire plan tower-7
    """
    context = Context(inventory)
    results = read_routers(context, context.router_names(router))
    return Answer(
        {"routers": [plan_document(name, result) for name, result in results.items()]},
        [part for name, result in results.items() for part in plan_text(name, result)],
        exit_code(results.values()),
        errors_of(results.values()),
    )


def read_routers(context: Context, names: Sequence[str]) -> dict[str, ReadResult]:
    """Read routers, several at once, and plan for them under the policies of the inventory.

    A router whose serial number differs from the one bound to its name gets no plan.
    """
    sessions = Sessions(context.inventory, context.settings)
    serials = context.store.fleet.serials()

    def read(name: str) -> ReadResult:
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
        return dict(zip(names, pool.map(read, names), strict=True))


def exit_code(results: Iterable[ReadResult]) -> Exit:
    """The exit code of `leasewire plan`."""
    found = list(results)
    if any(isinstance(result, FullRead) and result.plan.phases for result in found):
        changes = Exit.CHANGES
    else:
        changes = Exit.OK
    return failure_of(found) or changes


def failure_of(results: Iterable[ReadResult]) -> Exit | None:
    """The exit code where a router could not be read; None: all were read."""
    found = list(results)
    if any(isinstance(result, RouterBlocked) for result in found):
        return Exit.FAILED
    if any(isinstance(result, RouterUnreachable) for result in found):
        return Exit.UNREACHABLE
    return None


def errors_of(results: Iterable[ReadResult]) -> list[str]:
    """Why routers could not be read."""
    return [str(result) for result in results if not isinstance(result, FullRead)]


def error_document(router: str, error: RouterUnreachable | RouterBlocked) -> dict[str, Any]:
    """A router that could not be read, for programs."""
    if isinstance(error, RouterUnreachable):
        document = {"cause": "unreachable", "message": error.message}
    else:
        document = {"cause": error.cause, "message": error.message, "advice": error.advice}
    return {"router": router, "error": document}


def plan_document(router: str, result: ReadResult) -> dict[str, Any]:
    """The plan of a router, for programs."""
    if not isinstance(result, FullRead):
        return error_document(router, result)
    plan = result.plan
    return {
        "router": router,
        "services": result.services,
        "rows": result.rows,
        "orphans": len(result.row_owners.orphans),
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
        case Move(row_id=row, before=before, place=place):
            return document | {"do": "move", "row": row, "before": before, "place": place}


def plan_text(name: str, result: ReadResult) -> Iterator[Part]:
    """The plan of a router, for people; nothing where it could not be read."""
    if not isinstance(result, FullRead):
        return
    plan = result.plan
    to_write = len({operation.service_id for operation in plan.operations})
    summary = f"{to_write} to write" if to_write else "nothing to write"
    if to_write or plan.waiting:
        summary += f", {len(plan.waiting)} waiting"
    size = f"{counted(result.services, 'service')}, {counted(result.rows, 'row')}"
    yield Line(f"{name}: {size}; {summary}", bold=True)
    for sign, text in _lines(plan):
        yield Line(f"{sign} {text}", _COLOURS[sign])
    if orphans := len(result.row_owners.orphans):
        rows = f"{counted(orphans, 'row')} with our tag, but of unknown services"
        yield Line(f"! {rows}: `leasewire orphans list {name}`", _COLOURS["!"])


def _lines(plan: WritePlan) -> Iterator[tuple[str, str]]:
    """Each service's operations together, in the order in which they would be written."""
    by_service: dict[str, list[Operation]] = {}
    for operation in plan.operations:
        by_service.setdefault(operation.service_id, []).append(operation)
    for service, operations in sorted(by_service.items()):
        for operation in operations:
            sign, message = _describe(operation)
            where = "" if operation.menu == LEASES else f"{operation.menu}: "
            yield sign, f"{service}: {where}{message}"
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
        case Move(row_id=row, place=place, was=was):
            return "~", f"move {row} to its place, {place} ({_pairs(was)})"


def _pairs(fields: Mapping[str, str]) -> str:
    return " ".join(f"{name}={_shown(value)}" for name, value in fields.items() if value)


def _shown(value: str) -> str:
    return value if value and " " not in value else f'"{value}"'
