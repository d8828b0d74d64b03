"""A publisher that asks another primary for its events: whatever became of them, they are known."""

import logging
from datetime import UTC, datetime

import pytest

from contracts.names import journal_lost
from producers.connection import open_publisher
from tests import builders
from tests.other_history import begin_another_history
from tests.worker.desk import Desk
from worker.store.connection import connect
from worker.store.store import open_store

pytestmark = pytest.mark.redis

ENDS = {
    *("accepted", "duplicate", "superseded", "scheduled"),
    *("rejected: source-not-allowed", "rejected: not-owner", "waiting: incomplete"),
    *("expired: expired", None),
}


def history():
    """Events that end in each way, the last of them in the journal."""
    soon = {"effective_at": "2027-11-20T00:00:00Z"}
    yield builders.activated()
    yield builders.activated(id_="again")
    yield builders.snapshot(revision=2)
    yield builders.mac_changed(revision=3, mac=builders.mac(3))
    yield builders.mac_changed(revision=2, mac=builders.mac(2))
    yield builders.mac_changed(revision=9, mac=builders.mac(9), **soon)
    yield builders.activated("SVC-2", source="urn:isp:stranger")
    yield builders.mac_changed(revision=4, mac=builders.mac(4), source="urn:isp:bss:other")
    yield builders.mac_changed("SVC-3", revision=1, source="urn:isp:bss:other", id_="no-owner")
    yield builders.activated("SVC-4") | {"expirytime": "2026-01-01T00:00:00Z"}
    yield builders.cancelled(revision=10)


def test_an_event_is_known_whatever_became_of_it(own_valkey, caplog):
    caplog.set_level(logging.INFO, "leasewire.publisher")
    events = list(history())
    with (
        connect(own_valkey.url) as client,
        open_publisher(own_valkey.url, clock=lambda: datetime.now(UTC)) as publisher,
    ):
        desk = Desk(open_store(client, "lw:"))
        publisher.publish(events[:-1])
        desk.accept.run([], "events")
        publisher.publish(events[-1:])
        states = [desk.state(event) for event in events]
        begin_another_history(client)
        publisher.publish([builders.activated("SVC-5")])
        assert not client.exists(journal_lost("lw:"))
    assert set(states) == ENDS
    [asked] = [r for r in caplog.records if r.name == "leasewire.publisher"]
    assert (asked.lost, asked.known) == (0, len(events))
