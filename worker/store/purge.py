"""Forgets a service for good: erasure, as the law gives people a right to it.

What is left is a hash of the id, and when.
"""

import hashlib
from collections.abc import Iterator

from contracts import names
from worker.core.service.outcome import Outcome
from worker.core.storage_format import object_in
from worker.errors import LeasewireError
from worker.store.connection import PAGE, Scripts, StoreClient
from worker.store.maintenance import TOMBSTONE_MS
from worker.store.records import outcomes_of, periods
from worker.store.store import Store


class NotPurgedError(LeasewireError):
    """A service is still in use, or changed meanwhile; the message says what to do."""


def hashed(service_id: str) -> str:
    """The hash of an id: the id cannot be read from it, but a known id can be found."""
    return hashlib.sha256(service_id.encode()).hexdigest()


def purge(store: Store, service_id: str, actor: str) -> dict[str, int]:
    """Forget a cancelled service of which no row is left: record, history and all that names it.

    It may be repeated: the record goes last.

    Returns:
        How many of what was deleted.

    Raises:
        NotPurgedError: it is in use still, or was changed meanwhile.
    """
    stored = store.records.read([service_id])[service_id]
    record, keys = stored.record, store.keys
    if record.status not in ("cancelled", "incomplete"):
        raise NotPurgedError(f"{service_id} is {record.status}: cancel it first")
    if record.placements:
        where = ", ".join(record.placements)
        raise NotPurgedError(f"{service_id} may still have a row on {where}: wait until it is gone")
    if record.pending or record.schedule.pending:
        raise NotPurgedError(f"{service_id} has events to come: wait for them, or withdraw them")
    client, now_ms = store.client, store.records.now_ms()
    client.zadd(keys.purged, {hashed(service_id): now_ms})
    client.zremrangebyscore(keys.purged, "-inf", now_ms - TOMBSTONE_MS)
    dead_letters = [
        dead_letter
        for dead_letter in store.dead_letters.all()
        if dead_letter.service_id == service_id
    ]
    events = {key for dead_letter in dead_letters for key in dead_letter.event_keys}
    gone = {"dead letters": len(dead_letters), "journal": 0, "feeds": 0}
    for dead_letter in dead_letters:
        client.hdel(keys.dead_letters, dead_letter.id)
        client.zrem(keys.dead_letters_by_time, dead_letter.id)
        client.zrem(keys.dead_letters_of(dead_letter.group), dead_letter.id)
    for lane in names.LANES:
        journal = keys.journal(lane)
        for key in _journaled(client, journal.body, service_id):
            events.add(key)
            client.zrem(journal.due, key)
            gone["journal"] += int(client.hdel(journal.body, key))
    gone["outcomes"] = _leave_outcomes(store, service_id, events, now_ms)
    gone["feeds"] = _leave_feeds(store, service_id)
    store.watches.forget(service_id)
    values = [had.value for had in record.assigned.values()]
    if not Scripts(client, keys.prefix).run("forget", service_id, stored.generation, *values):
        raise NotPurgedError(f"{service_id} changed meanwhile: run it again")
    store.audit.record(actor, "service.purged", hashed(service_id))
    return gone


def _journaled(client: StoreClient, body: str, service_id: str) -> Iterator[str]:
    """Keys of the events of a journal that name the service."""
    for key, text in client.hscan_iter(body, count=PAGE):
        data = object_in(text).get("data")
        if isinstance(data, dict) and data.get("service_id") == service_id:
            yield str(key)


def _leave_outcomes(store: Store, service_id: str, events: set[str], now_ms: int) -> int:
    """Remove outcomes of refused events, and the service's name from those that it had.

    Returns how many were removed, or go with the record.
    """
    client, keys = store.client, store.keys
    text = client.get(keys.record(service_id))
    left = len(outcomes_of(text))
    for source in client.smembers(keys.refused_sources):
        left += int(client.hdel(keys.refused(source), *events)) if events else 0
    for period in periods(now_ms):
        seen = keys.seen(period)
        for short, remembered in client.hscan_iter(seen, count=PAGE):
            content, _, service = remembered.partition("|")
            if service == service_id:
                client.hset(seen, short, f"{content}|")
    return left


def _leave_feeds(store: Store, service_id: str) -> int:
    """Remove the service from the outcome feeds; returns how many items."""
    left = 0
    for feed in store.client.hkeys(store.keys.feed_gone):
        after = "-"
        while items := store.client.xrange(feed, min=after, count=PAGE):
            after = f"({items[-1][0]}"
            for item_id, fields in items:
                if Outcome.from_json(fields["outcome"]).service_id == service_id:
                    left += int(store.client.xdel(feed, item_id))
    return left
