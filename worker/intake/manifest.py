"""Takes manifests: a source lists all its services, and the missing ones are ended.

Nothing happens before all parts are there. A service is missing only if no newer event named it:
the events that end it carry the time of the list (`asof`), so newer events win. They are folded as
all others are, under the brake.

A source may send a new list under the same id after its job failed half-way. Parts belong together
only if they agree on everything but the list: two attempts are never joined.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

import structlog

from contracts import names
from contracts.identity import canonical_json, deterministic_id, event_key
from contracts.manifest import ManifestData
from contracts.parse import MAX_CLOCK_SKEW
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import DeadLetter, Outcome, State
from worker.core.service.record import ServiceRecord
from worker.intake.checks import ID_REUSED, ManifestPart, NotAccepted, microseconds
from worker.store.commits import EventCommit, ServiceCommit
from worker.store.journal import JournalEntry
from worker.store.manifests import StoredPart
from worker.store.store import Store

log = structlog.get_logger()

_NAMED: Final = 20
"""An outcome names so many services; the log names all of them."""
_TYPE: Final = "leasewire.inventory.manifest.v1"
_ENDS: Final = {"suspend": "suspended", "cancel": "cancelled"}


class Unlisted(NamedTuple):
    """The services of a source that it does not list.

    Attributes:
        gone: no newer event named them.
        newer: one did, so they are left alone.
    """

    gone: list[ServiceRecord]
    newer: list[ServiceRecord]


def missing_of(
    store: Store, source: str, listed: set[str], routers: Sequence[str] | None, taken_at_ms: int
) -> Unlisted:
    """The services of a source that it does not list.

    The source's clock may be ahead of ours by as much as the contract allows: an event that came so
    shortly before may be newer than the list. The next list finds such a service.

    Reads all records: about a second for a hundred thousand.
    """
    known_ms = taken_at_ms - MAX_CLOCK_SKEW // timedelta(milliseconds=1)
    found = Unlisted([], [])
    for record in (stored.record for stored in store.views.services()):
        if (
            record.owner == source
            and record.service_id not in listed
            and record.status in ("active", "suspended")
            and (routers is None or record.router in routers)
        ):
            (found.gone if record.last_event_ms <= known_ms else found.newer).append(record)
    for records in found:
        records.sort(key=lambda record: record.service_id)
    return found


class Complete(NamedTuple):
    """A manifest of which all parts are there.

    Attributes:
        endings: events that end the missing services; to be folded before `conclude`, so that a
            crash in between repeats all of it.
        detail: one sentence for its outcome.
        parts: all of them.
    """

    endings: list[JournalEntry]
    detail: str
    parts: Sequence[StoredPart]


class Manifests:
    """Takes the parts of manifests."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, part: ManifestPart, now_ms: int) -> Complete | NotAccepted | None:
        """Keep a part, unless it came before; the last one completes the manifest."""
        data, event, key = part.event.data, part.event, part.entry.key
        seen = self._store.records.seen([key], now_ms).get(key)
        if seen == part.content:
            self._commit([EventCommit(key, part.entry.lane, "duplicate")], now_ms)
            return None
        if seen is not None:
            return ID_REUSED
        kept = StoredPart(key, event.id, [service.service_id for service in data.services])
        parts = self._store.manifests.keep(_name(part), data.part, kept, now_ms)
        if not set(range(1, data.parts + 1)) <= parts.keys():
            detail = f"{len(parts)} of {data.parts} parts are here"
            self._commit([self._accepted(part, "accepted", detail, now_ms)], now_ms)
            return None
        listed = {service for one_part in parts.values() for service in one_part.services}
        taken_at_ms = microseconds(data.taken_at) // 1000
        gone = missing_of(self._store, event.source, listed, data.scope.routers, taken_at_ms).gone
        missing = [record.service_id for record in gone]
        action = {"report": "reported", "suspend": "suspended", "cancel": "cancelled"}[data.missing]
        log.info("manifest.complete", source=event.source, missing=missing, action=action)
        shown = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
        detail = f"{len(listed)} listed, {len(missing)} missing and {action}"
        # Who is suspended stays so, in the way in which the BSS suspended it.
        stays = {"cancel": (), "suspend": ("suspended",)}.get(data.missing, ("active", "suspended"))
        ending = [record.service_id for record in gone if record.status not in stays]
        endings = list(_endings(part, ending))
        return Complete(endings, detail + (f": {shown}" if shown else ""), list(parts.values()))

    def conclude(self, part: ManifestPart, complete: Complete, now_ms: int) -> None:
        """Everything that follows from the manifest is folded: all its parts are applied."""
        others = [other for other in complete.parts if other.key != part.entry.key]
        source, detail = part.event.source, complete.detail
        ends = _ends(others, source, "applied", now_ms, reason="", detail=detail)
        self._commit([self._accepted(part, "applied", detail, now_ms), *ends], now_ms)
        self._store.manifests.forget(_name(part))

    def expire(self, now_ms: int) -> None:
        """Dead-letter the manifests of which parts did not come in time."""
        for name, parts in self._store.manifests.overdue(now_ms).items():
            detail = (
                "not all of its parts came within an hour; send the whole manifest again, with one "
                "taken_at, parts, scope and missing in all of them"
            )
            dead_letter = DeadLetter(
                id=f"manifest-{event_key('', name)}",
                kind="event",
                reason="manifest-incomplete",
                detail=f"{name}: {len(parts)} came; {detail}",
                body=json.dumps({"manifest": name, "events": [part.event_id for part in parts]}),
                event_keys=tuple(part.key for part in parts),
                at_ms=now_ms,
                source=name.partition("|")[0],
            )
            log.error("manifest.incomplete", manifest=name, parts=len(parts), advice=detail)
            reason, source = dead_letter.reason, dead_letter.source
            ends = _ends(parts, source, "failed", now_ms, reason=reason, detail=detail)
            self._store.records.commit(
                [ServiceCommit("", events=ends, dead_letters=[dead_letter])], now_ms
            )
            self._store.manifests.forget(name)

    def _commit(self, events: Sequence[EventCommit], now_ms: int) -> None:
        self._store.records.commit([ServiceCommit("", events=events)], now_ms)

    @staticmethod
    def _accepted(part: ManifestPart, state: State, detail: str, now_ms: int) -> EventCommit:
        event, key = part.event, part.entry.key
        ref = EventRef(key, event.id, event.source, event.type, now_ms)
        outcome = Outcome(ref, "", state, now_ms, detail=detail)
        return EventCommit(key, part.entry.lane, "accepted", outcome, part.content)


