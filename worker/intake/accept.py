"""Intake: folds events into service records, and commits what follows from them.

`Accept.run` is called for each Celery message of a lane. Events come from the journal and in the
message itself. Any of them may come twice, late or broken, or may have killed a worker before.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import structlog

from contracts import names
from worker.core.entry.brake import BrakeLimits
from worker.core.policy.address_pool import AddressPools
from worker.core.policy.policy import RouterPolicy
from worker.core.storage_format import UnknownFormatError
from worker.errors import StoreUnavailable
from worker.intake.assigning import Assigner
from worker.intake.checks import (
    CheckedEvent,
    ManifestPart,
    NotAccepted,
    NotYet,
    check,
    key_of,
    present_names_in,
    text_of,
)
from worker.intake.draft import CommitDraft
from worker.intake.folding import folding_with
from worker.intake.manifest import Manifests
from worker.intake.other_workers import NEWER_MS, OtherWorkers
from worker.intake.rejections import rejection
from worker.intake.report import log_committed
from worker.intake.waiting_services import WaitingServices
from worker.inventory import SourceConfig
from worker.store.journal import JournalEntry, Taken
from worker.store.store import Store

log = structlog.get_logger()

ROUNDS: Final = 20
"""Takes of one task before it notifies another worker and ends: tasks stay short."""
MAX_REFOLDS: Final = 50
"""Refolds because another worker was faster: it commits each time, so this ends."""
BULK_AT_ONCE: Final = 10
"""Events of one take of the bulk lane: a live event waits for at most so many."""
AT_ONCE: Final[Mapping[names.Lane, int]] = {
    names.QUEUE_EVENTS: names.MAX_EVENTS_PER_MESSAGE,
    names.QUEUE_BULK: BULK_AT_ONCE,
}
"""Events of one take of a lane."""
PAUSE_S: Final = 0.05
"""Celery checks the bulk lane in a pause of this length between two tasks."""
BUSY_S: Final = 1.0
"""After so long without a pause bulk gets a turn."""


class LiveLoad:
    """Finds when live events left a worker no pause for a second: then bulk gets a turn.

    Celery serves bulk only while no live message waits, which may be never, all day.
    """

    def __init__(self) -> None:
        self._since_s = self._ended_s = 0.0

    def begin(self, now_s: float) -> None:
        """A task of live events begins."""
        if abs(now_s - self._ended_s) > PAUSE_S:
            self._since_s = now_s

    def end(self, now_s: float) -> bool:
        """The task ends; returns whether bulk gets a turn now."""
        self._ended_s = now_s
        is_long = abs(now_s - self._since_s) >= BUSY_S
        if is_long:
            self._since_s = now_s
        return is_long


class _Committed(NamedTuple):
    """The services of which a commit succeeded, and whether the lane's journal was empty then."""

    services: list[str]
    drained: bool


class _Took(NamedTuple):
    """Events of one take; whether the journal was empty after it, and a worker was notified."""

    events: int
    drained: bool
    notified: bool


