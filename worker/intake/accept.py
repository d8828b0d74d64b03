"""Use case 1: an event becomes a record, claims, marks and an outcome, in one commit.

Events come from the journal and in the message itself; any of them may come twice, late, broken, or
right after it ended a worker.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final, NamedTuple

import structlog

from contracts import names
from worker.core.entry.brake import HELD_MESSAGE, BrakeLimits
from worker.core.policy.policy import RouterPolicy
from worker.core.service.former_names import former_only, with_present_names
from worker.core.storage_format import UnknownFormatError
from worker.errors import StoreUnavailable
from worker.intake.checks import (
    ID_REUSED,
    CheckedEvent,
    Intake,
    ManifestPart,
    NotAccepted,
    NotYet,
    admit,
    key_of,
    object_of,
    refusal,
    text_of,
)
from worker.intake.folding import Folding
from worker.intake.manifest import Manifests
from worker.inventory import SourceConfig
from worker.store.journal import Taken
from worker.store.records import Committed, EventCommit, ServiceCommit, short_hash
from worker.store.sources import Crossing
from worker.store.store import Store

log = structlog.get_logger()

ROUNDS: Final = 20
"""Takes of one task before it rings for another and ends: tasks stay short."""
BULK_AT_ONCE: Final = 10
"""Events of one take of the bulk lane: a live event waits for no more of them."""
NEWER_MS: Final = 1_000
"""An event that only a newer version can fold is left for so long to a worker of that version."""
KNOWN_ELSEWHERE_MS: Final = 2_000
"""An event of a source that only other workers know is left to one of them for so long."""
PAUSE_S: Final = 0.05
"""Between two tasks, in which Celery looks whether a message of the bulk lane waits."""
BUSY_S: Final = 1.0
MAX_REFOLDS: Final = 50
"""Another worker was faster: each time it got a commit through, so this ends."""


class _Through(NamedTuple):
    """The services of which a commit went through, and whether it saw the lane's journal empty."""

    services: list[str]
    drained: bool


class _Took(NamedTuple):
    """What came of one take.

    Attributes:
        events: how many.
        drained: the journal was seen empty after it.
        notified: another worker was called for the rest.
    """

    events: int
    drained: bool
    notified: bool


class Busy:
    """Says when live events left a worker no pause for a second: then bulk has a turn.

    Celery gives it one only while no message of the other lane waits: that may be never, all day.
    """

    def __init__(self) -> None:
        self._since_s = self._ended_s = 0.0

    def begin(self, now_s: float) -> None:
        """A task of live events begins."""
        if abs(now_s - self._ended_s) > PAUSE_S:
            self._since_s = now_s

    def end(self, now_s: float) -> bool:
        """It ends; whether bulk has a turn now."""
        self._ended_s = now_s
        is_long = abs(now_s - self._since_s) >= BUSY_S
        if is_long:
            self._since_s = now_s
        return is_long