def _ends(  # noqa: PLR0913 - what an outcome has
    parts: Sequence[StoredPart], source: str, state: State, now_ms: int, *, reason: str, detail: str
) -> list[EventCommit]:
    """The last outcomes of parts that were accepted before."""
    refs = [EventRef(part.key, part.event_id, source, _TYPE, now_ms) for part in parts]
    outcomes = [Outcome(ref, "", state, now_ms, reason, detail) for ref in refs]
    return [EventCommit(outcome.key, None, "", outcome) for outcome in outcomes]


def _name(part: ManifestPart) -> str:
    return f"{part.event.source}|{part.event.data.manifest_id}|{_attempt(part.event.data)}"


def _attempt(data: ManifestData) -> str:
    """What all parts of one list have in common, and the parts of another attempt do not."""
    routers = None if data.scope.routers is None else sorted(data.scope.routers)
    common = [data.parts, microseconds(data.taken_at), routers, data.missing]
    return sha256(canonical_json(common)).hexdigest()[:12]


def _endings(part: ManifestPart, missing: Sequence[str]) -> Iterator[JournalEntry]:
    # Events that came after that stand, also those that came while the records were read.
    moment = (part.event.data.taken_at - MAX_CLOCK_SKEW).isoformat()
    for service_id in missing:
        event: dict[str, Any] = {
            "specversion": "1.0",
            "source": part.event.source,
            "type": f"leasewire.service.{_ENDS[part.event.data.missing]}.v1",
            "subject": f"service/{service_id}",
            "time": moment,
            "datacontenttype": "application/json",
            "causationid": part.event.id,
            "asof": moment,
            "data": {"service_id": service_id, "reason": {"code": "not-in-manifest"}},
        }
        event["id"] = deterministic_id(event)
        yield JournalEntry(event_key(event["source"], event["id"]), event, names.QUEUE_BULK)
