"""What the brake holds, as a person decides on it: by limit, service by service, with a digest.

The digest names just the list that was shown: whatever is said of a held service afterwards makes
it another one.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
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


class HeldService(NamedTuple):
    """One service of a list.

    Attributes:
        work_item: as it is held.
        record: of the service; what is wanted of it.
        kind: what becomes of its entry; None: nothing any more, it goes on in a moment.
    """

    work_item: HeldWorkItem
    record: ServiceRecord
    kind: LossKind | None

    @property
    def written(self) -> Mapping[str, str]:
        """The row that works on its router still."""
        at = self.record.placements.get(self.work_item.router)
        return (at.written if at else None) or {}

    @property
    def event(self) -> str:
        """Id of the newest event that says so."""
        names = {
            "cancelled": ("lifecycle",),
            "suspended": ("suspension",),
            "replaced": ("mac", "address"),
        }.get(self.kind or "", ())
        found = [self.record.registers[name] for name in names if name in self.record.registers]
        return max(found, key=lambda each: each.version).event if found else ""

    @property
    def becomes(self) -> str:
        """What it is to be: its status, or its new MAC and address."""
        if self.kind != "replaced":
            return self.record.status
        address = address_field(self.record.value("address"))
        return f"{self.record.value('mac')} {address}"


@dataclass(frozen=True, slots=True)
class Approval:
    """All that one limit holds.

    Attributes:
        scope: `router:NAME` or `source:URI`.
        services: the list, by router and service.
    """

    scope: str
    services: tuple[HeldService, ...]

    @property
    def id(self) -> str:
        """A short name that stays the same."""
        return hashlib.sha256(self.scope.encode()).hexdigest()[:8]

    @property
    def kind(self) -> str:
        """`router` or `source`: whose limit was passed."""
        return self.scope.partition(":")[0]

    @property
    def name(self) -> str:
        """The router or the source."""
        return self.scope.partition(":")[2]

    @property
    def since_ms(self) -> int:
        """When the first one was held, in milliseconds since 1970."""
        return min(each.work_item.at_ms for each in self.services)

    @property
    def kinds(self) -> dict[str, int]:
        """How many services are cancelled, suspended and replaced."""
        return dict(sorted(Counter(each.kind or "undone" for each in self.services).items()))

    @property
    def digest(self) -> str:
        """Names this list and no other."""
        said = [
            (each.work_item.service_id, each.work_item.router, each.work_item.text)
            for each in self.services
        ]
        return hashlib.sha256(repr(sorted(said)).encode()).hexdigest()[:_DIGITS]


def approvals(store: Store, policies: Mapping[str, RouterPolicy]) -> list[Approval]:
    """All that is held now, by the limits that were passed."""
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
            name,
            tuple(sorted(each, key=lambda one: (one.work_item.router, one.work_item.service_id))),
        )
        for name, each in sorted(by_scope.items())
    ]


class Decided(NamedTuple):
    """What came of a decision; `changed`: the list is not the one that was shown, look again."""

    what: Literal["done", "changed", "unknown"]
    scope: Approval | None = None


def look_up(
    store: Store, policies: Mapping[str, RouterPolicy], approval_id: str, digest: str
) -> Decided:
    """The list of that id, if it is still the one of the digest."""
    found = next((each for each in approvals(store, policies) if each.id == approval_id), None)
    if found is None:
        return Decided("unknown")
    return Decided("done" if found.digest == digest else "changed", found)


def approve(
    store: Store, policies: Mapping[str, RouterPolicy], approval_id: str, digest: str, actor: str
) -> Decided:
    """Let a list through as it was shown."""
    seen = look_up(store, policies, approval_id, digest)
    if seen.what != "done" or seen.scope is None:
        return seen
    work_items = [each.work_item for each in seen.scope.services]
    if not store.brake.approve(seen.scope.scope, work_items, actor, store.records.now_ms()):
        return Decided("changed", seen.scope)
    store.alerts.end("brake", seen.scope.scope, f"approved by {actor}")
    return Decided("done", seen.scope)


def restoring_events(scope: Approval, actor: str) -> list[dict[str, object]]:
    """What a rejection publishes: for each service that it is again as its router has it."""
    return [
        restoring_event(
            each.record,
            source=CLI_SOURCE,
            actor=actor,
            reason="brake-rejected",
            written=each.written,
        )
        for each in scope.services
        if each.kind is not None
    ]
