"""What becomes of events that are to take effect later, until they do (`fold.release`).

For the events of one source the order of arrival does not matter, as long as all of them arrive
before the first takes effect: what is released then is a word of that moment, and beats whatever
was said before it but arrives after it.
"""

from collections.abc import Sequence
from dataclasses import replace

from contracts import Event
from worker.core.service.record import ServiceRecord
from worker.core.service.schedule import Ended, Scheduled, ended_of
from worker.core.service.version import Version
from worker.core.service.writes import writes_of


def scheduled_of(  # noqa: PLR0913 - the parts of one event that waits
    event: Event,
    version: Version,
    unmanaged: frozenset[str],
    *,
    key: str,
    at_ms: int,
    now_ms: int,
) -> Scheduled:
    """An event as it waits: what it will write is worked out when it is accepted."""
    own, beside = writes_of(event, unmanaged)
    return Scheduled(key, event.id, event.source, event.type, at_ms, version, now_ms, own, beside)


def keep(
    record: ServiceRecord, scheduled: Scheduled, now_ms: int
) -> tuple[ServiceRecord, Ended | None]:
    """Keep an event for its time, unless it was withdrawn or superseded before it came.

    Returns:
        The record; and what became of the event, None while it waits.
    """
    record = replace(record, highest=max(record.highest, scheduled.version))
    schedule = record.schedule
    withdrawn_by = schedule.withdrawn_by(scheduled.event_id)
    superseded_by = superseder(record, scheduled)
    if withdrawn_by is not None:
        end = ended_of(scheduled, "withdrawn", withdrawn_by, now_ms)
        forgotten = [e for e in schedule.ended if e.event_id != end.event_id]
        schedule = replace(schedule, ended=tuple(forgotten))
    elif superseded_by is not None:
        end = ended_of(scheduled, "superseded", superseded_by, now_ms)
    else:
        return replace(record, schedule=schedule.with_pending(scheduled)), None
    return replace(record, schedule=schedule.with_ended([end], now_ms)), end


def supersede(record: ServiceRecord, by: str, now_ms: int) -> tuple[ServiceRecord, Sequence[Ended]]:
    """End the scheduled events that a newer one supersedes, which was folded just now."""
    ends = [
        ended_of(each, "superseded", by, now_ms)
        for each in record.schedule.pending
        if superseder(record, each) is not None
    ]
    if not ends:
        return record, ends
    return replace(record, schedule=record.schedule.with_ended(ends, now_ms)), ends


def withdraw(
    record: ServiceRecord, event_ids: Sequence[str], by: str, now_ms: int
) -> tuple[ServiceRecord, Sequence[Ended]]:
    """Withdraw scheduled events by their ids, whoever sent them, and those that are yet to come.

    Returns:
        The record; and what was withdrawn now: of ids whose event has not come the key is empty.
        What took effect, was superseded or was withdrawn before is left as it is.
    """
    schedule = record.schedule
    ends = [
        ended_of(each, "withdrawn", by, now_ms)
        for each in schedule.pending
        if each.event_id in event_ids
    ]
    known = {each.event_id for each in (*ends, *schedule.ended)}
    to_come = (event_id for event_id in dict.fromkeys(event_ids) if event_id not in known)
    ends += [Ended(event_id, "withdrawn", by, now_ms) for event_id in to_come]
    return replace(record, schedule=schedule.with_ended(ends, now_ms)), ends


def superseder(record: ServiceRecord, scheduled: Scheduled) -> str | None:
    """Id of a newer event about a register of the scheduled one; empty where the id is forgotten.

    A cancellation, and a new activation, supersede whatever was scheduled before them.

    Returns:
        None when nothing supersedes it.
    """
    registers = [record.registers.get(name) for name in (*scheduled.own, "lifecycle")]
    newer = [each for each in registers if each and each.stated > scheduled.version]
    if not newer:
        return None
    newest = max(newer, key=lambda register: register.stated)
    return newest.event if newest.version == newest.stated else ""