@dataclass(frozen=True, slots=True)
class Accept:
    """Folds events into records.

    Attributes:
        limits: limits of the brake; None: it is off.
        clock: this worker's clock, in seconds since 1970: Redis's may be behind.
        busy: finds when bulk gets a turn.
    """

    store: Store
    sources: Mapping[str, SourceConfig]
    policies: Mapping[str, RouterPolicy]
    limits: BrakeLimits | None = None
    clock: Callable[[], float] = time.time
    busy: LiveLoad = field(default_factory=LiveLoad, compare=False)
    pools: AddressPools = field(default_factory=AddressPools)
    _assigner: Assigner = field(init=False, repr=False, compare=False)
    _waiting: WaitingServices = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the parts that assign addresses."""
        assigner = Assigner(self.store, self.pools, self.policies.keys())
        waiting = WaitingServices(self.store, self.policies, assigner, self.limits)
        object.__setattr__(self, "_assigner", assigner)
        object.__setattr__(self, "_waiting", waiting)

    def run(self, carried: Sequence[object], lane: names.Lane) -> int:
        """Fold the events of a message, then those of the journal; returns how many.

        The bulk lane is served while the live lane is empty, which is checked before each take: so
        a message of the bulk lane is folded in parts. While the live lane is never empty, bulk gets
        one take a second.
        """
        if lane == names.QUEUE_BULK:
            return self._run(carried, lane)
        self.busy.begin(self.clock())
        done = self._run(carried, lane)
        if self.busy.end(self.clock()):
            done += self._take_and_fold((), names.QUEUE_BULK).events
        return done

    def _run(self, carried: Sequence[object], lane: names.Lane) -> int:
        done, notified = 0, False
        most = AT_ONCE[lane]
        for _ in range(ROUNDS + len(carried) // most):
            if lane == names.QUEUE_BULK:
                done += self._run((), names.QUEUE_EVENTS)
            took = self._take_and_fold(carried[:most], lane, may_notify=not notified)
            carried, notified = carried[most:], notified or took.notified
            done += took.events
            if took.drained and not carried:
                return done
        if not notified:
            self.store.journal.notify(lane)
        return done

    def release(self, services: Sequence[str]) -> None:
        """Let the scheduled events of services that are due take effect; shorten their leases."""
        left = list(services)
        for _ in range(MAX_REFOLDS):
            if not left:
                return
            stored = self.store.records.readable(left)
            left = [service for service in left if service in stored]
            # The time is read after Redis found them due: so none is early, and none is missed.
            now_ms = self.store.records.now_ms()
            folding = folding_with(self.store, self.policies, now_ms)
            drafts = [folding(stored[service]).release() for service in left]
            committed = self._commit(drafts, now_ms).services
            left = [service for service in left if service not in committed]
        raise RuntimeError(f"{len(left)} records changed {MAX_REFOLDS} times under the release")

    def assign_waiting(self) -> None:
        """Give values of pools to services that wait for one; called each second."""
        self._waiting.run()

    def refuse_message(self, arguments: object) -> None:
        """Reject a message whose arguments are not a list of events and a lane."""
        entry = JournalEntry(key_of(arguments), arguments)
        why = NotAccepted(
            "invalid-message",
            f"arguments must be a list of at most {names.MAX_EVENTS_PER_MESSAGE} events and a lane",
        )
        self._reject([(entry, why)], self.store.records.now_ms())

    def _take_and_fold(
        self, carried: Sequence[object], lane: names.Lane, *, may_notify: bool = True
    ) -> _Took:
        keys = [key_of(raw) for raw in carried]
        taken = self.store.journal.take(lane, keys, max(1, AT_ONCE[lane] - len(keys)))
        notified = taken.full and may_notify
        if notified:
            self.store.journal.notify(lane)  # a second worker may take the rest meanwhile
        entries = [
            JournalEntry(key, raw, lane, begun + 1)
            for raw, key, begun in zip(carried, keys, taken.carried, strict=True)
            if begun is not None
        ]
        entries += taken.entries
        begun = [entry.key for entry in entries if entry.attempts == 1]
        try:
            drained = self._fold_taken(entries, taken, lane, begun)
        except StoreUnavailable:
            self.store.journal.not_begun(begun)
            raise
        return _Took(len(entries), drained or not entries, notified)

    def _fold_taken(
        self, entries: Sequence[JournalEntry], taken: Taken, lane: names.Lane, begun: list[str]
    ) -> bool:
        """Fold what was taken; adds the keys of further attempts to `begun`."""
        drained = self._fold_all([e for e in entries if e.attempts == 1], taken, lane)
        # The others were begun before and not ended. After a crash each is folded alone, those with
        # most attempts last, so that one poison event never fails its neighbours.
        suspects = [entry for entry in entries if entry.attempts > 1]
        journaled = {entry.key for entry in taken.entries}
        for suspect in sorted(suspects, key=lambda entry: entry.attempts):
            key = suspect.key
            attempts = self.store.journal.begin(lane, key, taken.now_ms, journaled=key in journaled)
            if attempts:  # else another worker took it meanwhile
                begun.append(key)
                drained = self._fold_all([replace(suspect, attempts=attempts)], taken, lane)
        return drained

    def _fold_all(self, entries: Sequence[JournalEntry], taken: Taken, lane: names.Lane) -> bool:
        """Fold and commit; returns whether the last commit found nothing more due in the lane."""
        drained = False
        by_service = self._check(entries, taken, lane)
        for _ in range(MAX_REFOLDS):
            if not by_service:
                return drained
            committed, drained = self._fold(by_service, taken, lane)
            for service_id in committed:
                del by_service[service_id]
            if by_service:  # a router that they name may have been renamed since the take
                taken = taken._replace(aliases=self.store.fleet.aliases())
        raise RuntimeError(f"{len(by_service)} records changed {MAX_REFOLDS} times under the fold")

    def _check(
        self, entries: Sequence[JournalEntry], taken: Taken, lane: names.Lane
    ) -> dict[str, list[CheckedEvent]]:
        """Check events: returns those to fold by service, and deals with all others."""
        now_ms, own_ms = taken.now_ms, round(self.clock() * 1000)
        rejected: list[tuple[JournalEntry, NotAccepted]] = []
        by_service: dict[str, list[CheckedEvent]] = {}
        others: OtherWorkers | None = None
        for entry in entries:
            found = check(
                *(entry, self.sources, now_ms, own_ms),
                strict=True,
                operators_secret=self.store.journal.operators_secret,
            )
            if isinstance(found, NotAccepted):
                others = others or OtherWorkers(self.store)
                found = others.check_again(entry, found, self.sources, now_ms, own_ms)
            match found:
                case CheckedEvent():
                    by_service.setdefault(found.event.data.service_id, []).append(found)
                case ManifestPart():
                    self._take_manifest(found, taken, lane)
                case NotAccepted():
                    rejected.append((entry, found))
                case NotYet():
                    if found.source:
                        log.warning("event.ahead", source=found.source, key=entry.key)
                    body = text_of(entry.raw)
                    self.store.journal.postpone(lane, entry.key, body, found.at_ms)
        if rejected:
            self._reject(rejected, now_ms)
        return by_service

    def _take_manifest(self, part: ManifestPart, taken: Taken, lane: names.Lane) -> None:
        now_ms, entry = taken.now_ms, part.entry
        manifests = Manifests(self.store)
        try:
            complete = manifests.take(part, now_ms)
        except UnknownFormatError:
            self._leave_to_newer(lane, entry.key, entry.raw)
            return
        if isinstance(complete, NotAccepted):
            self._reject([(entry, complete)], now_ms)
        elif complete is not None:
            for at in range(0, len(complete.endings), names.MAX_EVENTS_PER_MESSAGE):
                some = complete.endings[at : at + names.MAX_EVENTS_PER_MESSAGE]
                self._fold_all(some, taken, lane)
            manifests.conclude(part, complete, now_ms)

    def expire_manifests(self) -> None:
        """Dead-letter the manifests of which parts did not come in time."""
        Manifests(self.store).expire(self.store.records.now_ms())

    def _reject(self, rejected: Sequence[tuple[JournalEntry, NotAccepted]], now_ms: int) -> None:
        seen = self.store.records.seen([entry.key for entry, _ in rejected], now_ms)
        self.store.records.commit(
            [rejection(e, why, now_ms, self.sources, seen.get(e.key)) for e, why in rejected],
            now_ms,
        )

    def _fold(
        self, by_service: Mapping[str, Sequence[CheckedEvent]], taken: Taken, lane: names.Lane
    ) -> _Committed:
        """Fold and commit each service."""
        now_ms = taken.now_ms
        keys = [event.ref.key for events in by_service.values() for event in events]
        stored, seen = self.store.records.read_for(list(by_service), keys, now_ms)
        newer = by_service.keys() - stored.keys()
        for event in (event for service_id in newer for event in by_service[service_id]):
            self._leave_to_newer(lane, event.ref.key, event.raw)
        named = {
            service_id: present_names_in(by_service[service_id], taken.aliases, self.policies)
            for service_id in stored
        }
        folding = folding_with(self.store, self.policies, now_ms)
        drafts = [folding(stored[name]).fold(events, seen) for name, events in named.items()]
        committed = self._commit(drafts, now_ms, lane)
        return committed._replace(services=[*committed.services, *newer])

    def _leave_to_newer(self, lane: names.Lane, key: str, raw: object) -> None:
        """A newer version wrote the record: leave the event to a worker of that version."""
        log.warning("event.left_to_newer", key=key)
        at_ms = self.store.records.now_ms() + NEWER_MS
        self.store.journal.postpone(lane, key, text_of(raw), at_ms)

    def _commit(
        self, drafts: Sequence[CommitDraft], now_ms: int, lane: names.Lane | None = None
    ) -> _Committed:
        """Commit drafts, and log what was committed."""
        for draft in drafts:
            for source, conflicts in draft.conflicts.items():
                self.store.conflicts.note(source, conflicts, now_ms)
        of_pools = [d for d in drafts if self.pools.pools or d.record.names_a_pool]
        if of_pools:
            self._assigner.assign(of_pools)
        commits = [draft.commit() for draft in drafts]
        result = self.store.records.commit(commits, now_ms, self.limits, lane)
        committed = [draft for draft, done in zip(drafts, result.done, strict=True) if done]
        if len(committed) < len(drafts):
            self._assigner.forget_stock()
        for draft in committed:
            draft.report.write_logs()
        if result.alarms or result.braked or result.approved:
            log_committed(self.store, result)
        return _Committed([draft.record.service_id for draft in committed], result.drained)
