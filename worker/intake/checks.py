"""Whether an event may be folded: attempts, contract, source, times."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import structlog

from contracts import (
    ContractViolation,
    Event,
    Manifest,
    content_hash,
    event_key,
    hashes,
    names,
)
from contracts.document import read_document
from contracts.parse import HORIZON, MAX_CLOCK_SKEW, parse_document
from worker.core.service.outcome import DeadLetter, Outcome
from worker.intake.report import EventRef
from worker.inventory import SourceConfig
from worker.inventory.config import Order
from worker.store.records import EventCommit, ServiceCommit, short_hash

log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 5
"""An event whose folding was begun as often and never ended takes its workers with it."""
MOST_AHEAD: Final = timedelta(days=1)
"""An event that is ahead of every clock by more is wrong itself; else it waits."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_LOGGED_AS: Final = {
    "rejected": "event.rejected",
    "failed": "event.failed",
    "expired": "event.expired",
}


@dataclass(frozen=True, slots=True)
class Intake:
    """One event as it came.

    Attributes:
        raw: any JSON value of a message, or the text that the journal held.
        lane: the journal lane that its commit clears; None for a message that is no event.
        attempts: how often its folding was begun, this time included.
        key: its key in the journal.
    """

    raw: object
    lane: names.Lane | None
    attempts: int
    key: str


@dataclass(frozen=True, slots=True)
class CheckedEvent:
    """An event that may be folded, with what its commit needs.

    Attributes:
        event: as it was read.
        subject: what is said of it is said of this.
        source: what the inventory says of its source.
        revision: the source's counter, or its time in microseconds since 1970; None: it has none.
        digest: hash of type and data, the last part of its version.
        content: hash of all that it says, by which a duplicate is known.
        raw: the event as it came.
        as_of_ms: when the file was true of which it is a row; 0: it is of none.
    """

    event: Event
    subject: EventRef
    source: SourceConfig
    revision: int | None
    digest: str
    content: str
    raw: Mapping[str, object]
    as_of_ms: int = 0

    @property
    def key(self) -> str:
        """Its key in the journal."""
        return self.subject.key


class ManifestPart(NamedTuple):
    """A part of a manifest that may be taken.

    Attributes:
        event: as it was read.
        intake: as it came.
        content: hash of all that it says.
        said: what became of it, once that is known.
    """

    event: Manifest
    intake: Intake
    content: str
    said: list[str]

    @property
    def key(self) -> str:
        """Its key in the journal."""
        return self.intake.key

    @property
    def lane(self) -> names.Lane | None:
        """The journal lane that its commit clears."""
        return self.intake.lane


class NotAccepted(NamedTuple):
    """Why an event is not folded: one word, one sentence, and what that makes of it."""

    reason: str
    detail: str
    state: Literal["rejected", "failed", "expired"] = "rejected"


ID_REUSED: Final = NotAccepted("event-id-reused", "this id was used for other content")


class NotYet(NamedTuple):
    """An event ahead of Redis's clock: its source, and when it may be folded (ms)."""

    source: str
    at_ms: int