@dataclass(frozen=True, slots=True)
class Accept:
    """Folds events into records.

    Attributes:
        store: the store.
        sources: who may publish, and how each orders its events.
        policies: router -> policy.
        limits: of the brake; None: it is switched off.
        clock: of this worker, in seconds since 1970: Redis's may be behind.
        busy: whether live events leave it a pause.
    """

    store: Store
    sources: Mapping[str, SourceConfig]
    policies: Mapping[str, RouterPolicy]
    limits: BrakeLimits | None = None
    clock: Callable[[], float] = time.time
    busy: Busy = field(default_factory=Busy, compare=False)

    def run(self, carried: Sequence[object], lane: names.Lane) -> int:
        """Fold the events of a message, then what the journal holds; returns how many.

        The bulk lane is served while the other is empty: that one is looked at before each take.
        What a message of it carries is worked through in parts for that. While the other never is,
        it has a take a second.
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
        most = _at_once(lane)
        for _ in range(ROUNDS + len(carried) // most):
            if lane == names.QUEUE_BULK:
                done += self._drain(names.QUEUE_EVENTS)
            took = self._take_and_fold(carried[:most], lane, may_notify=not notified)
            carried, notified = carried[most:], notified or took.notified
            done += took.events
            if took.drained and not carried:
                return done
        if not notified:
            self.store.journal.notify(lane)
        return done

    def release(self, services: Sequence[str]) -> None:
        """Let the scheduled events of services take effect whose time has come."""
        left = list(services)
        for _ in range(MAX_REFOLDS):
            if not left:
                return
            stored = self.store.records.readable(left)
            left = [service for service in left if service in stored]
            # Read after Redis named them due, by its clock: so never early, and none is missed.
            now_ms = self.store.records.now_ms()
            last_read = cache(self.store.full_reads.last_ms)
            foldings = [
                Folding(stored[s], self.policies, now_ms, last_read).release() for s in left
            ]
            through = self._through(foldings, now_ms).services
            left = [service for service in left if service not in through]
        raise RuntimeError(f"{len(left)} records changed {MAX_REFOLDS} times under the release")

    def _log_brake(self, result: Committed) -> None:
        for hold, taken in result.braked.items():
            log.error("brake.held", hold=hold, services=taken, advice="see `leasewire brake list`")
            self.store.alerts.begin("brake", hold, HELD_MESSAGE)
        if result.let_go:
            left = self.store.brake.approvals()
            for alert in self.store.alerts.open():
                if alert.kind == "brake" and alert.subject not in left:
                    self.store.alerts.end("brake", alert.subject, "nothing is held any more")

    def _log_sources(self, crossings: Sequence[Crossing]) -> None:
        for crossing in crossings:
            if crossing.up:
                log.error(
                    "source.mostly_superseded",
                    **crossing.fields(),
                    advice="it counts from lower revisions, as after a restore? See "
                    "`leasewire sources rebase`; else its queue delivers in the wrong order",
                )
            else:
                log.info("source.recovered", **crossing.fields())

    def refuse_message(self, arguments: object) -> None:
        """Keep a message whose arguments are not a list of events and a lane, and say so."""
        intake = Intake(arguments, None, 1, key_of(arguments))
        why = NotAccepted(
            "invalid-message",
            f"arguments must be a list of at most {names.MAX_EVENTS_PER_MESSAGE} events and a lane",
        )
        now_ms = self.store.records.now_ms()
        self._refuse([(intake, why)], now_ms)

    def _drain(self, lane: names.Lane) -> int:
        done = 0
        for _ in range(ROUNDS):
            took = self._take_and_fold((), lane)
            done += took.events
            if took.drained:
                break
        return done

    def _take_and_fold(
        self, carried: Sequence[object], lane: names.Lane, *, may_notify: bool = True
    ) -> _Took:
        keys = [key_of(raw) for raw in carried]
        taken = self.store.journal.take(lane, keys, max(1, _at_once(lane) - len(keys)))
        taken = taken._replace(aliases=former_only(taken.aliases, self.policies))
        notified = taken.full and may_notify
        if notified:
            self.store.journal.notify(lane)  # a second worker may take the rest meanwhile
        work = [
            Intake(raw, lane, begun + 1, key)
            for raw, key, begun in zip(carried, keys, taken.carried, strict=True)
            if begun is not None
        ]
        work += [Intake(e.body, lane, e.begun + 1, e.key) for e in taken.entries]
        begun = [each.key for each in work if each.attempts == 1]
        try:
            drained = self._fold_taken(work, taken, lane, begun)
        except StoreUnavailable:
            self.store.journal.not_begun(begun)
            raise
        return _Took(len(work), drained or not work, notified)

    def _fold_taken(
        self, work: Sequence[Intake], taken: Taken, lane: names.Lane, begun: list[str]
    ) -> bool:
        """Fold what was taken; what is begun for it is added to `begun`."""
        drained = self._fold_all([each for each in work if each.attempts == 1], taken, lane)
        # What was begun before did not end: after a crash each is worked through alone, those that
        # may have caused it last, so that one poison event never takes its neighbours with it.
        suspects = [each for each in work if each.attempts > 1]
        journaled = {each.key for each in taken.entries}
        for suspect in sorted(suspects, key=lambda each: each.attempts):
            key = suspect.key
            attempts = self.store.journal.begin(lane, key, taken.now_ms, journaled=key in journaled)
            if attempts:  # else another worker took it meanwhile
                begun.append(key)
                drained = self._fold_all([replace(suspect, attempts=attempts)], taken, lane)
        return drained

    def _fold_all(self, work: Sequence[Intake], taken: Taken, lane: names.Lane) -> bool:
        """Fold and commit; returns whether the last commit found nothing more due in the lane."""
        drained = False
        by_service = self._admit(work, taken, lane)
        for _ in range(MAX_REFOLDS):
            if not by_service:
                return drained
            through, drained = self._commit(by_service, taken, lane)
            for service_id in through:
                del by_service[service_id]
            if by_service:  # a router that they name may have another name since the take
                aliases = former_only(self.store.fleet.aliases(), self.policies)
                taken = taken._replace(aliases=aliases)
        raise RuntimeError(f"{len(by_service)} records changed {MAX_REFOLDS} times under the fold")

    def _admit(
        self, work: Sequence[Intake], taken: Taken, lane: names.Lane
    ) -> dict[str, list[CheckedEvent]]:
        """What is to be folded, by service; of all else it is said or done what it comes to."""
        now_ms, own_ms = taken.now_ms, round(self.clock() * 1000)
        refused: list[tuple[Intake, NotAccepted]] = []
        by_service: dict[str, list[CheckedEvent]] = {}
        for each in work:
            found = admit(each, self.sources, now_ms, own_ms)
            match found:
                case CheckedEvent():
                    by_service.setdefault(found.event.service_id, []).append(found)
                case ManifestPart():
                    self._take_manifest(found, taken, lane)
                case NotAccepted("source-not-allowed") if self._is_known_elsewhere(each):
                    log.warning(
                        "event.of_a_newer_inventory",
                        key=each.key,
                        advice="another worker knows its source: restart this one, too",
                    )
                    self.store.journal.postpone(
                        lane, each.key, text_of(each.raw), now_ms + KNOWN_ELSEWHERE_MS
                    )
                case NotAccepted():
                    refused.append((each, found))
                case NotYet():
                    log.warning("event.ahead", source=found.source, key=each.key)
                    self.store.journal.postpone(lane, each.key, text_of(each.raw), found.at_ms)
        self._refuse(refused, now_ms)
        return by_service

    def _is_known_elsewhere(self, each: Intake) -> bool:
        """Whether a living worker knows the source, as while they are restarted one by one."""
        source = object_of(each.raw).get("source")
        return isinstance(source, str) and self.store.sources.is_known(source)

    def _take_manifest(self, part: ManifestPart, taken: Taken, lane: names.Lane) -> None:
        now_ms, each = taken.now_ms, part.intake
        seen = self.store.records.seen([part.key], now_ms).get(part.key)
        if seen == short_hash(part.content):
            again = EventCommit(part.key, part.lane, "duplicate")
            self.store.records.commit([ServiceCommit("", events=[again])], now_ms)
            return
        if seen is not None:
            self._refuse([(each, ID_REUSED)], now_ms)
            return
        manifests = Manifests(self.store)
        try:
            endings = manifests.take(part, now_ms)
        except UnknownFormatError:
            self._leave_to_newer(lane, each.key, each.raw)
            return
        for at in range(0, len(endings), names.MAX_EVENTS_PER_MESSAGE):
            self._fold_all(endings[at : at + names.MAX_EVENTS_PER_MESSAGE], taken, lane)
        manifests.conclude(part, now_ms)

    def expire_manifests(self) -> None:
        """Give manifests up of which parts did not come in time."""
        Manifests(self.store).expire(self.store.records.now_ms())

    def _refuse(self, refused: Sequence[tuple[Intake, NotAccepted]], now_ms: int) -> None:
        seen = self.store.records.seen([each.key for each, _ in refused], now_ms)
        self.store.records.commit(
            [refusal(each, why, now_ms, self.sources, seen.get(each.key)) for each, why in refused],
            now_ms,
        )

    def _commit(
        self, by_service: Mapping[str, Sequence[CheckedEvent]], taken: Taken, lane: names.Lane
    ) -> _Through:
        """Fold and commit each service."""
        now_ms = taken.now_ms
        keys = [each.key for events in by_service.values() for each in events]
        stored, seen = self.store.records.read_for(list(by_service), keys, now_ms)
        newer = by_service.keys() - stored.keys()
        for each in (each for service_id in newer for each in by_service[service_id]):
            self._leave_to_newer(lane, each.key, each.raw)
        last_read = cache(self.store.full_reads.last_ms)
        foldings = [
            Folding(stored[service_id], self.policies, now_ms, last_read).fold(
                [_with_present_names(each, taken.aliases) for each in events], seen
            )
            for service_id, events in by_service.items()
            if service_id in stored
        ]
        through = self._through(foldings, now_ms, lane)
        return through._replace(services=[*through.services, *newer])

    def _leave_to_newer(self, lane: names.Lane, key: str, raw: object) -> None:
        """What it is about was written by a newer version: a worker of that one folds the event."""
        log.warning("event.left_to_newer", key=key)
        at_ms = self.store.records.now_ms() + NEWER_MS
        self.store.journal.postpone(lane, key, text_of(raw), at_ms)

    def _through(
        self, foldings: Sequence[Folding], now_ms: int, lane: names.Lane | None = None
    ) -> _Through:
        """Commit foldings, and tell."""
        for each in foldings:
            for source, found in each.conflicts.items():
                self.store.conflicts.note(source, found, now_ms)
        commits = [each.commit() for each in foldings]
        result = self.store.records.commit(commits, now_ms, self.limits, lane)
        through = [each for each, done in zip(foldings, result.done, strict=True) if done]
        for each in through:
            each.write_logs()
        self._log_sources(result.crossings)
        self._log_brake(result)
        return _Through([each.service_id for each in through], result.drained)


def _at_once(lane: names.Lane) -> int:
    return BULK_AT_ONCE if lane == names.QUEUE_BULK else names.MAX_EVENTS_PER_MESSAGE


def _with_present_names(each: CheckedEvent, aliases: Mapping[str, str]) -> CheckedEvent:
    event = with_present_names(each.event, aliases)
    if event is each.event:
        return each
    log.info(
        "event.former_router_name",
        event_id=event.id,
        service_id=event.service_id,
        advice="the BSS calls a renamed router by its former name: correct it there",
    )
    return replace(each, event=event)
