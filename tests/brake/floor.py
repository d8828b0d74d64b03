"""An intake desk with the brake on, and services that their routers are known to serve."""

import json

from contracts import names
from tests import builders
from tests.worker.desk import SOURCES, Desk
from worker.convergence.batch_item import BatchItem
from worker.convergence.confirm import confirmed
from worker.core.entry.brake import BrakeLimits
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.intake.accept import Accept


def mac(number):
    """As many as a test needs, beyond those of the documentation block."""
    return f"02:00:5E:{number >> 16 & 255:02X}:{number >> 8 & 255:02X}:{number & 255:02X}"


def ipv4(number):
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


LIMITS = BrakeLimits()


class Floor(Desk):
    """Services `S0`, `S1`, …; each starts with revision 1 and counts on."""

    def __init__(self, store, routers=("R1",), limits=LIMITS, sources=SOURCES):
        self.policies = {name: RouterPolicy("acme", "dhcp1") for name in routers}
        super().__init__(store, sources, self.policies)
        self.accept = Accept(store, sources, self.policies, limits)
        self.names = list(routers)
        self.revisions = {}

    def next(self, service):
        self.revisions[service] = self.revisions.get(service, 0) + 1
        return self.revisions[service]

    def activate(self, services, router="R1", at=0):
        """Active and served, each with a MAC and an address of its own."""
        events = [
            builders.activated(
                service,
                router=router,
                mac=mac(at + i),
                ipv4=ipv4(at + i),
                revision=self.next(service),
            )
            for i, service in enumerate(services, start=1)
        ]
        self.send_all(events)
        self.converge(router)

    def send_all(self, events):
        for start in range(0, len(events), names.MAX_EVENTS_PER_MESSAGE):
            self.send(*events[start : start + names.MAX_EVENTS_PER_MESSAGE])

    def cancel(self, *services, **more):
        self.send_all([builders.cancelled(s, revision=self.next(s), **more) for s in services])

    def suspend(self, *services, **more):
        self.send_all([builders.suspended(s, revision=self.next(s), **more) for s in services])

    def resume(self, *services):
        self.send_all([builders.resumed(s, revision=self.next(s)) for s in services])

    def converge(self, router="R1"):
        """Every due mark is confirmed, as a pass would that found all as wanted."""
        while True:
            self.store.client.delete(self.store.keys.router(router).notified)
            acquired = self.store.routers.acquire(router, "pass", 500)
            ends = [
                confirmed(BatchItem(work_item, router, entry), acquired.now_ms)
                for work_item in acquired.work_items
                for entry in [wanted_entries(work_item.stored.record, self.policies)[router]]
            ]
            assert self.store.routers.conclude(router, "pass", ends) == [True] * len(ends)
            self.store.routers.next_batch(router, "pass", 0)
            if not ends:
                return

    def held(self, router=None):
        """Services whose marks the brake holds."""
        work_items = self.store.brake.held()
        return {each.service_id for each in work_items if router in (None, each.router)}

    def claims(self, service, router="R1"):
        """What a service holds."""
        held = self.store.client.hget(self.store.keys.router(router).held, service)
        return {claim for claim, _ in json.loads(held or "[]")}

    def due(self, router="R1"):
        """Services that a pass would take."""
        return set(self.queued(router))
