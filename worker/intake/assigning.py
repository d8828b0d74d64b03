"""Assigns addresses and prefixes of our pools to the services of a commit.

The commit takes them in the same step, and fails where another worker was faster: then the service
is folded again, and gets another value.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from worker.core.entry.assignment import (
    MOST_FIXED,
    Need,
    fixed_values,
    held_values,
    kept,
    need_of,
)
from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.policy.address_pool import KINDS, AddressPool, AddressPools
from worker.core.service.history import line_to_json
from worker.core.service.record_parts import Assigned, AssignedKind, LeftValue, Unassigned
from worker.intake.draft import CommitDraft
from worker.store.commits import LEFT, GivenBack, TakenValue
from worker.store.store import Store

MOST_AT_ONCE: Final = 1_000
"""Values of one step of a search."""
STOCK: Final = 100
"""Values that are found at once in a large pool: most commits then need not ask for any."""
OWN_KEPT_MS: Final = 60_000
"""For so long the addresses of a router itself are not read again; its passes check them, too."""


class _Wanted(NamedTuple):
    """What one service should have, of one kind."""

    draft: CommitDraft
    kind: AssignedKind
    need: Need | Unassigned | Assigned | None
    fixed: Mapping[str, str]

    @property
    def service(self) -> str:
        return self.draft.record.service_id

    def set(self, given: Assigned | None, missing: Unassigned | None = None) -> None:
        """Note in the record what the service has, and what it waits for."""
        record, kind = self.draft.record, self.kind
        assigned = {name: has for name, has in record.assigned.items() if name != kind}
        unassigned = {name: why for name, why in record.unassigned.items() if name != kind}
        if given is not None:
            assigned[kind] = given
        if missing is not None:
            unassigned[kind] = missing
        if (assigned, unassigned) != (record.assigned, record.unassigned):
            self.draft.record = record._replace(assigned=assigned, unassigned=unassigned)


@dataclass
class Assigner:
    """Assigns values to the services of one worker's commits."""

    store: Store
    pools: AddressPools
    routers: Collection[str] = ()
    _is_prepared: bool = False
    _full: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Pool -> how many values were held when a search of all of it found none."""
    _stock: dict[str, deque[str]] = field(default_factory=dict)
    """Pool -> values that were free when they were found, and that no other worker is to try."""
    _own: dict[str, tuple[int, DhcpSetup]] = field(default_factory=dict)
    """Router -> when its setup was read from the store (ms), and the setup."""

    def assign(self, drafts: Sequence[CommitDraft]) -> None:
        """Give each service what it should have, or note why it cannot; before its commit.

        `drafts`: of services that name a pool; where there are pools, of any: a fixed address may
        lie in one.
        """
        if not self._is_prepared:
            self.store.pools.prepare(self.pools, self.routers)
            self._is_prepared = True
        _Assignment(self, drafts).run()
        for draft in drafts:
            self._note_changes(draft)

    def stock(self, pool: AddressPool) -> deque[str]:
        """Values to try, the next one first."""
        return self._stock.setdefault(pool.name, deque())

    def forget_stock(self) -> None:
        """Other workers, or rows on routers, have values that were free when they were found."""
        self._stock.clear()

    def is_own(self, value: str, router: str, now_ms: int) -> bool:
        """Whether a router itself has the address, by what was read of it last."""
        read_ms, setup = self._own.get(router, (0, DhcpSetup()))
        if now_ms - read_ms > OWN_KEPT_MS:
            setup = self.store.memory.setup(router)
            self._own[router] = now_ms, setup
        return value in setup.own

    def is_full(self, pool: AddressPool, now_ms: int) -> bool:
        """Whether a search cannot find a value, or did not when as many were held."""
        use = self.store.pools.use_of(pool, now_ms)
        return not use.free or self._full.get(pool.name) == (use.given, use.quarantine)

    def note_full(self, pool: AddressPool, now_ms: int) -> None:
        """Note that a search of the whole pool found nothing: rows of others may have the rest."""
        use = self.store.pools.use_of(pool, now_ms)
        self._full[pool.name] = use.given, use.quarantine

    def _note_changes(self, draft: CommitDraft) -> None:
        """Note what the commit takes and gives back."""
        before, after = draft.before.record, draft.record
        had, has = held_values(before, self.pools), held_values(after, self.pools)
        given = {held.value for held in after.assigned.values()}
        draft.take = [
            TakenValue(value, pool, int(value not in given))
            for value, pool in has.items()
            if value not in had or draft.reassigns
        ]
        left = {value.value: value for value in after.left if value.value not in has}
        draft.give_back = []
        for value, pool in had.items():
            if value in has:
                continue
            quarantine_ms = self._quarantine_ms(pool, draft)
            until_ms = LEFT if before.placements else draft.now_ms + quarantine_ms
            draft.give_back.append(GivenBack(value, pool, until_ms))
            if before.placements:
                left[value] = LeftValue(value, pool, quarantine_ms, tuple(before.placements))
        waited = {why.pool for why in before.unassigned.values()} | draft.waited_for
        waits = {why.pool for why in after.unassigned.values()}
        draft.pool_waits = [(pool, int(pool in waits)) for pool in sorted(waited ^ waits)]
        if tuple(left.values()) != after.left:
            draft.record = after._replace(left=tuple(left.values()))
        for kind in KINDS:
            was, now = before.assigned.get(kind), after.assigned.get(kind)
            if was is not None and now is not None and was.value != now.value:
                line = {"router": after.router, "pool": now.pool, "from": was.value}
                line |= {"to": now.value}
                draft.report.lines.append(line_to_json(draft.now_ms, f"{kind} changed", line))
        draft.reconsider_loss()

    def _quarantine_ms(self, pool: str, draft: CommitDraft) -> int:
        """At least as long as a device may keep its lease."""
        known = self.pools.pools.get(pool)
        times_s = [
            time_s
            for router in draft.before.record.placements
            for time_s in draft.lease_times_s(router).values()
        ]
        return max([known.quarantine_ms if known else 0, *(time_s * 1000 for time_s in times_s)])


class _Assignment:
    """One run for the services of one commit."""

    def __init__(self, assigner: Assigner, drafts: Sequence[CommitDraft]) -> None:
        self._parts = assigner
        self._store = assigner.store
        self._pools = assigner.pools
        self._chosen: set[str] = set()
        self._now_ms = drafts[0].now_ms
        self._drafts = drafts
        self._unread: frozenset[str] | None = None

    def run(self) -> None:
        wanted = [self._wanted(draft, kind) for draft in self._drafts for kind in KINDS]
        self._holders = self._store.pools.holders(
            [value for want in wanted if want is not None for value in self._unsure(want)]
        )
        unmet: dict[str, list[_Wanted]] = {}
        for want in wanted:
            if want is None:
                continue
            if isinstance(want.need, Need):
                value = self._first(want, want.need)
                if value is not None:
                    self._choose(want, want.need.pool, value)
                else:
                    unmet.setdefault(want.need.pool.name, []).append(want)
            elif isinstance(want.need, Unassigned):
                before = want.draft.before.record
                keeps = kept(want.draft.record, before, want.kind, self._pools)
                want.set(self._what_it_keeps(want, keeps), want.need)
            elif want.need is not None:
                want.set(want.need)
            else:
                want.set(None, self._why_not_fixed(want))
        for waiting in unmet.values():
            self._search(waiting)

    def _wanted(self, draft: CommitDraft, kind: AssignedKind) -> _Wanted | None:
        record = draft.record
        if record.value("lifecycle") != "on":
            if record.unassigned:
                draft.record = record._replace(unassigned={})
            return None
        need = need_of(record, draft.before.record, kind, self._pools)
        return _Wanted(draft, kind, need, fixed_values(record, kind, self._pools))

    def _unsure(self, want: _Wanted) -> Collection[str]:
        """The values of which Redis must say who has them."""
        values = want.need.first if isinstance(want.need, Need) else tuple(want.fixed)
        if want.draft.reassigns:
            keeps = want.need.keeps if isinstance(want.need, Need) else None
            return [*values, *([keeps.value] if keeps else [])]
        had = held_values(want.draft.before.record, self._pools)
        return [value for value in values[:MOST_FIXED] if value not in had]

    def _first(self, want: _Wanted, need: Need) -> str | None:
        """What the service has, had or asks for, if it may have it."""
        had = {} if want.draft.reassigns else held_values(want.draft.before.record, self._pools)
        for value in need.first:
            holder = self._holders.get(value)
            if value in had or (holder is not None and holder.service == want.service):
                return value
            if self._is_free(value, want) and self._why_closed(need.pool) is None:
                return value
        return None

    def _is_free(self, value: str, want: _Wanted) -> bool:
        holder = self._holders.get(value)
        may = holder is None or holder.is_free(want.service, self._now_ms)
        if not may or value in self._chosen:
            return False
        return not self._parts.is_own(value, want.draft.record.router or "", self._now_ms)

    def _why_closed(self, pool: AddressPool) -> Unassigned | None:
        """Why a pool gives nothing new: after a restore its routers are read first."""
        if self._unread is None:
            self._unread = self._store.pools.unread(self._parts.routers)
        names = sorted(router for router in self._unread if pool.serves(router))
        if not names:
            return None
        detail = (
            f"pool {pool.name} gives nothing before these routers were read: {', '.join(names)}"
        )
        return Unassigned(pool.name, "pool-not-read", detail)

    def _choose(self, want: _Wanted, pool: AddressPool, value: str) -> None:
        self._chosen.add(value)
        want.set(Assigned(pool.name, value))

    def _why_not_fixed(self, want: _Wanted) -> Unassigned | None:
        """Why a service must wait for its fixed address or prefix; None: it need not."""
        for value, pool in want.fixed.items():
            if len(want.fixed) > MOST_FIXED:
                detail = f"it covers over {MOST_FIXED} prefixes of pool {pool}: exclude it there"
                return Unassigned(pool, "prefix-of-pool", detail)
            holder = self._holders.get(value)
            free = holder is None or holder.is_free(want.service, self._now_ms, is_fixed=True)
            if value in self._chosen or not free:
                detail = f"another service has {value} of pool {pool}"
                return Unassigned(pool, "address-assigned", detail)
        self._chosen.update(want.fixed)
        return None

    def _search(self, waiting: list[_Wanted]) -> None:
        """Find values of one pool for services, in their order; the rest waits."""
        need = waiting[0].need
        assert isinstance(need, Need)  # noqa: S101 - for mypy
        pool = need.pool
        missing: Unassigned | None = None
        stock, searched = self._parts.stock(pool), 0
        step = max(len(waiting), min(STOCK, pool.size // STOCK))
        while waiting:
            if stock:
                value = stock.popleft()
                if self._is_free(value, waiting[0]):
                    self._choose(waiting.pop(0), pool, value)
                continue
            missing = self._why_closed(pool) or self._why_full(pool, searched)
            if missing is not None:
                break
            step = min(step, pool.size - searched)
            stock.extend(self._next_values(pool, step))
            searched, step = searched + step, min(2 * step, MOST_AT_ONCE)
        for want in waiting:
            if isinstance(want.need, Need):
                want.set(self._what_it_keeps(want, want.need.keeps), missing)

    def _why_full(self, pool: AddressPool, searched: int) -> Unassigned | None:
        """Why no search goes on; None: it does."""
        if searched >= pool.size:
            self._parts.note_full(pool, self._now_ms)
        elif not searched or not self._parts.is_full(pool, self._now_ms):
            return None
        return Unassigned(pool.name, "pool-full", f"pool {pool.name} has no free value")

    def _next_values(self, pool: AddressPool, count: int) -> list[str]:
        """Those of the next values that are free."""
        values = [pool.at(position) for position in self._store.pools.next_positions(pool, count)]
        holders = self._store.pools.holders(values)
        return [
            value
            for value in values
            if value not in holders or holders[value].is_over(self._now_ms)
        ]

    def _what_it_keeps(self, want: _Wanted, keeps: Assigned | None) -> Assigned | None:
        """What a service has while it waits, if a row of others did not take it."""
        if keeps is None or not keeps.pool or not want.draft.reassigns:
            return keeps
        holder = self._holders.get(keeps.value)
        return keeps if holder is not None and holder.service == want.service else None
