"""Use case 5: a source lists all its services, and those that are missing are found.

Nothing happens before all parts are there. What is missing is only what nothing newer was heard of:
the events that end it say so themselves (`asof`), so that whatever comes between counts. They are
folded as all others are, under the brake.

A source may list anew under the same id, after its job failed half-way. Parts belong together only
where they say the same of all that is no list: two attempts are never joined.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import structlog

from contracts import deterministic_id, event_key, names
from contracts.identity import canonical_json
from contracts.manifest import ManifestData
from contracts.parse import MAX_CLOCK_SKEW
from worker.core.service.outcome import DeadLetter, Outcome, State
from worker.intake.checks import Intake, ManifestPart
from worker.store.manifests import Part
from worker.store.records import EventCommit, ServiceCommit
from worker.store.store import Store

log = structlog.get_logger()

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NAMED: Final = 20
"""Services that an outcome names; the log has all of them."""
_ENDS: Final = {"suspend": "suspended", "cancel": "cancelled"}


def missing_of(
    store: Store, source: str, listed: set[str], routers: Sequence[str] | None, taken_at_ms: int
) -> list[str]:
    """The services of a source that it does not list, though nothing newer was heard of them.

    The source's clock may be ahead of ours by what the contract allows: what was heard so shortly
    before may be newer than the list, and is found by the next one.

    Looks through all records: about a second for a hundred thousand.
    """
    known_ms = taken_at_ms - MAX_CLOCK_SKEW // _MILLISECOND
    return sorted(
        record.service_id
        for record in (each.record for each in store.views.services())
        if record.owner == source
        and record.service_id not in listed
        and record.status in ("active", "suspended")
        and (routers is None or record.router in routers)
        and record.last_event_ms <= known_ms
    )


class Manifests:
    """Takes parts of manifests.

    Args:
        store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, part: ManifestPart, now_ms: int) -> list[Intake]:
        """Keep a part; the last one gives the events that end what is missing.

        They must be folded before `conclude`: a crash in between does all of it again.
        """
        data = part.event.data
        services = [each.service_id for each in data.services]
        kept = Part(part.key, part.event.id, services)
        parts = self._store.manifests.keep(_name(part), data.part, kept, now_ms)
        if not set(range(1, data.parts + 1)) <= parts.keys():
            self._set_outcome(
                part, "accepted", f"{len(parts)} of {data.parts} parts are here", now_ms
            )
            return []
        listed = {service for each in parts.values() for service in each.services}
        taken_at_ms = (data.taken_at - _EPOCH) // _MILLISECOND
        source = part.event.source
        missing = missing_of(self._store, source, listed, data.scope.routers, taken_at_ms)
        shown = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
        what = {"report": "reported", "suspend": "suspended", "cancel": "cancelled"}[data.missing]
        detail = f"{len(listed)} listed, {len(missing)} missing and {what}"
        part.said.append(detail + (f": {shown}" if shown else ""))
        log.info("manifest.complete", source=source, missing=missing, what=what)
        if data.missing == "report":
            return []
        return list(_endings(part, missing))

    def conclude(self, part: ManifestPart, now_ms: int) -> None:
        """All that follows from a manifest is folded."""
        if part.said:
            self._set_outcome(part, "applied", part.said[-1], now_ms)
            self._store.manifests.forget(_name(part))

    def expire(self, now_ms: int) -> None:
        """Give manifests up of which parts did not come."""
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
                body=json.dumps({"manifest": name, "events": [each.event_id for each in parts]}),
                event_keys=tuple(each.key for each in parts),
                at_ms=now_ms,
                source=name.partition("|")[0],
            )
            log.error("manifest.incomplete", manifest=name, parts=len(parts), advice=detail)
            self._store.records.commit([ServiceCommit("", dead_letters=[dead_letter])], now_ms)
            self._store.manifests.forget(name)

    def _set_outcome(self, part: ManifestPart, state: State, detail: str, now_ms: int) -> None:
        event = part.event
        outcome = Outcome(
            key=part.key,
            event_id=event.id,
            source=event.source,
            type=event.type,
            service_id="",
            state=state,
            detail=detail,
            accepted_at_ms=now_ms,
            at_ms=now_ms,
        )
        said = EventCommit(part.key, part.lane, "accepted", outcome, content_hash=part.content)
        self._store.records.commit([ServiceCommit("", events=[said])], now_ms)


def _name(part: ManifestPart) -> str:
    return f"{part.event.source}|{part.event.data.manifest_id}|{_attempt(part.event.data)}"


def _attempt(data: ManifestData) -> str:
    """What all parts of one list have in common, and those of another attempt do not."""
    routers = None if data.scope.routers is None else sorted(data.scope.routers)
    said = [
        data.parts,
        (data.taken_at - _EPOCH) // timedelta(microseconds=1),
        routers,
        data.missing,
    ]
    return sha256(canonical_json(said)).hexdigest()[:12]


def _endings(part: ManifestPart, missing: Sequence[str]) -> Iterator[Intake]:
    # What came after that stands, also where it came while the manifest was looked through.
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
        yield Intake(event, names.QUEUE_BULK, 1, event_key(event["source"], event["id"]))
