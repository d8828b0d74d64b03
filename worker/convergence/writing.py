"""Writes a plan to the router, phase by phase, and says what was answered."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from worker.convergence.router_lock import RouterLock
from worker.core.rows.operations import Add, MakeStatic, Operation, Remove, Set, WritePlan
from worker.core.rows.rows import LEASES, OPTIONS
from worker.ports import RouterSession, Written


@dataclass(slots=True)
class Answers:
    """What came of a plan.

    Attributes:
        applied: service -> its confirmed operations.
        refused: service -> its first refused operation; nothing after it was sent for it.
        operations: how many were sent.
    """

    applied: dict[str, list[Operation]] = field(default_factory=dict)
    refused: dict[str, Written] = field(default_factory=dict)
    operations: int = 0


def write(
    session: RouterSession,
    lock: RouterLock,
    made: WritePlan,
    services: Collection[str],
    answers: Answers,
) -> None:
    """Send what may be sent, into `answers`, which is of use also when this raises.

    An operation whose predecessor failed or was not sent is not sent.

    Raises:
        LockLost, RouterUnreachable, RouterBlocked: as the hold and the session do.
    """
    failed: set[int] = set()
    shared: dict[int, Written] = {}
    for phase in made.phases:
        ready = [
            operation
            for operation in phase
            if operation.service_id in services
            and operation.service_id not in answers.refused
            and not (operation.needs & failed)
        ]
        failed |= {each.number for each in phase} - {each.number for each in ready}
        for each in phase:  # what services share was refused to all that need it
            for number in each.needs & shared.keys() if each.service_id in services else ():
                answers.refused.setdefault(each.service_id, shared[number])
        if not ready:
            continue
        lock.progress()
        for result in session.write(ready, lock.progress):
            service_id = result.operation.service_id
            answers.operations += 1
            if result.refusal is None:
                answers.applied.setdefault(service_id, []).append(result.operation)
            else:
                failed.add(result.operation.number)
                answers.refused.setdefault(service_id, result)
                if result.operation.menu == OPTIONS:
                    shared[result.operation.number] = result


def describe(operation: Operation) -> str:
    """An operation in a few words, for history and log."""
    where = "" if operation.menu == LEASES else f"{operation.menu} "
    return where + _describe(operation)


def _describe(operation: Operation) -> str:
    match operation:
        case Add(fields=fields):
            return f"add {_pairs(fields)}"
        case Set(row_id=row_id, fields=fields, was=was):
            changes = (f"{name}: {was.get(name, '')} -> {value}" for name, value in fields.items())
            return f"set {row_id} {', '.join(changes)}"
        case MakeStatic(row_id=row_id):
            return f"make-static {row_id}"
        case Remove(row_id=row_id, was=was):
            return f"remove {row_id} {_pairs(was)}"


def _pairs(fields: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items())
