"""Checks whether an event may be folded: attempts, contract, source, times."""

import hashlib
import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, NamedTuple

import structlog

from contracts import names
from contracts.errors import ContractViolation
from contracts.events import Event
from contracts.identity import content_hash, event_key, hashes
from contracts.manifest import Manifest
from contracts.operator_proof import is_proven
from contracts.parse import HORIZON, MAX_CLOCK_SKEW, logins_in, parse_document, read_document
from contracts.sealing import clear_passwords
from worker.core.service.event_ref import EventRef
from worker.core.service.fold import former_only, with_present_names
from worker.core.storage_format import object_in
from worker.inventory import SourceConfig
from worker.inventory.config import Order
from worker.store.commits import CONTENT_KEPT
from worker.store.journal import JournalEntry

log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 5
"""An event whose folding was begun so often and never ended kills its workers."""
MOST_AHEAD: Final = timedelta(days=1)
"""An event that is further ahead of every clock is wrong itself; others wait."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CheckedEvent:
    """An event that may be folded, with what its commit needs.

    Attributes:
        ref: names it in the store.
        lane: the journal lane that its commit clears.
        revision: the source's counter, or its time in microseconds since 1970; None: it has none.
        digest: hash of type and data, the last part of its version.
        content: what is kept of the hash of its content, by which a duplicate is known.
        effective_at_ms: when it takes effect, rounded up; 0: at once.
        as_of_ms: of a row of a file, when the file was true; 0: it is none.
        by: of an operator's event: the person in whose name it was sent, and the note of its
            reason, as `actor` and `note`.
    """

    event: Event
    ref: EventRef
    lane: names.Lane | None
    source: SourceConfig
    revision: int | None
    digest: str
    content: str
    raw: Mapping[str, object]
    effective_at_ms: int = 0
    as_of_ms: int = 0
    by: Mapping[str, str] = field(default_factory=dict)


class ManifestPart(NamedTuple):
    """A part of a manifest: the event, its journal entry, and `content` of a checked event."""

    event: Manifest
    entry: JournalEntry
    content: str


class NotAccepted(NamedTuple):
    """Why an event is not folded: one word, one sentence, and its final state."""

    reason: str
    detail: str
    state: Literal["rejected", "failed", "expired"] = "rejected"


ID_REUSED: Final = NotAccepted("event-id-reused", "this id was used for other content")


class NotYet(NamedTuple):
    """An event that is left until a moment (ms).

    `source`: its own, if it is ahead of Redis's clock; empty: another worker may fold it.
    """

    at_ms: int
    source: str = ""


Checked = CheckedEvent | ManifestPart | NotAccepted | NotYet
"""The result of a check."""


def check(  # noqa: PLR0913 - what it checks against
    entry: JournalEntry,
    sources: Mapping[str, SourceConfig],
    now_ms: int,
    own_ms: int = 0,
    *,
    strict: bool = False,
    operators_secret: Callable[[], str | None] = lambda: None,
) -> Checked:
    """Read an event and check whether it may be folded.

    `own_ms`: the time by this worker's clock: Redis's may be behind; `strict`: refuse unknown
    fields of `data` too; `operators_secret`: reads what proves events of operators; None: they need
    no proof.
    """
    if entry.attempts > MAX_ATTEMPTS:
        detail = f"its folding was begun {entry.attempts - 1} times and never ended"
        return NotAccepted("poison", detail, "failed")
    try:
        document, problems = read_document(text_of(entry.raw))
        event = parse_document(document, problems, strict=strict)
        has_login = next(logins_in(document), None) is not None
    except ContractViolation as violation:
        codes = {problem.code for problem in violation.problems}
        reason = "unsupported-type" if "unsupported-type" in codes else "invalid-event"
        return NotAccepted(reason, str(violation))
    source = sources.get(event.source)
    if source is None:
        detail = f"no source {event.source!r} in the inventory: add it under [sources]"
        return NotAccepted("source-not-allowed", detail)
    unproven = _check_proof(document, source, operators_secret)
    if isinstance(event, Manifest):
        return unproven or _check_manifest(event, entry, now_ms, max(now_ms, own_ms))
    why = (
        unproven
        or (_check_passwords(document) if has_login else None)
        or _check_rights(event, source, sources)
        or _check_times(event, source.order, now_ms, max(now_ms, own_ms))
    )
    if why is not None:
        return why
    revision = event.data.revision
    if source.order == "times":
        revision = microseconds(event.time)
    effective_at = event.data.effective_at
    found = hashes(document)
    return CheckedEvent(
        event=event,
        ref=EventRef(
            entry.key, event.id, event.source, event.type, now_ms, entry.lane == names.QUEUE_BULK
        ),
        lane=entry.lane,
        source=source,
        revision=revision,
        digest=found.version,
        content=found.content[:CONTENT_KEPT],
        raw=document,
        effective_at_ms=-(-microseconds(effective_at) // 1000) if effective_at else 0,
        as_of_ms=microseconds(event.asof) // 1000 if event.asof else 0,
        by=_sent_by(event, document) if "override" in source.scopes else {},
    )


def _sent_by(event: Event, document: Mapping[str, object]) -> dict[str, str]:
    reason = event.data.reason
    found = {"actor": cut_text(document.get("actor"), 64), "note": (reason and reason.note) or ""}
    return {name: text for name, text in found.items() if text}


def _check_proof(
    document: Mapping[str, object], source: SourceConfig, secret_of: Callable[[], str | None]
) -> NotAccepted | None:
    """Check that what speaks for operators has a login that may: a publisher's may not."""
    if "override" in source.scopes and (secret := secret_of()) and not is_proven(document, secret):
        detail = (
            "its source has the scope override, and its publisher's login of Redis may not speak "
            "for operators: publish it by `leasewire publish` or over HTTP"
        )
        return NotAccepted("operator-not-proven", detail)
    return None


