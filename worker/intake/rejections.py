"""What becomes of an event that is not folded: an outcome, and a dead letter for a person."""

from collections.abc import Collection, Mapping

import structlog

from contracts.identity import content_hash
from contracts.sealing import clear_passwords, masked_event
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import DeadLetter, Outcome
from worker.intake.checks import NotAccepted, cut_text, object_of, text_of
from worker.store.commits import CONTENT_KEPT, EventCommit, ServiceCommit
from worker.store.journal import JournalEntry

log = structlog.get_logger(__name__)


def rejection(
    entry: JournalEntry,
    why: NotAccepted,
    now_ms: int,
    sources: Collection[str],
    seen: str | None = None,
) -> ServiceCommit:
    """Build the commit of an event that is not folded: an outcome and a dead letter.

    `sources`: of the inventory; `seen`: short content hash of an event that was committed under the
    same key, if any: the outcome of that one stands.
    """
    raw = object_of(entry.raw)
    content = _short_content(raw)
    if seen == content:  # it comes again, too late or from a source that was removed since
        return ServiceCommit("", events=[EventCommit(entry.key, entry.lane, "duplicate")])
    id_, source, type_ = (cut_text(raw.get(name), 256) for name in ("id", "source", "type"))
    known_source = source if source in sources else ""
    data = raw.get("data")
    service_id = cut_text(data.get("service_id"), 64) if isinstance(data, dict) else ""
    event = EventRef(entry.key, id_, source, type_)
    outcome = Outcome(event, service_id, why.state, now_ms, why.reason, why.detail)
    dead_letter = DeadLetter(
        id=f"{entry.key}.{content}" if seen else entry.key,
        kind="event",
        reason=why.reason,
        detail=why.detail,
        service_id=service_id,
        body=text_of(masked_event(raw) if clear_passwords(raw) else entry.raw),
        event_keys=(entry.key,),
        attempts=entry.attempts,
        at_ms=now_ms,
        source=known_source,
    )
    logged_as = f"event.{why.state}"
    log.warning(
        logged_as,
        event_id=id_,
        service_id=service_id,
        reason=why.reason,
        detail=why.detail,
    )
    commit = EventCommit(
        *(entry.key, entry.lane, why.state, None if seen else outcome),
        unknown_source=not known_source,
        refused=None if seen else known_source,
    )
    dead_letters = [] if why.state == "expired" else [dead_letter]
    return ServiceCommit("", events=[commit], dead_letters=dead_letters)


def _short_content(raw: Mapping[str, object]) -> str:
    try:
        return content_hash(raw)[:CONTENT_KEPT]
    except RecursionError:  # no event that was committed is nested as deeply
        return "too-deep"
