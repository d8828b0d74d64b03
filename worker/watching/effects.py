"""Reads on the routers whether applied changes act, until they do.

It reads a few rows of each router in sessions of its own, and adds outcomes to the feed.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Final, NamedTuple

import structlog

from worker.compute_gate import ComputeGate, Turn
from worker.core.effect.acting import judge
from worker.core.effect.applied_change import AppliedChange
from worker.core.effect.means import by_family
from worker.core.effect.reading import EffectReading, SeenFlow
from worker.core.effect.rungs import ActedBefore, EffectiveBy
from worker.core.effect.watch import FORGET_MS
from worker.core.entry.wanted import KINDS, kind_of
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import member_id
from worker.core.service.outcome import EffectReport
from worker.core.service.record import ServiceRecord
from worker.errors import RouterBlocked, RouterBusy, RouterUnreachable
from worker.ports import RouterSession, RouterSessions, TrackedConnections, borrowed
from worker.store.router_admin import FULL_READ_GOOD_MS
from worker.store.router_memory import SLOW_SEARCH_RESTS_MS, Known
from worker.store.store import Store
from worker.store.watches import AwaitedEffect, ReadEffect
from worker.watching.effect_queries import flows_to_search, read
from worker.watching.left_connections import cut_left

log = structlog.get_logger()

MOST: Final = 100
"""Changes of one round, a second long: a query of some kilobytes."""
_AT_ONCE: Final = 4
"""Routers read at a time."""
_BUSY_MS: Final = 2_000
_Clock = Callable[[], int]
"""Redis's time (ms)."""


class _Due(NamedTuple):
    """A change that is read now, at each device that it is about."""

    awaited: AwaitedEffect
    changes: Sequence[AppliedChange]


