"""Writes a plan to the router, phase by phase, and decides whose fault refused writes are.

A refusal is held back until the pass knows how many services were refused with the same message.
When they are many, the router or its policy is the cause, and no service fails for it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from worker.convergence.batch_item import BatchItem
from worker.convergence.conclude import TRIED_IN_VAIN
from worker.convergence.concurrency import RouterLock
from worker.core.rows.operations import Operation, Waiting, WritePlan
from worker.core.rows.rows import OPTIONS, MenuPath
from worker.ports import Refusal, RouterSession

MASS_REFUSAL: Final = "mass-refusal"
"""Why a router is blocked that refuses many services."""
MASS_MORE_THAN: Final = 5
MASS_SHARE: Final = 0.02
"""More services than this, and more than this share of the router's, with the same message."""
PROBE: Final = 2 * MASS_MORE_THAN
"""Services with which a router is tried again that refused many. So one service whose row it takes
excuses as many refusals: in a probe they are then the services' own fault."""


@dataclass(slots=True)
class Answers:
    """The router's answers to one plan.

    Attributes:
        applied: service -> its confirmed operations.
        refused: service -> its first refused operation, and why; nothing after it was sent for the
            same device.
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
    refused: set[tuple[str, str]] = set()  # services, and numbers of their devices
    shared: dict[int, tuple[Operation, Refusal]] = {}
    for phase in plan.phases:
        ready = [
            operation
            for operation in phase
            if operation.service_id in services
            and (operation.service_id, operation.device) not in refused
            and not (operation.needs & failed)
        ]
        not_sent = {operation.number for operation in phase} - {sent.number for sent in ready}
        failed |= not_sent
        for operation in phase:  # a refused option is refused to all services that need it
            if operation.service_id in services:
                for number in operation.needs & shared.keys():
                    answers.refused.setdefault(operation.service_id, shared[number])
                    refused.add((operation.service_id, operation.device))
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
                refused.add((operation.service_id, operation.device))
                if operation.menu == OPTIONS:
                    shared[operation.number] = (operation, refusal)


class RefusedWrite(NamedTuple):
    """One service whose write was refused.

    Attributes:
        item: the service.
        menu: of the refused operation.
        message: the router's.
        device: the number of the further device that it is about; empty: the service.
        known: the message is known to say that the write can never work.
        wrote: other writes of the service were confirmed.
    """

    item: BatchItem
    menu: MenuPath
    message: str
    device: str
    known: bool
    wrote: bool


class Refusals(dict[str, RefusedWrite]):
    """The refused writes of one pass that are held back, by service."""

    def hold_back(self, refused: RefusedWrite) -> BatchItem:
        """Keep a refusal until it is clear whose fault it is; returns its item.

        Of a service that was refused before in this pass, the item says why it was not in sync
        before that.
        """
        service_id = refused.item.service_id
        earlier = self.get(service_id)
        if earlier is not None:  # checked again because others want what its row holds
            before = earlier.item.work_item.before
            work_item = refused.item.work_item._replace(before=before)
            refused = refused._replace(item=replace(refused.item, work_item=work_item))
        self[service_id] = refused
        return refused.item

    def why_not(self, item: BatchItem) -> Waiting | None:
        """Why a service is not written again although its row is in the way of others.

        Its write would be refused again while they wait for it: its row gives way instead.
        """
        held_back = self.get(item.service_id)
        if held_back is not None:
            return Waiting("router-says", held_back.message)
        if item.before.get("reason") in TRIED_IN_VAIN:
            return Waiting(item.before["reason"], item.before["detail"])
        return None

    def gave_way(self, item: BatchItem, *, wrote: bool) -> BatchItem | None:
        """Keep the newest item of a service that gave way, if it was refused in this pass."""
        held_back = self.get(item.service_id)
        if held_back is None:
            return None
        return self.hold_back(held_back._replace(item=item, wrote=wrote))

    def mass(
        self, took: Mapping[MenuPath, Collection[str]], services: Callable[[], int]
    ) -> tuple[str, int] | None:
        """The message with which too many services were refused in one menu, and how many.

        In any menu, where the router took no row of any: the first one of some services is a queue.

        Args:
            took: by menu, services of which a write was confirmed, but for removals: a router that
                is full takes those.
            services: counts the router's services; called only where it matters.
        """
        counted = Counter((r.menu if took else None, r.message) for r in self.values())
        for (menu, message), count in counted.items():
            others = 0 if menu is None else len(took.get(menu, ()))
            is_many = count > max(MASS_MORE_THAN, PROBE * others)
            if is_many and count > services() * MASS_SHARE:
                return message, count
        return None
