"""All comes to rest, and a person does what only people may."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from tests.faults import odd_worker
from tests.faults.chaos.scene import Scene
from worker.errors import StoreUnavailable


@dataclass
class Resting(Scene):
    """A scene that can come to rest."""

    def come_to_rest(self, deadline_s: float, *, conflicting: bool) -> list[str]:
        """Wait until nothing is left to do; what a person has to do meanwhile is done and counted.

        Returns:
            What does not come to rest.
        """
        deadline = time.monotonic() + deadline_s
        rest = self._rests_but_for_conflicts if conflicting else self.settled
        while not self._is_true(rest):
            if time.monotonic() > deadline:
                return self._unrest()
            self._help_out()
            time.sleep(0.5)  # the pace of looking
        return []

    def reconcile(self) -> list[str]:
        """A person has what differs put right; returns what hinders that."""
        for _ in range(5):
            said = self.leasewire("reconcile", "--apply")
            if said.returncode in (0, 4):
                return []
            self.counts["reconciled once more"] += 1
        return [f"reconcile ends with {said.returncode}: {said.stdout!a} {said.stderr!a}"]

    def _is_true(self, rest: Callable[[], bool]) -> bool:
        with contextlib.suppress(redis.ConnectionError, StoreUnavailable):
            return rest()
        return False

    def _rests_but_for_conflicts(self) -> bool:
        self.start_ended()
        if any(self.store.journal.depth(lane) for lane in ("events", "bulk")):
            return False
        if self._some_wait_for_reading():
            return False
        for router in self.control:
            block = self.store.keys.router(router)
            waiting = self.store.views.router_waiting(router)
            held = {each for each, why in waiting.items() if why["reason"] == "claim-held"}
            notes = self.client.hvals(block.inflight)
            if any(not note.startswith("|1|") for note in notes):
                return False
            if set(self.client.hkeys(block.work_items)) - held:
                return False
        return True

    def _some_wait_for_reading(self) -> bool:
        """Whether services wait until routers were read that Redis may have forgotten about."""
        names = self.client.scan_iter(self.store.keys.pool_waiting("*"))
        waiting = {service for name in names for service in self.client.zrange(name, 0, -1)}
        found = self.store.records.readable(waiting).values()
        reasons = {why.reason for stored in found for why in stored.record.unassigned.values()}
        return "pool-not-read" in reasons

    def _help_out(self) -> None:
        """What only a person can decide: a service with two odd rows, one that met three faults."""
        for router in self.control:
            if self.store.views.state(router).cause == "rebuild":
                self.counts["rebuilds approved at the end"] += 1
                self.leasewire("routers", "rebuild", router, "--apply")
            for service in self.store.views.router_waiting(router):
                if (router, service) in self.touched:
                    self._remove_copies(router, service)
        for dead_letter in self.store.views.dead_letters():
            known = dead_letter.reason in ("connection-lost", "does-not-stick", "internal-error")
            if known and dead_letter.service_id != odd_worker.CURSED:
                self.counts["dead letters tried again"] += 1
                self.leasewire("dead-letters", "retry", dead_letter.id)

    def _remove_copies(self, router: str, service: str) -> None:
        for row in self.rows(router).get(service, []):
            if row[".id"] in self.foreign[router]:
                self.control[router].remove_row(self.menu_of(router), row[".id"])
                del self.foreign[router][row[".id"]]
                self.counts["copies removed by hand"] += 1

    def _remove_all_copies(self) -> None:
        """A person who was told of drift removes what stands beside rows of ours."""
        for router, _, copy in self.copies:
            if self.foreign[router].pop(copy, None):
                self.control[router].remove_row(self.menu_of(router), copy)
                self.counts["copies removed by hand"] += 1
        self.copies.clear()

    def let_orphaned_copies_be_ours(self) -> None:
        """A copy is left alone while its original stands; after that the tag makes it ours."""
        for router, comment, copy in self.copies:
            rows = self.control[router].rows(self.menu_of(router))
            if self.foreign[router].get(copy) in [None, *rows]:
                continue
            journal = self.control[router].journal()[self.resets.get(router, [0])[-1] :]
            removed = (
                row[".id"] != copy and row.get("comment") == comment
                for row in (e["before"] for e in journal if e["before"] and not e["after"])
            )
            if any(removed):
                del self.foreign[router][copy]
                self.counts["copies that outlived their original"] += 1

    def _unrest(self) -> list[str]:
        found = [f"{self.store.journal.depth('events')} events in the journal"]
        for router in self.control:
            block = self.store.keys.router(router)
            work_items, notes = (
                self.client.hkeys(block.work_items),
                self.client.hgetall(block.inflight),
            )
            if work_items or notes:
                waiting, state = self.store.views.router_waiting(router), self.store.views.router
                found.append(f"{router}: {work_items=} {notes=} {waiting} {state(router)}")
                about = f'"router": "{router}"'
                found += [line for line in self.log_text().splitlines() if about in line][-30:]
        return found