def admit(
    intake: Intake, sources: Mapping[str, SourceConfig], now_ms: int, own_ms: int = 0
) -> CheckedEvent | ManifestPart | NotAccepted | NotYet:
    """Read an event and see whether it may be folded.

    Args:
        intake: as it came.
        sources: those that are known.
        now_ms: Redis's time.
        own_ms: what this worker's own clock shows: Redis's may be behind.
    """
    if intake.attempts > MAX_ATTEMPTS:
        detail = f"its folding was begun {intake.attempts - 1} times and never ended"
        return NotAccepted("poison", detail, "failed")
    try:
        document, problems = read_document(text_of(intake.raw))
        event = parse_document(document, problems, strict=False)
    except ContractViolation as violation:
        codes = {problem.code for problem in violation.problems}
        reason = "unsupported-type" if "unsupported-type" in codes else "invalid-event"
        return NotAccepted(reason, str(violation))
    source = sources.get(event.source)
    if source is None:
        detail = f"no source {event.source!r} in the inventory: add it under [sources]"
        return NotAccepted("source-not-allowed", detail)
    if isinstance(event, Manifest):
        return _manifest(event, intake, now_ms, max(now_ms, own_ms))
    refusal = _outside(event, source, sources) or _against_time(
        event, source.order, now_ms, max(now_ms, own_ms)
    )
    if refusal is not None:
        return refusal
    revision = event.data.revision
    if source.order == "times":
        revision = microseconds(event.time)
    effective_at = event.data.effective_at
    subject = EventRef(
        intake.key,
        event.id,
        event.source,
        event.type,
        intake.lane,
        # rounded up
        effective_at_ms=-(-microseconds(effective_at) // 1000) if effective_at else 0,
        actor=_word(document.get("actor"), 64) if "override" in source.scopes else "",
    )
    said = hashes(document)
    return CheckedEvent(
        event=event,
        subject=subject,
        source=source,
        revision=revision,
        digest=said.version,
        content=said.content,
        raw=document,
        as_of_ms=microseconds(event.asof) // 1000 if event.asof else 0,
    )


def _outside(
    event: Event, source: SourceConfig, sources: Mapping[str, SourceConfig]
) -> NotAccepted | None:
    """What an isolated source may not speak of; the words tell nothing of other sources."""
    if "override" in source.scopes or not source.isolated:
        return None
    service_id = event.data.service_id
    if not source.names(service_id) and (
        source.services or any(each.names(service_id) for each in sources.values())
    ):
        detail = "its source may not use this service id: see `services` under [sources]"
        return NotAccepted("service-not-allowed", detail)
    block = event.data.service
    places = (block.access if block else None, getattr(event.data, "access", None))
    routers = {place.router for place in places if place is not None}
    if source.routers and not routers <= source.routers:
        detail = "its source may not use this router: see `routers` under [sources]"
        return NotAccepted("router-not-allowed", detail)
    return None


def _manifest(
    event: Manifest, intake: Intake, now_ms: int, latest_ms: int
) -> ManifestPart | NotAccepted | NotYet:
    # Nothing can be known of what is yet to come; but by the clock of its source it is over.
    why = _ahead(event.source, {"taken_at": event.data.taken_at}, now_ms, latest_ms)
    return why or ManifestPart(event, intake, content_hash(object_of(intake.raw)), [])


def microseconds(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _ahead(
    source: str, times: Mapping[str, datetime | None], now_ms: int, latest_ms: int
) -> NotAccepted | NotYet | None:
    now = _EPOCH + timedelta(milliseconds=now_ms)
    for name, moment in times.items():
        if moment is not None and moment > now + MAX_CLOCK_SKEW:
            latest = _EPOCH + timedelta(milliseconds=latest_ms)
            if moment > latest + MOST_AHEAD:
                detail = f"its {name} is more than a day in the future: mend the clock or the date"
                return NotAccepted("time-in-future", detail)
            return NotYet(source, microseconds(moment - MAX_CLOCK_SKEW) // 1000 + 1)
    return None


def _against_time(
    event: Event, order: Order, now_ms: int, latest_ms: int
) -> NotAccepted | NotYet | None:
    times = {
        # It would win over all that is said until then.
        "time": event.time if order == "times" else None,
        # Nothing can be known of then.
        "asof": event.asof,
    }
    ahead = _ahead(event.source, times, now_ms, latest_ms)
    if ahead is not None:
        return ahead
    now = _EPOCH + timedelta(milliseconds=now_ms)
    expiry = event.expirytime
    if expiry is not None and expiry.timestamp() * 1000 <= now_ms:
        return NotAccepted("expired", "its expirytime had passed", "expired")
    effective_at = event.data.effective_at
    if effective_at is not None and effective_at > now + HORIZON:
        detail = f"its effective_at is more than {HORIZON.days} days ahead"
        return NotAccepted("beyond-horizon", detail)
    return None


def refusal(
    intake: Intake,
    why: NotAccepted,
    now_ms: int,
    sources: Collection[str],
    seen: str | None = None,
) -> ServiceCommit:
    """The commit of an event that is not folded: an outcome, and a dead letter to look at.

    Args:
        intake: as it came.
        why: it is not folded.
        now_ms: Redis's time.
        sources: those that are known.
        seen: short content hash of the event that was committed under the same key, if one was:
            what was said of that one stands.
    """
    raw = object_of(intake.raw)
    content = _short_content(raw)
    if seen == content:  # it comes again, too late or from a source that has gone since
        again = EventCommit(intake.key, intake.lane, "duplicate")
        return ServiceCommit("", events=[again])
    message = {name: _word(raw.get(name), 256) for name in ("id", "source", "type")}
    known = message["source"] if message["source"] in sources else ""
    data = raw.get("data")
    service_id = _word(data.get("service_id"), 64) if isinstance(data, dict) else ""
    outcome = Outcome(
        key=intake.key,
        event_id=message["id"],
        source=message["source"],
        type=message["type"],
        service_id=service_id,
        state=why.state,
        reason=why.reason,
        detail=why.detail,
        at_ms=now_ms,
    )
    dead_letter = DeadLetter(
        id=f"{intake.key}.{content}" if seen else intake.key,
        kind="event",
        reason=why.reason,
        detail=why.detail,
        service_id=service_id,
        body=text_of(intake.raw),
        event_keys=(intake.key,),
        attempts=intake.attempts,
        at_ms=now_ms,
        source=known,
    )
    log.warning(
        _LOGGED_AS[why.state],
        event_id=message["id"],
        service_id=service_id,
        reason=why.reason,
        detail=why.detail,
    )
    event = EventCommit(
        intake.key,
        intake.lane,
        why.state,
        None if seen else outcome,
        unknown_source=not known,
        refused=None if seen else known,
    )
    return ServiceCommit(
        service_id="",
        events=[event],
        dead_letters=[] if why.state == "expired" else [dead_letter],
    )


def key_of(raw: object) -> str:
    """The journal key of an event of a message; a broken one gets a name of its own content."""
    found = object_of(raw)
    source, event_id = found.get("source"), found.get("id")
    if isinstance(source, str) and isinstance(event_id, str):
        return event_key(source, event_id)
    return "broken-" + hashlib.sha256(text_of(raw).encode("utf-8", "replace")).hexdigest()[:24]


def object_of(raw: object) -> dict[str, Any]:
    """The JSON object of an event; empty when it is none."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            return {}
    return raw if isinstance(raw, dict) else {}


def _word(value: object, most: int) -> str:
    # Half a surrogate pair may stand in a broken event, and in no key of Redis.
    return value[:most].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _short_content(raw: Mapping[str, object]) -> str:
    try:
        return short_hash(content_hash(raw))
    except RecursionError:  # no event is nested as deeply, so it is none that was seen
        return "too-deep"


def text_of(raw: object) -> str:
    """An event as JSON text, whatever came: the parser says what is wrong with it."""
    try:
        return raw if isinstance(raw, str) else json.dumps(raw)
    except RecursionError:
        return "nested too deeply to be kept"