def _check_passwords(document: Mapping[str, object]) -> NotAccepted | None:
    if not clear_passwords(document):
        return None
    detail = "its password is in clear: publish it over HTTP, or by our publisher with secret keys"
    return NotAccepted("not-sealed", detail)


def _check_rights(
    event: Event, source: SourceConfig, sources: Mapping[str, SourceConfig]
) -> NotAccepted | None:
    """Check what an isolated source may name; the messages reveal nothing of other sources."""
    if "override" in source.scopes or not source.isolated:
        return None
    service_id = event.data.service_id
    if not _names(source, service_id) and (
        source.services or any(_names(other, service_id) for other in sources.values())
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


def _names(source: SourceConfig, service_id: str) -> bool:
    return any(fnmatchcase(service_id, pattern) for pattern in source.services)


def _check_manifest(
    event: Manifest, entry: JournalEntry, now_ms: int, latest_ms: int
) -> ManifestPart | NotAccepted | NotYet:
    # A list cannot be of the future, but its source's clock may be ahead of ours.
    why = _check_ahead(event.source, {"taken_at": event.data.taken_at}, now_ms, latest_ms)
    return why or ManifestPart(event, entry, content_hash(object_of(entry.raw))[:CONTENT_KEPT])


def microseconds(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _check_ahead(
    source: str, times: Mapping[str, datetime | None], now_ms: int, latest_ms: int
) -> NotAccepted | NotYet | None:
    now = _EPOCH + timedelta(milliseconds=now_ms)
    for name, moment in times.items():
        if moment is not None and moment > now + MAX_CLOCK_SKEW:
            latest = _EPOCH + timedelta(milliseconds=latest_ms)
            if moment > latest + MOST_AHEAD:
                detail = f"its {name} is over a day in the future: correct the clock or the date"
                return NotAccepted("time-in-future", detail)
            return NotYet(microseconds(moment - MAX_CLOCK_SKEW) // 1000 + 1, source)
    return None


def _check_times(
    event: Event, order: Order, now_ms: int, latest_ms: int
) -> NotAccepted | NotYet | None:
    times = {
        # It would win over all events until then.
        "time": event.time if order == "times" else None,
        # A file cannot be of the future.
        "asof": event.asof,
    }
    ahead = _check_ahead(event.source, times, now_ms, latest_ms)
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


def key_of(raw: object) -> str:
    """The journal key of an event of a message; the key of a broken one is made of its content."""
    found = object_of(raw)
    source, event_id = found.get("source"), found.get("id")
    if isinstance(source, str) and isinstance(event_id, str):
        return event_key(source, event_id)
    return "broken-" + hashlib.sha256(text_of(raw).encode("utf-8", "replace")).hexdigest()[:24]


def object_of(raw: object) -> dict[str, Any]:
    """The JSON object of an event; empty if it is no object."""
    if isinstance(raw, str):
        return object_in(raw)
    return raw if isinstance(raw, dict) else {}


def cut_text(value: object, most: int) -> str:
    """The first characters of a text; empty: it is none."""
    # A broken event may have half a surrogate pair, which no key of Redis may have.
    return value[:most].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def text_of(raw: object) -> str:
    """An event as JSON text, whatever came: the parser reports what is wrong with it."""
    try:
        return raw if isinstance(raw, str) else json.dumps(raw)
    except RecursionError:
        return "nested too deeply to be kept"


def present_names_in(
    events: Sequence[CheckedEvent], aliases: Mapping[str, str], routers: Container[str]
) -> Sequence[CheckedEvent]:
    """Return the events with the present names of their routers; logs where one had a former.

    `aliases`: former name -> present name; `routers`: of the inventory.
    """
    former = former_only(aliases, routers) if aliases else {}
    if not former:
        return events
    found = [replace(each, event=with_present_names(each.event, former)) for each in events]
    for before, after in zip(events, found, strict=True):
        if after.event is not before.event:
            log.info(
                "event.former_router_name",
                event_id=after.event.id,
                service_id=after.event.data.service_id,
                advice="the BSS calls a renamed router by its former name: correct it there",
            )
    return found
