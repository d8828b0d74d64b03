"""What the brake holds for approval: one list a source or router, each with a digest.

The digest names exactly the list that was shown: any later change to one of its services gives the
list another digest.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import Final, Literal, NamedTuple

from worker.core.entry.brake import LossKind, loss_of
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import IS_PREFIX
from worker.core.service.record import ServiceRecord
from worker.core.service.restoring import restoring_event
from worker.inventory import CLI_SOURCE
from worker.store.brake import HeldWorkItem, of_services
from worker.store.connection import pages
from worker.store.store import Store

_DIGITS: Final = 12
UNDONE: Final = "undone"
"""Kind of a service that would lose nothing any more."""

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
            "replaced": ("mac", "address", "ipv6"),
        }.get(self.kind or "", ())
        registers = [self.record.registers[name] for name in names if name in self.record.registers]
        return max(registers, key=lambda register: register.version).event if registers else ""

    @property
    def becomes(self) -> str:
        """What the service would become: its status, or its new MAC, address and prefix."""
        if self.kind != "replaced":
            return self.record.status
        parts = (self.record.value("mac"), self.record.address, self.record.prefix)
        return " ".join(str(part) for part in parts if part)

    @property
    def prefix(self) -> str | None:
        """The IPv6 prefix that its router has for it, as last written."""
        placement = self.record.placements.get(self.work_item.router)
        bindings = placement.bindings if placement else ()
        return next((own.address for own in bindings if own.ia == IS_PREFIX), None)


@dataclass(frozen=True)
class Approval:
    """All work items that one limit holds.

    Attributes:
        scope: `router:NAME` or `source:URI`.
        work_items: sorted by router and service.
        read: reads the services of work items, in this order.
    """

    scope: str
    work_items: tuple[HeldWorkItem, ...]
    read: Callable[[Sequence[HeldWorkItem]], list[HeldService]]

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
        return min(work_item.at_ms for work_item in self.work_items)

    @cached_property
    def routers(self) -> Counter[str]:
        """Number of services by router."""
        return Counter(work_item.router for work_item in self.work_items)

    @cached_property
    def sources(self) -> Counter[str]:
        """Number of services by the source of the event that would remove the entry."""
        return Counter(work_item.source for work_item in self.work_items)

    @cached_property
    def services(self) -> list[HeldService]:
        """Its services; they are read when they are first used."""
        return self.read(self.work_items)

    @property
    def kinds(self) -> dict[str, int]:
        """Number of services that would be cancelled, suspended and replaced."""
        return dict(sorted(Counter(held.kind or UNDONE for held in self.services).items()))

    @cached_property
    def digest(self) -> str:
        """Names this list and no other."""
        texts = (f"{work_item.field} {work_item.text}" for work_item in self.work_items)
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:_DIGITS]


def approvals(store: Store, policies: Mapping[str, RouterPolicy]) -> list[Approval]:
    """All that is held for approval now."""
    return approvals_of(store, policies, store.brake.held())


def approvals_of(
    store: Store, policies: Mapping[str, RouterPolicy], work_items: Iterable[HeldWorkItem]
) -> list[Approval]:
    """The work items by the limit that holds them."""
    by_scope: dict[str, list[HeldWorkItem]] = {}
    for work_item in work_items:
        by_scope.setdefault(work_item.scope, []).append(work_item)
    read = partial(held_services, store, policies)
    return [
        Approval(scope, tuple(sorted(held, key=attrgetter("router", "service_id"))), read)
        for scope, held in sorted(by_scope.items())
    ]


def held_services(
    store: Store, policies: Mapping[str, RouterPolicy], work_items: Sequence[HeldWorkItem]
) -> list[HeldService]:
    """The services of held work items, in the same order."""
    found = []
    for page in pages(work_items):
        records = store.records.read([work_item.service_id for work_item in page])
        for work_item in page:
            record = records[work_item.service_id].record
            loss = loss_of(record, policies)
            kind = loss.kind if loss and loss.router == work_item.router else None
            found.append(HeldService(work_item, record, kind))
    return found


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


def approve(  # noqa: PLR0913, PLR0917 - the list as shown, and who says why
    store: Store,
    policies: Mapping[str, RouterPolicy],
    approval_id: str,
    digest: str,
    actor: str,
    reason: str = "",
) -> Decision:
    """Let all services of an approval go, if it is still the one that was shown."""
    decision = _find(store, policies, approval_id, digest)
    approval = decision.approval
    if decision.result != "done" or approval is None:
        return decision
    now_ms = store.records.now_ms()
    if not store.brake.approve(approval.scope, approval.work_items, actor, now_ms, reason):
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
    reason: str = "",
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
            note=reason,
            written=held.written,
        )
        for held in approval.services
        if held.kind is not None
    ]
    publish(events)
    store.audit.record(actor, "brake.rejected", approval.scope, of_services(len(events), reason))
    return decision
