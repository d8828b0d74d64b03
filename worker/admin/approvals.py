"""What the brake holds for approval: one list a source or router, each with a digest.

The digest names exactly the list that was shown: any later change to one of its services gives the
list another digest.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from worker.core.entry.brake import LossKind, loss_of
from worker.core.entry.entry import address_field
from worker.core.policy.policy import RouterPolicy
from worker.core.service.record import ServiceRecord
from worker.core.service.restoring import restoring_event
from worker.inventory import CLI_SOURCE
from worker.store.brake import HeldWorkItem
from worker.store.store import Store

_PAGE: Final = 500
_DIGITS: Final = 12

Publish = Callable[[Sequence[Mapping[str, object]]], object]
"""Publishes events. It returns when they are in the journal, else it raises."""


class HeldService(NamedTuple):
    """One service of an approval.

    Attributes:
        work_item: the held work item.
        record: the service record: what the BSS wants.
        kind: how the service would lose its entry; None: it would not any more, and is about to
            be let go.
    """

    work_item: HeldWorkItem
    record: ServiceRecord
    kind: LossKind | None

    @property
    def written(self) -> Mapping[str, str]:
        """The row that its router still has."""
        placement = self.record.placements.get(self.work_item.router)
        return (placement.written if placement else None) or {}

    @property
    def event(self) -> str:
        """Id of the newest event that causes the loss."""
        names = {
            "cancelled": ("lifecycle",),
            "suspended": ("suspension",),
            "replaced": ("mac", "address"),
        }.get(self.kind or "", ())
        registers = [self.record.registers[name] for name in names if name in self.record.registers]
        return max(registers, key=lambda register: register.version).event if registers else ""

    @property
    def becomes(self) -> str:
        """What the service would become: its status, or its new MAC and address."""
        if self.kind != "replaced":
            return self.record.status
        address = address_field(self.record.value("address"))
        return f"{self.record.value('mac')} {address}"


@dataclass(frozen=True, slots=True)
class Approval:
    """All services that one limit holds.

    Attributes:
        scope: `router:NAME` or `source:URI`.
        services: sorted by router and service.
    """

    scope: str
    services: tuple[HeldService, ...]

    @property
    def id(self) -> str:
        """A short id; it does not change with the list."""
        return hashlib.sha256(self.scope.encode()).hexdigest()[:8]

    @property
    def kind(self) -> str:
        """`router` or `source`: whose limit was exceeded."""
        return self.scope.partition(":")[0]

    @property
    def name(self) -> str:
        """The router or the source."""
        return self.scope.partition(":")[2]

    @property
    def since_ms(self) -> int:
        """When the first service was held, in milliseconds since 1970."""
        return min(held.work_item.at_ms for held in self.services)

    @property
    def kinds(self) -> dict[str, int]:
        """Number of services that would be cancelled, suspended and replaced."""
        return dict(sorted(Counter(held.kind or "undone" for held in self.services).items()))

    @property
    def digest(self) -> str:
        """Names this list and no other."""
        items = [
            (held.work_item.service_id, held.work_item.router, held.work_item.text)
            for held in self.services
        ]
        return hashlib.sha256(repr(sorted(items)).encode()).hexdigest()[:_DIGITS]


def approvals(store: Store, policies: Mapping[str, RouterPolicy]) -> list[Approval]:
    """All that is held for approval now."""
    by_scope: dict[str, list[HeldService]] = {}
    work_items = store.brake.held()
    for start in range(0, len(work_items), _PAGE):
        page = work_items[start : start + _PAGE]
        records = store.records.read([work_item.service_id for work_item in page])
        for work_item in page:
            record = records[work_item.service_id].record
            loss = loss_of(record, policies)
            kind = loss.kind if loss and loss.router == work_item.router else None
            by_scope.setdefault(work_item.scope, []).append(HeldService(work_item, record, kind))
    return [
        Approval(
            scope,
            tuple(sorted(held, key=lambda one: (one.work_item.router, one.work_item.service_id))),
        )
        for scope, held in sorted(by_scope.items())
    ]


class Decision(NamedTuple):
    """The result of an approval or rejection.

    Attributes:
        result: `changed`: the list is not the one that was shown, and nothing was done.
        approval: as it is now; None: there is none with this id.
    """

    result: Literal["done", "changed", "unknown"]
    approval: Approval | None = None


def _find(
    store: Store, policies: Mapping[str, RouterPolicy], approval_id: str, digest: str
) -> Decision:
    """The approval with this id, `done` if its digest is still this one."""
    for approval in approvals(store, policies):
        if approval.id == approval_id:
            return Decision("done" if approval.digest == digest else "changed", approval)
    return Decision("unknown")


def approve(
    store: Store, policies: Mapping[str, RouterPolicy], approval_id: str, digest: str, actor: str
) -> Decision:
    """Let all services of an approval go, if it is still the one that was shown."""
    decision = _find(store, policies, approval_id, digest)
    approval = decision.approval
    if decision.result != "done" or approval is None:
        return decision
    work_items = [held.work_item for held in approval.services]
    if not store.brake.approve(approval.scope, work_items, actor, store.records.now_ms()):
        return Decision("changed", approval)
    store.alerts.resolve("brake", approval.scope, f"approved by {actor}")
    return decision


def reject(  # noqa: PLR0913, PLR0917 - as `approve`, and the way to publish
    store: Store,
    policies: Mapping[str, RouterPolicy],
    approval_id: str,
    digest: str,
    actor: str,
    publish: Publish,
) -> Decision:
    """Restore all services of an approval to what their routers have, if it is unchanged.

    Publishes a snapshot of each service. What `publish` raises is passed on: then not all of them
    were published, and rejecting again does no harm.
    """
    decision = _find(store, policies, approval_id, digest)
    approval = decision.approval
    if decision.result != "done" or approval is None:
        return decision
    events = [
        restoring_event(
            held.record,
            source=CLI_SOURCE,
            actor=actor,
            reason="brake-rejected",
            written=held.written,
        )
        for held in approval.services
        if held.kind is not None
    ]
    publish(events)
    store.brake.note_rejected(approval.scope, len(events), actor, store.records.now_ms())
    return decision
