"""Keeps, supersedes and withdraws scheduled events, until `fold.release` folds them.

For the events of one source the order of arrival does not matter, as long as all arrive before the
first takes effect: a released event counts as sent at that moment, and wins over earlier events
that arrive later.
"""

from collections.abc import Sequence

from contracts.events import Event
from worker.core.service.event_ref import EventRef, Version
from worker.core.service.record import ServiceRecord
from worker.core.service.schedule import Ended, Scheduled, ended_of, to_keep
from worker.core.service.writes import writes_of


def scheduled_of(
    event: Event, ref: EventRef, at_ms: int, version: Version, unmanaged: frozenset[str]
) -> Scheduled:
    """Schedule an event: what it will write is worked out when it is accepted."""
    own, beside = map(to_keep, writes_of(event, unmanaged))
    return Scheduled(ref, at_ms, version, own, beside)


def keep(
    record: ServiceRecord, scheduled: Scheduled, now_ms: int
) -> tuple[ServiceRecord, Ended | None]:
    """Keep an event until its time, unless it was withdrawn or superseded before it came.

    Returned is the record, and how the event ended; None while it waits.
    """
    record = record._replace(highest=max(record.highest, scheduled.version))
    schedule = record.schedule
    withdrawn_by = schedule.withdrawn_by(scheduled.event.id)
    superseded_by = superseder(record, scheduled)
    if withdrawn_by is not None:
        end = ended_of(scheduled, "withdrawn", withdrawn_by, now_ms)
        forgotten = [e for e in schedule.ended if e.event_id != end.event_id]
        schedule = schedule._replace(ended=tuple(forgotten))
    elif superseded_by is not None:
        end = ended_of(scheduled, "superseded", superseded_by, now_ms)
    else:
        return record._replace(schedule=schedule.with_pending(scheduled)), None
    return record._replace(schedule=schedule.with_ended([end], now_ms)), end


def supersede(record: ServiceRecord, by: str, now_ms: int) -> tuple[ServiceRecord, Sequence[Ended]]:
    """End the scheduled events that the event folded just now supersedes."""
    ends = [
        ended_of(event, "superseded", by, now_ms)
        for event in record.schedule.pending
        if superseder(record, event) is not None
    ]
    if not ends:
        return record, ends
    return record._replace(schedule=record.schedule.with_ended(ends, now_ms)), ends


def withdraw(
    record: ServiceRecord, event_ids: Sequence[str], by: str, now_ms: int
) -> tuple[ServiceRecord, Sequence[Ended]]:
    """Withdraw scheduled events by id, whoever sent them, also those that have not come yet.

    Returned is the record, and what was withdrawn now, with an empty key where the event has not
    come. Events that took effect, were superseded or withdrawn before are left as they are.
    """
    schedule = record.schedule
    ends = [
        ended_of(each, "withdrawn", by, now_ms)
        for each in schedule.pending
        if each.event.id in event_ids
    ]
    known = {end.event_id for end in (*ends, *schedule.ended)}
    to_come = (event_id for event_id in dict.fromkeys(event_ids) if event_id not in known)
    ends += [Ended(event_id, "withdrawn", by, now_ms) for event_id in to_come]
    return record._replace(schedule=schedule.with_ended(ends, now_ms)), ends


def superseder(record: ServiceRecord, scheduled: Scheduled) -> str | None:
    """Return the id of a newer event about a register of the scheduled one; empty: id forgotten.

    A cancellation and a new activation supersede everything that was scheduled before them.

    None when nothing supersedes it.
    """
    registers = [record.registers.get(name) for name in (*scheduled.own, "lifecycle")]
    newer = [held for held in registers if held and held.stated > scheduled.version]
    if not newer:
        return None
    newest = max(newer, key=lambda register: register.stated)
    return newest.event if newest.version == newest.stated else ""
