"""An intake desk: `accept` over a real store, with what it rang and what it said at hand."""

import json

from contracts import names
from contracts.identity import event_key
from tests import builders
from tests.calls import calls
from worker.convergence.batch_item import BatchItem
from worker.convergence.confirm import confirmed
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.intake.accept import Accept
from worker.inventory.config import SourceConfig

TIMES = "urn:isp:bss:times"
OTHER = "urn:isp:bss:other"
OPERATOR = "urn:isp:noc"
SOURCES = {
    builders.SOURCE: SourceConfig(builders.SOURCE, "revisions"),
    OTHER: SourceConfig(OTHER, "revisions"),
    TIMES: SourceConfig(TIMES, "times"),
    OPERATOR: SourceConfig(OPERATOR, "times", scopes=frozenset({"override"})),
}
POLICIES = {name: RouterPolicy("acme", "dhcp1") for name in ("R1", "R2")}


class Desk:
    """One worker's accept."""

    def __init__(self, store, sources=SOURCES, policies=POLICIES):
        self.store = store
        self.accept = Accept(store, sources, policies)

    @property
    def lanes(self):
        """Whose lane's messages stand in the queues."""
        return [lane for queue in names.LANES for _, lane in self._calls(queue)]

    @property
    def routers(self):
        """For which routers messages stand in the queue, the oldest first."""
        return [router for (router,) in self._calls(names.QUEUE_ROUTERS)]

    def _calls(self, queue):
        return calls(self.store.client, self.store.keys.queue(queue))

    def send(self, *events, lane=names.QUEUE_EVENTS):
        """As a Celery message brings them; returns how many were worked on."""
        return self.accept.run(list(events), lane)

    def publish(self, *events, lane=names.QUEUE_EVENTS):
        """Write events (or any text) to the journal as a publisher does; returns the keys."""
        client, prefix = self.store.client, self.store.keys.prefix
        keys = []
        for event in events:
            text = event if isinstance(event, str) else json.dumps(event)
            key = key_of(event) if isinstance(event, dict) else f"text-{len(text)}-{hash(text)}"
            keys.append(key)
            client.hset(names.journal_body(prefix, lane), key, text)
            client.zadd(names.journal_due(prefix, lane), {key: self.store.records.now_ms()})
        return keys

    def give_back(self, lane=names.QUEUE_EVENTS):
        """Let the time be over for which taken journal entries belong to their worker."""
        due = names.journal_due(self.store.keys.prefix, lane)
        for key in self.store.client.zrange(due, 0, -1):
            self.store.client.zadd(due, {key: self.store.records.now_ms()})

    def converge(self, router="R1"):
        """Stand in for a pass that found all as wanted: every mark is confirmed."""
        acquired = self.store.routers.acquire(router, "pass", 500)
        ends = []
        for work_item in acquired.work_items:
            entry = wanted_entries(work_item.stored.record, POLICIES)[router]
            ends.append(confirmed(BatchItem(work_item, router, entry), acquired.now_ms))
        done = self.store.routers.conclude(router, "pass", ends)
        assert done == [True] * len(ends)
        assert not self.store.routers.next_batch(router, "pass", 0).held

    def outcome(self, event):
        """The word on an event: an outcome, or None."""
        said = self.store.views.outcomes([key_of(event)])
        return said[0] if said else None

    def state(self, event):
        """`state` or `state: reason` of an event's outcome."""
        said = self.outcome(event)
        if said is None:
            return None
        return f"{said.state}: {said.reason}" if said.reason else said.state

    def record(self, service_id="SVC-1"):
        """The record of a service."""
        return self.store.records.read([service_id])[service_id].record

    def queued(self, router="R1"):
        """Services marked at a router, with their priorities."""
        due = self.store.client.zrange(self.store.keys.router(router).due, 0, -1, withscores=True)
        return {service: int(score // 10**13) for service, score in due}

    @property
    def counters(self):
        """What happened how often."""
        return self.store.views.counters()

    @property
    def dead_letters(self):
        """Dead letters by id."""
        return {dead_letter.id: dead_letter for dead_letter in self.store.views.dead_letters()}


def key_of(event):
    """An event's key in the store."""
    return event_key(event["source"], event["id"])
