"""Retires a router that is gone for good, or renames one.

Every service has its own commit, checked by the generation of its record, under the router lock, so
that no pass runs meanwhile. After a crash the same call continues with the rest.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import JsonValue

from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.service.history import line_to_json
from worker.core.service.outcome import Outcome
from worker.core.service.record import ServiceRecord, Settled, cleaned, settle
from worker.core.service.record_parts import Placement, RowsAt
from worker.errors import LockLost, NotPossible
from worker.store.batches import Conclusion, WorkItem
from worker.store.commits import ServiceCommit
from worker.store.connection import pages
from worker.store.records import Stored
from worker.store.router_admin import BULK
from worker.store.store import Store

_LOCK_MS: Final = 30_000
_AT_A_TIME: Final = 50
_SCANS: Final = 10


class Standing(NamedTuple):
    """Ids of the services that a router's name concerns.

    Attributes:
        wanting: should be on it, now, once they are activated, or by a scheduled event.
        placed: may have a row there; also services that moved away or were cancelled while it was
            unreachable.
    """

    wanting: list[str]
    placed: list[str]


def standing(store: Store, router: str) -> Standing:
    """Search all records for a router's name."""
    wanting, placed = [], []
    for stored in store.views.services():
        record = stored.record
        if _wants(record, router):
            wanting.append(record.service_id)
        if router in record.placements:
            placed.append(record.service_id)
    return Standing(sorted(wanting), sorted(placed))


def named(store: Store, router: str) -> list[str]:
    """Ids of the services whose records have a router's name."""
    found = (stored.record for stored in store.views.services())
    return sorted(record.service_id for record in found if _names_router(record, router))


@dataclass(frozen=True, slots=True)
class RouterNames:
    """Retires and renames routers."""

    store: Store
    actor: str
    pause: Callable[[float], None]

    def retire(self, router: str) -> int:
        """Forget a router that is gone for good; returns how many services had a row there.

        Raises:
            NotPossible: services should be on it, or one came meanwhile.
            LockLost: a step took too long; call it again.
        """
        if wanting := standing(self.store, router).wanting:
            raise NotPossible(f"{len(wanting)} services should be on router {router}")
        with self._seized(router) as lock_id:
            placed = self._placed(router)
            for some in pages(placed, _AT_A_TIME):
                self._end_placements(router, lock_id, some, _wants)
            if not self.store.fleet.forget(router, lock_id, self._dead_letters(router), self.actor):
                raise NotPossible(f"a service came to router {router} meanwhile; try again")
        return len(placed)

    def rename(self, old: str, new: str, policies: Mapping[str, RouterPolicy]) -> int:
        """Rename a router everywhere; returns how many services' records changed.

        Nothing is written to the router: rows do not depend on its name.

        Events may still use the old name; the inventory has the new one.

        Raises:
            NotPossible: another serial is bound to the new name, or services keep coming, or
                the brake holds some.
            LockLost: a step took too long; call it again.
        """
        if braked := [held for held in self.store.brake.held() if held.router == old]:
            raise NotPossible(
                f"the brake holds {len(braked)} services on router {old}, which another name would "
                "let through: decide on them first, see `leasewire brake list`"
            )
        with self._seized(old, new) as lock_id:
            match self.store.fleet.begin_rename(old, new, lock_id, self.actor):
                case "lost":
                    raise LockLost(old)
                case "other-serial":
                    raise NotPossible(
                        f"router {new} is known with another serial than {old}: it is another "
                        "router, or its hardware was replaced (`leasewire routers replace`)"
                    )
                case "done":
                    pass
            moved: set[str] = set()
            for _ in range(_SCANS):
                # The last scan finds none: it sees what workers committed under the old name.
                every = self.store.views.services()
                found = [stored for stored in every if _names_router(stored.record, old)]
                if not found:
                    break
                moved |= self._move(found, old, new, policies[new], lock_id)
            for some in pages(self._placed(old), _AT_A_TIME):
                self._end_placements(old, lock_id, some, _names_router)
            if not self.store.fleet.forget(old, lock_id, self._dead_letters(old)):
                raise NotPossible(f"a service came to router {old} meanwhile; try again")
        return len(moved)

    @contextmanager
    def _seized(self, *routers: str) -> Iterator[str]:
        lock_id = secrets.token_hex(8)
        # A running pass stops at its next renewal, but may write until its lock expires.
        wait_ms = [self.store.fleet.seize(router, lock_id, 2 * _LOCK_MS) for router in routers]
        self.pause(max(wait_ms) / 1000)
        try:
            yield lock_id
        finally:
            for router in routers:
                self.store.fleet.release(router, lock_id)

    def _renew(self, lock_id: str, *routers: str) -> None:
        for router in routers:
            if not self.store.routers.renew(router, lock_id):
                raise LockLost(router)

    def _placed(self, router: str) -> list[str]:
        return [stored.record.service_id for stored in self.store.views.router_services(router)]

    def _dead_letters(self, router: str) -> list[str]:
        return [
            dead_letter.id
            for dead_letter in self.store.dead_letters.all()
            if dead_letter.kind == "service" and dead_letter.router == router
        ]

    def _end_placements(
        self,
        router: str,
        lock_id: str,
        services: Sequence[str],
        stays: Callable[[ServiceRecord, str], bool],
    ) -> None:
        self._renew(lock_id, router)
        now_ms = self.store.records.now_ms()
        work_items = self.store.routers.join(router, services)
        ends = [
            self._without(work_item, router, now_ms)
            for work_item in work_items
            if not stays(work_item.stored.record, router)
        ]
        if self.store.routers.conclude(router, lock_id, ends) is None:
            raise LockLost(router)

    def _without(self, work_item: WorkItem, router: str, now_ms: int) -> Conclusion:
        """Conclude a service whose row is gone with the router."""
        record = work_item.stored.record
        placements = {name: at for name, at in record.placements.items() if name != router}
        after, stands_nowhere = cleaned(record._replace(placements=placements), router)
        settled: tuple[Settled, ...] = ()
        if record.wanted_router is None and not placements and record.status == "cancelled":
            after, settled = settle(after)
        lines = [self._line(now_ms, "router-retired", router)] if after != record else []
        return Conclusion(
            work_item,
            "confirmed",
            record=after if after != record else None,
            gone=True,
            outcomes=[
                Outcome(
                    end.pending.event,
                    record.service_id,
                    end.outcome,
                    now_ms,
                    reason="" if end.by else "router-retired",
                    detail=f"by {end.by}" if end.by else "nothing was read back: it is gone",
                    router=router,
                )
                for end in settled
            ],
            lines=lines,
            quarantine=stands_nowhere,
        )

    def _move(
        self, found: Sequence[Stored], old: str, new: str, policy: RouterPolicy, lock_id: str
    ) -> set[str]:
        """Commit records under the new name; returns those that were committed."""
        claims = self.store.views.router_claims(old)
        holders = {service for by in claims.values() for service, is_held in by.values() if is_held}
        priorities = self.store.fleet.priorities(old)
        # Services that hold their claims first, so that no other gets one by the new name.
        ordered = sorted(found, key=lambda stored: stored.record.service_id not in holders)
        moved: set[str] = set()
        for some in pages(ordered, _AT_A_TIME):
            self._renew(lock_id, old, new)
            now_ms = self.store.records.now_ms()
            commits = []
            for stored in some:
                service, record = stored.record.service_id, _renamed(stored.record, old, new)
                entry = wanted_entries(record, {new: policy}).get(new)
                claimed = frozenset() if entry is None else entry.claims
                commits.append(
                    ServiceCommit(
                        service,
                        stored.generation,
                        record,
                        claims={old: frozenset(), new: claimed},
                        work_items={new: priorities.get(service, BULK)},
                        lines=[self._line(now_ms, "router-renamed", new, was=old)],
                    )
                )
            done = self.store.records.commit(commits, now_ms).done
            moved |= {c.service_id for c, through in zip(commits, done, strict=True) if through}
        return moved

    def _line(self, at_ms: int, what: str, router: str, **more: str) -> str:
        return line_to_json(at_ms, what, {"router": router, "actor": self.actor} | more)


