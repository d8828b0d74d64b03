"""The plan of a router as a document, and its lines as a diff: the same for command and console."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from worker.admin.json_fields import clean
from worker.admin.router_reads import ReadResult, error_document
from worker.convergence.full_read import FullRead
from worker.core.rows.operations import (
    Add,
    MakeStatic,
    Move,
    Operation,
    Remove,
    Set,
    WritePlan,
    shown,
)
from worker.core.rows.rows import LEASES
from worker.core.texts import counted

Sign = str
SIGNS: Final[Mapping[Sign, str]] = {
    "+": "add",
    "~": "change",
    "-": "remove",
    "?": "waits",
    "!": "note",
}
"""What each sign of a plan means."""


class PlanLine(NamedTuple):
    """One line of a plan.

    Attributes:
        sign: of `SIGNS`.
        service: that it is about; empty: it is about the whole router.
        text: what is written, or why nothing is; with parts of a router's texts.
    """

    sign: Sign
    service: str
    text: str


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
        **plan_parts(plan),
    }


def plan_parts(plan: WritePlan) -> dict[str, Any]:
    """The writes of a plan, the services that wait, and the notes."""
    return {
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
    """One write."""
    document = {
        "number": operation.number,
        "phase": phase,
        "service": operation.service_id,
        "needs": sorted(operation.needs),
        "menu": operation.menu,
    }
    match operation:
        case Add(fields=fields):
            return document | {"do": "add", "fields": _shown_fields(fields)}
        case Set(row_id=row, fields=fields, was=was):
            change = {"fields": _shown_fields(fields), "was": _shown_fields(was)}
            return document | {"do": "set", "row": row, **change}
        case MakeStatic(row_id=row, was=was):
            return document | {"do": "make-static", "row": row, "was": dict(was)}
        case Remove(row_id=row, was=was):
            return document | {"do": "remove", "row": row, "was": dict(was)}
        case Move(row_id=row, before=before, place=place, was=was):
            moved = {"do": "move", "row": row, "before": before, "place": place}
            return document | moved | {"was": dict(was)}


def plan_lines(document: Mapping[str, Any]) -> Iterator[PlanLine]:
    """The lines of a plan: each service's writes together, in the order in which they are made."""
    by_service: dict[str, list[Mapping[str, Any]]] = {}
    for operation in document["operations"]:
        by_service.setdefault(operation["service"], []).append(operation)
    for service, operations in sorted(by_service.items()):
        for operation in operations:
            sign, text = _describe(operation)
            where = "" if operation["menu"] == LEASES else f"{operation['menu']}: "
            yield PlanLine(sign, service, f"{where}{text}")
    for why in document["waiting"]:
        yield PlanLine("?", why["service"], f"waits ({why['reason']}): {clean(why['detail'])}")
    for note in document["notes"]:
        yield PlanLine("!", note["service"], f"{note['kind']}: {clean(note['detail'])}")
    if orphans := document["orphans"]:
        rows = f"{counted(orphans, 'row')} with our tag, but of unknown services"
        yield PlanLine("!", "", f"{rows}: `leasewire orphans list {document['router']}`")


def plan_summary(document: Mapping[str, Any]) -> str:
    """How much is read, to be written and waiting, in one line."""
    to_write = len({operation["service"] for operation in document["operations"]})
    summary = f"{to_write} to write" if to_write else "nothing to write"
    if to_write or document["waiting"]:
        summary += f", {len(document['waiting'])} waiting"
    return (
        f"{counted(document['services'], 'service')}, {counted(document['rows'], 'row')}; {summary}"
    )


def _shown_fields(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: shown(value) for name, value in fields.items()}


def _describe(operation: Mapping[str, Any]) -> tuple[Sign, str]:
    row, fields, was = (operation.get(part, {}) for part in ("row", "fields", "was"))
    match operation["do"]:
        case "add":
            return "+", f"add {_pairs(fields)}"
        case "set":
            changes = (
                f"{name} {_shown(was.get(name, ''))} -> {_shown(value)}"
                for name, value in fields.items()
            )
            return "~", f"set {row}: {', '.join(changes)}"
        case "make-static":
            return "~", f"make static {row} ({_pairs(was)})"
        case "remove":
            return "-", f"remove {row} ({_pairs(was)})"
        case _:
            return "~", f"move {row} to its place, {operation['place']} ({_pairs(was)})"


def _pairs(fields: Mapping[str, str]) -> str:
    return " ".join(f"{name}={_shown(value)}" for name, value in fields.items() if value)


def _shown(value: str) -> str:
    return clean(value) if value and " " not in value else f'"{clean(value)}"'
