"""Writes a plan to the router, phase by phase, and collects what was answered."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from worker.convergence.router_lock import RouterLock
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
from worker.core.rows.rows import LEASES, OPTIONS
from worker.ports import Refusal, RouterSession


@dataclass(slots=True)
class Answers:
    """The router's answers to one plan.

    Attributes:
        applied: service -> its confirmed operations.
        refused: service -> its first refused operation, and why; nothing after it was sent for it.
        operations: how many were sent.
    """

    applied: dict[str, list[Operation]] = field(default_factory=dict)
    refused: dict[str, tuple[Operation, Refusal]] = field(default_factory=dict)
    operations: int = 0


def write(
    session: RouterSession,
    lock: RouterLock,
    plan: WritePlan,
    services: Collection[str],
    answers: Answers,
) -> None:
    """Send what may be sent, and fill `answers`, which counts also when this raises.

    An operation is not sent if one that it needs failed or was not sent.

    Raises:
        LockLost, RouterUnreachable, RouterBlocked: as the lock and the session do.
    """
    failed: set[int] = set()
    shared: dict[int, tuple[Operation, Refusal]] = {}
    for phase in plan.phases:
        ready = [
            operation
            for operation in phase
            if operation.service_id in services
            and operation.service_id not in answers.refused
            and not (operation.needs & failed)
        ]
        not_sent = {operation.number for operation in phase} - {sent.number for sent in ready}
        failed |= not_sent
        for operation in phase:  # a refused option is refused to all services that need it
            if operation.service_id in services:
                for number in operation.needs & shared.keys():
                    answers.refused.setdefault(operation.service_id, shared[number])
        if not ready:
            continue
        lock.progress()
        for operation, refusal in session.write(ready, lock.progress):
            answers.operations += 1
            if refusal is None:
                answers.applied.setdefault(operation.service_id, []).append(operation)
            else:
                failed.add(operation.number)
                answers.refused.setdefault(operation.service_id, (operation, refusal))
                if operation.menu == OPTIONS:
                    shared[operation.number] = (operation, refusal)


def describe(operation: Operation) -> str:
    """Describe an operation in one line, for history and log."""
    where = "" if operation.menu == LEASES else f"{operation.menu} "
    return where + _describe(operation)


def _describe(operation: Operation) -> str:
    match operation:
        case Add(fields=fields):
            return f"add {_pairs(fields)}"
        case Set(row_id=row_id, fields=fields, was=was):
            changes = (
                f"{name}: {shown(was.get(name, ''))} -> {shown(value)}"
                for name, value in fields.items()
            )
            return f"set {row_id} {', '.join(changes)}"
        case MakeStatic(row_id=row_id):
            return f"make-static {row_id}"
        case Move(row_id=row_id, place=place):
            return f"move {row_id} to its place: {place}"
        case Remove(row_id=row_id, was=was):
            return f"remove {row_id} {_pairs(was)}"


def _pairs(fields: Mapping[str, str]) -> str:
    return " ".join(f"{name}={shown(value)}" for name, value in fields.items())