@dataclass(frozen=True, slots=True)
class EffectReader:
    """Reads whether changes act.

    It has sessions of its own. While a pass of this process computes, no read does: they share one
    gate.
    """

    store: Store
    sessions: RouterSessions
    policies: Mapping[str, RouterPolicy]
    gate: ComputeGate = field(default_factory=ComputeGate)

    def once(self) -> int:
        """Do one round; returns the number of changes that were due."""
        began = monotonic()
        now_ms, awaited = self.store.watches.take(MOST)
        stored = self.store.records.readable([effect.service_id for effect in awaited])
        by_router: dict[str, list[_Due]] = defaultdict(list)
        found = []
        for effect in awaited:
            if effect.service_id not in stored:  # it is left to a worker of a newer version
                found.append(_later(effect, now_ms))
                continue
            record = stored[effect.service_id].record
            changes = effect.watch.changes(record, effect.router)
            router = self._seen_at(effect.router, record)
            policy = self.policies.get(effect.router)
            if policy is not None:
                changes = [change.within(policy.suspend_list) for change in changes]
            if not (changes and router) or now_ms - effect.watch.applied_ms > FORGET_MS:
                found.append(ReadEffect(effect, None, 0))
            else:
                by_router[router].append(_Due(effect, changes))
        if by_router:
            with ThreadPoolExecutor(min(_AT_ONCE, len(by_router))) as pool:
                pages = pool.map(
                    lambda router: self._read_in_turn(router, by_router[router], now_ms, began),
                    by_router,
                )
                found += [effect for page in pages for effect in page]
        self.store.watches.report(found)
        return len(awaited)

    def _seen_at(self, router: str, record: ServiceRecord) -> str:
        """The router that shows whether changes of a row act; empty: nobody knows it any more.

        A User Manager has the rows, and the service's own router its devices.
        """
        policy = self.policies.get(router)
        if policy is None or not kind_of(policy).serves_others:
            return router
        return record.router or "" if record.row_router == router else ""

    def _read_in_turn(
        self, router: str, due: Sequence[_Due], now_ms: int, began: float
    ) -> list[ReadEffect]:
        with self.gate.turn() as turn:
            return self._read_router(router, due, now_ms, began, turn)

    def _read_router(
        self, router: str, due: Sequence[_Due], now_ms: int, began: float, turn: Turn
    ) -> list[ReadEffect]:
        """Read one router; what cannot be read now is read later, and less often."""
        later = [_later(effect, now_ms) for effect, _ in due]
        if router not in self.policies or self.store.views.state(router).state != "up":
            return later
        try:
            with borrowed(self.sessions, router, turn) as session:
                known = self.store.memory.known(router)
                self._cut_left(session, router, known, lambda: now_ms + _ms_since(began))
                found = self._judge(session, router, due, known, lambda: now_ms + _ms_since(began))
                for holder in {effect.awaited.router for effect in found}:
                    of_it = known if holder == router else self.store.memory.known(holder)
                    self._remember(holder, session.version, of_it, found)
                return found
        except RouterBusy:
            return [found._replace(next_ms=now_ms + _BUSY_MS) for found in later]
        except (RouterUnreachable, RouterBlocked):
            return later
        except Exception:
            log.exception("effects.read_failed", router=router, changes=len(due))
            return later

    def _judge(
        self,
        session: RouterSession,
        router: str,
        due: Sequence[_Due],
        known: Known,
        clock: _Clock,
    ) -> list[ReadEffect]:
        kind = KINDS[session.entries]
        if not (kind.shows_devices or kind.serves_others):
            return [ReadEffect(effect, None, 0) for effect, _ in due]
        changes = [change for at in due for change in at.changes]
        users = [self.policies[at.awaited.router] for at in due if at.changes[0].by_radius]
        policy = users[0] if users else self.policies[router]
        reading = read(session, changes, policy, leases=kind.serves_others)
        if users:
            known = self._with_facts(session, router, policy, known, clock())
        known = self._with_ipv6(session, router, changes, known)
        flows = flows_to_search(changes, reading, known.effect)
        if flows and clock() >= known.no_search_before_ms:
            for family in by_family(flows):
                seen = self._search(session, router, family, clock)
                ipv6 = ":" in family[0]
                reading = replace(reading, flows6=seen) if ipv6 else replace(reading, flows=seen)
        messages = self._messages(router, due)
        return [_judged(at, reading, known, clock(), messages) for at in due]

    def _with_facts(
        self, session: RouterSession, router: str, policy: RouterPolicy, known: Known, now_ms: int
    ) -> Known:
        """Read what decides when changes act where no full read does: no row is there."""
        if known.effect.read_at_ms > now_ms - FULL_READ_GOOD_MS:
            return known
        found = session.read_effect(policy.suspend_list, (), lambda: None)
        facts = replace(found, read_at_ms=now_ms)
        self.store.memory.note_effect(router, facts)
        return replace(known, effect=facts)

    def _with_ipv6(
        self, session: RouterSession, router: str, changes: Sequence[AppliedChange], known: Known
    ) -> Known:
        """Read the IPv6 rules for the first suspended prefix; from then on full reads do."""
        listed = (place for change in changes for place in change.listed)
        if known.effect.ipv6_filter is not None or all(":" not in at.address for at in listed):
            return known
        policy = self.policies[router]
        found = session.read_effect(
            policy.suspend_list, (), lambda: None, ipv6_list=policy.ipv6_list
        )
        facts = replace(known.effect, ipv6_filter=found.ipv6_filter)
        self.store.memory.note_effect(router, facts)
        return replace(known, effect=facts)

    def _messages(self, router: str, due: Sequence[_Due]) -> dict[str, str]:
        """Service or further device -> what became of the message that it should renew."""
        awaited = {
            member_id(effect.service_id, change.number): effect.watch.applied_ms
            for effect, changes in due
            for change in changes
            if effect.watch.by.startswith("reconfigure")
        }
        return {
            member: f"the router did not tell it to renew: {message.refused}"
            if message.refused
            else "it was told to renew, and has not done so"
            for member, message in self.store.reconfigures.of(router, list(awaited)).items()
            if message.at_ms >= awaited[member]
        }

    def _cut_left(self, session: RouterSession, router: str, known: Known, clock: _Clock) -> None:
        policy = self.policies[router]
        if known.left and policy.mode == "manage" and clock() >= known.no_search_before_ms:
            find = partial(self._find, session, router, clock)
            cut_left(self.store, session, router, known.left, find)

    def _search(
        self, session: RouterSession, router: str, addresses: Collection[str], clock: _Clock
    ) -> Sequence[SeenFlow] | None:
        found = self._find(session, router, clock, addresses)
        return None if found.problem else found.flows

    def _find(
        self, session: RouterSession, router: str, clock: _Clock, addresses: Collection[str]
    ) -> TrackedConnections:
        """Find tracked connections; a router that is too slow for that rests."""
        try:
            return session.find_connections(addresses, lambda: None)
        except RouterUnreachable as error:
            if isinstance(error.__cause__, TimeoutError):
                self.store.memory.note_slow_search(router, clock() + SLOW_SEARCH_RESTS_MS)
            raise

    def _remember(
        self, router: str, version: str, known: Known, found: Sequence[ReadEffect]
    ) -> None:
        """Remember how fast the changes of a router's rows acted that act now."""
        acted = dict(known.acted)
        for effect in found:
            report, by = effect.report, EffectiveBy.from_text(effect.awaited.watch.by)
            if effect.awaited.router != router or by is None:
                continue
            if report is None or report.state != "acting":
                continue
            before = acted.get((report.kind, by.rung))
            times = before.times + 1 if before and before.version == version else 1
            acted[report.kind, by.rung] = ActedBefore(report.after_ms, times, version)
        new = {what: seen for what, seen in acted.items() if known.acted.get(what) != seen}
        self.store.memory.note_acted(router, new)


def _later(effect: AwaitedEffect, now_ms: int) -> ReadEffect:
    return ReadEffect(effect, None, effect.watch.next_ms(now_ms), effect.watch.reported)


def _ms_since(began: float) -> int:
    return round((monotonic() - began) * 1000)


def _judged(
    due: _Due, reading: EffectReading, known: Known, read_ms: int, messages: Mapping[str, str]
) -> ReadEffect:
    """What is new of a change after a read: it acts if it does at each device."""
    effect, watch = due.awaited, due.awaited.watch
    verdicts = [(change, judge(change, reading, known.effect, read_ms)) for change in due.changes]
    change, verdict = next((at for at in verdicts if not at[1].acting), verdicts[0])
    kind, after_ms = change.kinds[0], max(0, read_ms - change.applied_ms)
    if verdict.acting:
        detail = f"{verdict.detail}, read {after_ms / 1000:.1f} s after it was applied"
        report = EffectReport("acting", kind, read_ms, after_ms, verdict.reason, detail)
        return ReadEffect(effect, report, 0)
    key, detail, until_ms = watch.report_of(verdict, read_ms)
    message = messages.get(member_id(effect.service_id, change.number))
    if message and verdict.reason == "keeps-old-lease":
        detail = f"{detail}; {message}"
    if change.number:
        key, detail = f"{change.number}/{key}", f"device {change.number}: {detail}"
    next_ms = watch.next_ms(read_ms, until_ms)
    if key == watch.reported:
        return ReadEffect(effect, None, next_ms, key)
    report = EffectReport(
        "not-acting-yet", kind, read_ms, after_ms, verdict.reason, detail, until_ms
    )
    return ReadEffect(effect, report, next_ms, key)
