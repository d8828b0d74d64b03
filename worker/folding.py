"""The fold of one service's events, and the commit that follows from it. Called by `accept`."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from contracts import names
from worker.admission import Admitted
from worker.core.entry import claims_of, digest_of, wanted_entries, wanted_router
from worker.core.fold import Folded, fold
from worker.core.outcome import FINAL, DeadLetter, Outcome, State, outcome_of
from worker.core.policy import RouterPolicy
from worker.core.record import Outstanding, ServiceRecord, place, settle, settle_overtaken
from worker.core.writes import differing
from worker.store.records import EventCommit, ServiceCommit, Stored, short_hash

log = structlog.get_logger()

UNCHANGED_S: Final = 3_600
"""An event that changed nothing leaves a counter, and for an hour a word to its publisher."""

REMOVAL: Final = 1
BULK: Final = 2
"""Priorities: activations first (0), then removals (1), then both of the bulk lane (2, 3)."""


class Folding:
    """One service while its events are folded; nothing of it is true before its commit.

    Args:
        stored: the record that is folded into, with its generation.
        policies: router -> policy.
        now_ms: Redis's time.
    """

    def __init__(self, stored: Stored, policies: Mapping[str, RouterPolicy], now_ms: int) -> None:
        self.service_id = stored.record.service_id
        self._before = stored
        self._record = stored.record
        self._policies = policies
        self._now_ms = now_ms
        self._said: dict[str, EventCommit] = {}
        self._contents: dict[str, str] = {}
        self._again: list[EventCommit] = []
        self._later: dict[str, Outcome] = {}
        self._counts: Counter[str] = Counter()
        self._letters: list[DeadLetter] = []
        self._lines: list[str] = []
        self._log: list[tuple[str, dict[str, Any]]] = []
        self._lanes: set[str] = set()

    def fold(self, events: Sequence[Admitted], seen: Mapping[str, str]) -> "Folding":
        """Fold events in the order in which they came (any order gives the same registers).

        Args:
            events: of this service.
            seen: event key -> short content hash of those that were committed before.
        """
        for each in events:
            earlier = self._contents.get(each.key) or seen.get(each.key)
            if earlier is None:
                self._fold_one(each)
            elif earlier == short_hash(each.content):
                self._again.append(EventCommit(each.key, each.lane, "duplicate"))
                self._note("event.duplicate", each)
            else:
                self._reject(each, "event-id-reused", "this id was used for other content")
        return self

    def commit(self) -> ServiceCommit:
        """All that follows from the fold, to be committed in one step."""
        record, overtaken = settle_overtaken(_placed(self._record))
        for end in overtaken:
            self._correct(end.outstanding, end.outcome, "", f"by {end.by}")
        marks = self._marks(record)
        if not marks:
            record = self._end_without_router(record)
        changed = record != self._before.record
        entries = wanted_entries(record, self._policies) if changed else {}
        return ServiceCommit(
            service_id=self.service_id,
            generation=self._before.generation,
            record=record if changed else None,
            claims={router: claims_of(entry) for router, entry in entries.items()},
            marks=marks if changed else {},
            events=[*self._said.values(), *self._again],
            outcomes=list(self._later.values()),
            counts=self._counts,
            letters=self._letters,
            lines=self._lines,
        )

    def tell(self) -> None:
        """Log what was committed: only now is it true."""
        for name, fields in self._log:
            log.info(name, service_id=self.service_id, **fields)

    def _fold_one(self, each: Admitted) -> None:
        owner = self._record.owner
        if owner is not None and owner != each.event.source:
            self._reject(each, "not-owner", f"the service belongs to source {owner}")
            return
        settled_before = not self._record.outstanding and self._in_sync(self._record)
        before = self._record
        folded = fold(before, each.event, each.version)
        otherwise = differing(self._record, each.event) & folded.wrote
        self._record = replace(folded.record, owner=each.event.source)
        if otherwise:
            self._note("event.previous_differs", each, registers=sorted(otherwise))
        if not folded.wrote:
            self._tell_late(each, folded, before)
        elif not folded.changed and settled_before and self._record.status != "incomplete":
            self._say(each, "unchanged", "applied", reason="already-current", seconds=UNCHANGED_S)
        else:
            self._expect(each, folded, otherwise)
        if folded.conflicts:
            self._conflict(each, folded)

    def _tell_late(self, each: Admitted, folded: Folded, before: ServiceRecord) -> None:
        """The event wrote nothing: it had been said, or newer ones hold all that it says."""
        said = (held.event for held in before.registers.values() if held.version == each.version)
        same = next(said, None)
        holders = ", ".join(sorted(set(folded.overtaken.values())))
        if same == each.event.id:
            self._again.append(EventCommit(each.key, each.lane, "duplicate"))
            self._note("event.duplicate", each)
        elif same is not None:
            detail = f"event {same} said the same under the same revision"
            self._say(each, "duplicate", "duplicate", detail=detail, seconds=UNCHANGED_S)
        else:
            self._say(each, "superseded", "superseded", detail=f"by {holders}")
            self._line(each, "superseded", by=holders)

    def _expect(self, each: Admitted, folded: Folded, otherwise: frozenset[str]) -> None:
        """The event changes something: it is outstanding until a router confirms."""
        outstanding = Outstanding(
            key=each.key,
            event_id=each.event.id,
            source=each.event.source,
            type=each.event.type,
            registers=tuple(sorted(folded.wrote)),
            version=each.version,
            accepted_at_ms=self._now_ms,
            lane=each.lane or names.QUEUE_EVENTS,
        )
        self._record = replace(self._record, outstanding=(*self._record.outstanding, outstanding))
        self._lanes.add(outstanding.lane)
        self._say(each, "accepted", "accepted")
        more = {"previous_differs": sorted(otherwise)} if otherwise else {}
        self._line(each, "accepted", changed=sorted(folded.changed), **more)

    def _conflict(self, each: Admitted, folded: Folded) -> None:
        registers = ", ".join(sorted(folded.conflicts))
        self._line(each, "revision-conflict", registers=registers)
        advice = "two events of one revision disagree: look at the source's counter"
        self._note("event.revision_conflict", each, registers=registers, advice=advice)

    def _marks(self, record: ServiceRecord) -> dict[str, int]:
        """Where a pass must look: router -> priority."""
        entries = wanted_entries(record, self._policies)
        bulk = BULK if self._lanes == {names.QUEUE_BULK} else 0
        marks = {}
        for router, placement in record.placements.items():
            entry = entries.get(router)
            written = entry is not None and entry.digest == digest_of(placement.written)
            gone = entry is not None and entry.fields is None
            if written and not gone and not (record.outstanding and router == record.router):
                continue
            removal = gone or record.status == "suspended"
            marks[router] = (REMOVAL if removal else 0) + bulk
        return marks

    def _end_without_router(self, record: ServiceRecord) -> ServiceRecord:
        """No router is concerned: events of an incomplete service wait, of a cancelled one end."""
        if record.status == "incomplete":
            for each in record.outstanding:
                detail = "the service was not activated yet: nothing is written to a router"
                self._correct(each, "waiting", "incomplete", detail)
            return record
        record, settled = settle(record)
        for end in settled:
            reason = "" if end.by else "on-no-router"
            self._correct(end.outstanding, end.outcome, reason, f"by {end.by}" if end.by else "")
        return record

    def _in_sync(self, record: ServiceRecord) -> bool:
        placed = _placed(record)
        entries = wanted_entries(placed, self._policies)
        return all(
            router in entries and entries[router].digest == digest_of(placement.written)
            for router, placement in placed.placements.items()
        )

    def _say(  # noqa: PLR0913 - the parts of one sentence
        self,
        each: Admitted,
        count: str,
        state: State,
        *,
        reason: str = "",
        detail: str = "",
        seconds: int | None = None,
    ) -> None:
        outcome = Outcome(
            key=each.key,
            event_id=each.event.id,
            source=each.event.source,
            type=each.event.type,
            service_id=self.service_id,
            state=state,
            reason=reason,
            detail=detail,
            accepted_at_ms=self._now_ms,
            at_ms=self._now_ms,
            router=self._record.router or "",
        )
        # What changed nothing is not remembered: if it comes again it changes nothing again. Nor is
        # what was rejected: after a person put things right it may be sent again.
        remembered = each.content if state != "rejected" and seconds is None else None
        self._contents[each.key] = short_hash(each.content)
        self._said[each.key] = EventCommit(each.key, each.lane, count, outcome, seconds, remembered)
        self._note(f"event.{count}", each, reason=reason, detail=detail)

    def _correct(self, outstanding: Outstanding, state: State, reason: str, detail: str) -> None:
        """Say something further of an event, of this commit or of an earlier one."""
        outcome = outcome_of(
            outstanding, self.service_id, state, self._now_ms, reason=reason, detail=detail
        )
        said = self._said.get(outstanding.key)
        if said is None:
            self._later[outstanding.key] = outcome
        else:
            self._said[outstanding.key] = replace(said, outcome=outcome)
        if state in FINAL:
            self._counts[state] += 1

    def _reject(self, each: Admitted, reason: str, detail: str) -> None:
        """Dead-letter an event; where its id was used before, the first one's outcome stands."""
        reused = reason == "event-id-reused"
        self._letters.append(
            DeadLetter(
                id=f"{each.key}.{short_hash(each.content)}" if reused else each.key,
                kind="event",
                reason=reason,
                detail=detail,
                service_id=self.service_id,
                body=json.dumps(each.raw),
                event_keys=(each.key,),
                at_ms=self._now_ms,
            )
        )
        if reused:
            self._again.append(EventCommit(each.key, each.lane, "rejected"))
            self._note("event.rejected", each, reason=reason, detail=detail)
        else:
            self._say(each, "rejected", "rejected", reason=reason, detail=detail)

    def _line(self, each: Admitted, what: str, **more: object) -> None:
        line = {"at_ms": self._now_ms, "what": what, "event": each.event.id}
        self._lines.append(json.dumps(line | {"type": each.event.type} | more))

    def _note(self, name: str, each: Admitted, **more: object) -> None:
        fields = {"event_id": each.event.id, "event_type": each.event.type}
        self._log.append((name, fields | {key: value for key, value in more.items() if value}))


def _placed(record: ServiceRecord) -> ServiceRecord:
    """The record with the router that it wants among its placements, before any write there."""
    router = wanted_router(record)
    return record if router is None else place(record, router)