def _wants(record: ServiceRecord, router: str) -> bool:
    now = router in (record.router, record.row_router) and record.status != "cancelled"
    return now or _schedules(record, router)


def _names_router(record: ServiceRecord, router: str) -> bool:
    named_now = router in (record.router, record.row_router) or router in record.placements
    return named_now or _schedules(record, router)


def _schedules(record: ServiceRecord, router: str) -> bool:
    return any(
        writes.get("router") == router
        for scheduled in record.schedule.pending
        for writes in (scheduled.own, scheduled.beside)
    )


def _renamed(record: ServiceRecord, old: str, new: str) -> ServiceRecord:
    """The record with the new name. Versions stay, as no event changed the service.

    So an event that was under way, newer than the one that named the router, still moves the
    service. That one changes nothing if it comes again under the former name.
    """
    registers = dict(record.registers)
    if record.router == old:
        registers["router"] = registers["router"]._replace(value=new)
    placements = {name: at for name, at in record.placements.items() if name != old}
    if old in record.placements:
        there = placements.get(new, Placement(None))
        placements[new] = there if there.written else record.placements[old]
    pending = tuple(
        each._replace(own=_under(each.own, old, new), beside=_under(each.beside, old, new))
        for each in record.schedule.pending
    )
    return record._replace(
        registers=registers,
        placements=placements,
        rows_at=record.rows_at
        and RowsAt(*(new if name == old else name for name in record.rows_at)),
        schedule=record.schedule._replace(pending=pending),
        left=tuple(
            left._replace(routers=tuple(new if name == old else name for name in left.routers))
            for left in record.left
        ),
    )


def _under(writes: Mapping[str, JsonValue], old: str, new: str) -> Mapping[str, JsonValue]:
    return {**writes, "router": new} if writes.get("router") == old else writes
