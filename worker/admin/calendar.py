"""The calendar: what takes effect in the next days, day by day, read from lists by time."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from contracts.envelope import MOST_NOTE
from worker.admin.documents import scheduled_by_key
from worker.admin.json_fields import without_empty
from worker.core.service.schedule import CalendarList
from worker.errors import NotPossible
from worker.inventory import CLI_SOURCE
from worker.store.connection import pages
from worker.store.schedule import CalendarPlace
from worker.store.store import Store

DOES: Final[tuple[CalendarList, ...]] = ("cut_off", "resumed", "moved", "other")
"""What scheduled events do, as the calendar counts them."""


class Days(NamedTuple):
    """Days of a calendar, one after the other; they begin at midnight in the reader's zone."""

    days: Sequence[date]
    zone: ZoneInfo

    @classmethod
    def from_now(cls, now_ms: int, days: int, zone: ZoneInfo) -> "Days":
        """So many days, beginning with today."""
        today = datetime.fromtimestamp(now_ms / 1000, zone).date()
        return cls([today + timedelta(days=number) for number in range(days)], zone)

    def spans(self) -> list[tuple[int, int]]:
        """Each day in milliseconds since 1970; what is overdue belongs to the first."""
        begins = [self._ms(day) for day in (*self.days, self.days[-1] + timedelta(days=1))]
        begins[0] = 0
        return list(pairwise(begins))

    def _ms(self, day: date) -> int:
        return round(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp() * 1000)


def calendar_document(  # noqa: PLR0913, PLR0917 - what a person may choose
    store: Store, days: Days, name: CalendarList, day: date | None, page: int, most: int
) -> dict[str, Any]:
    """How many events take effect on each day, and one page of them.

    The page (the first is 1) has events of one list, on one of the days or on all (None).
    """
    spans = days.spans()
    counts = {does: store.schedule.counts(does, spans) for does in DOES}
    from_ms, until_ms = spans[0][0], spans[-1][1]
    if day is not None:
        from_ms, until_ms = spans[days.days.index(day)]
    found = store.schedule.events(name, from_ms, until_ms, (page - 1) * most, most + 1)
    return {
        "days": [
            {"day": at.isoformat(), **{does: counts[does][number] for does in DOES}}
            for number, at in enumerate(days.days)
        ],
        "list": name,
        "day": day.isoformat() if day else None,
        "events": scheduled_events(store, found[:most]),
        "page": page,
        "more": len(found) > most,
    }


def scheduled_events(store: Store, places: Sequence[CalendarPlace]) -> list[dict[str, Any]]:
    """Events of a list in full; those that ended while they were read are left out."""
    now_ms = store.records.now_ms()
    stored = store.records.readable(sorted({place.service_id for place in places}))
    records = {service: entry.record for service, entry in stored.items()}
    by_key = {service: scheduled_by_key(record, now_ms) for service, record in records.items()}
    documents = []
    for place in places:
        event = by_key.get(place.service_id, {}).get(place.key)
        if event is not None:
            record = records[place.service_id]
            names = {"service": place.service_id, "customer": record.value("customer_id")}
            shown = names | {"router": record.router, "key": place.key} | event
            documents.append(without_empty(shown | {"at_ms": None}))
    return documents


def schedule_documents(store: Store, until_ms: int) -> list[dict[str, Any]]:
    """All events that take effect before a time, with those that were ended, by time."""
    found = store.schedule.events("all", 0, until_ms)
    found += store.schedule.events("ended", store.records.now_ms(), until_ms)
    found.sort(key=lambda place: (place.at_ms, place.service_id))
    documents = []
    for page in pages(found):
        documents += scheduled_events(store, page)
    return documents


def scheduled_event(store: Store, service_id: str, key: str) -> dict[str, Any]:
    """One event that waits for its time.

    Raises:
        NotPossible: it took effect, or was superseded or withdrawn.
    """
    record = store.records.read([service_id])[service_id].record
    for scheduled in record.schedule.pending:
        if scheduled.event.key == key:
            (event,) = scheduled_events(store, [CalendarPlace(service_id, key, scheduled.at_ms)])
            return event | {"does": scheduled.does, "status": record.status}
    message = f"Service {service_id} has no such scheduled event any more: open the calendar again."
    raise NotPossible(message)


def withdrawal(store: Store, service_id: str, key: str, actor: str, note: str) -> dict[str, object]:
    """Return the event that withdraws a scheduled one; without id and time.

    Raises:
        NotPossible: as `scheduled_event`.
    """
    event = scheduled_event(store, service_id, key)["event"]
    return {
        "type": "leasewire.service.schedule_withdrawn.v1",
        "source": CLI_SOURCE,
        "actor": actor,
        "data": {
            "service_id": service_id,
            "withdraws": [event],
            "reason": {"code": "withdrawn", "note": note[:MOST_NOTE]},
        },
    }
