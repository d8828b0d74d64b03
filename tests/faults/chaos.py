"""Everything at once: `python -m tests.faults.chaos` (`make chaos`), seeded, with what must hold.

Four workers, simulated routers behind links, a generator of histories, and faults of all kinds at
random (`mischief.py`). In the middle the workers are upgraded one by one to a version with a newer
store format (`newer.py`). The seed decides histories, deliveries and faults; what meets what in the
end is up to the machine.
"""

import argparse
import contextlib
import heapq
import itertools
import json
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import redis

from contracts.sealing import Sealer, sealed_event
from producers.errors import PublishFailed
from tests import builders
from tests.faults import estate, odd_worker
from tests.faults.faulty_redis import FaultyServer
from tests.faults.harness import Harness, places_of, row_of
from tests.faults.history import SOURCE, deliveries, history, living_around
from tests.faults.leftovers import leftovers
from tests.faults.links import Link
from tests.faults.mischief import KINDS, LEASE_S, SERVICE_MS
from tests.faults.newer import FORMAT, be_newer
from tests.faults.put_back import ROOT
from tests.installation import Worker, end
from tests.waiting import eventually
from worker.core.effect.findings import ENDS
from worker.core.entry.entry import Entry, claims_of
from worker.core.rows.rows import device_of, is_host_address, scopes_meet
from worker.core.service.outcome import DeadLetter
from worker.core.service.record_format import STORE_FORMATS
from worker.errors import StoreUnavailable
from worker.inventory import load_inventory

COMMAND_TIMEOUT_S = 2.0
"""LEASEWIRE_COMMAND_TIMEOUT_S of tests/installation.py: it is TCP_USER_TIMEOUT too."""
EVENTS_A_SECOND = 60
DISPLACED_BY = 60
AHEAD = timedelta(seconds=285)
"""The clock of the BSS, of that of Redis: of what was heard before a quarter of a minute and is not
in its manifest it says that it is gone."""
_REST_EVERY_S = 40.0
CONVERGES_IN_S = 180.0
OF_NOW = (sys.executable, "-m", "tests.faults.odd_worker")
NEWER = (sys.executable, "-m", "tests.faults.newer", "tests.faults.odd_worker")
LATE = (sys.executable, "-m", "tests.faults.late_worker")
"""Workers of the version of now, of a newer one, and of now that were away during the upgrade."""
_CURSED_MAC, _CURSED_ADDRESS = "00:00:5E:00:53:FE", "198.51.100.254"
_HELD = re.compile(r"(\S+) is held by (?:service (\S+) \(|a service of another source)")
"""A key, and its holder where the words name it: they do not name who belongs to another source."""


_ENDLESS = frozenset({"pool-nearly-full", "rogue-device", "dead-letters"})
"""Alerts of what is there at the end: of the odd router, and of the service that none can plan."""
_LASTING = frozenset({"clock-went-back", "redis-rolled-back", *ENDS})
"""Alerts that say what happened, and stay for a while; and of how these routers are set up."""


@dataclass(frozen=True)
class Scale:
    """How large a run is.

    Attributes:
        seconds: events and faults come.
        routers, services, events: how many.
        faults_a_second: begin.
        conflicting: services share MACs and addresses.
    """

    seconds: float
    routers: int = 50
    services: int = 2000
    events: int = 35_000
    faults_a_second: float = 3
    conflicting: bool = False


@dataclass
class Chaos(Harness):
    """A harness with links, with faults that end later, and with a person who helps out."""

    user_timeout_s: float = COMMAND_TIMEOUT_S
    links: dict[str, Link] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    stopped: set[int] = field(default_factory=set)
    touched: set[tuple[str, str]] = field(default_factory=set)
    copies: list[tuple[str, str, str]] = field(default_factory=list)
    """Router, comment and id of rows that a person copied from ours."""
    said: list[dict] = field(default_factory=list)
    """What was published, in order; what Redis may have lost is said again."""
    events: Sequence[dict] = ()
    """The history up to the next rest, in the order in which it happened."""
    arriving: list[dict] = field(default_factory=list)
    """What is published until then."""
    alerts_seen: set[str] = field(default_factory=set)
    """Kinds of those that were open at some moment."""
    is_far_behind: bool = False
    """Redis's clock, further than the contract allows."""
    manifest: Sequence[dict] = ()
    """The parts of the last one."""
    abandoned: set[str] = field(default_factory=set)
    """Ids of parts of manifests that may never be whole: after an hour each is a dead letter."""
    _pending: list[dict] = field(default_factory=list)
    _timers: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def _start(self, stack: ExitStack) -> None:
        self._link_stack = stack
        super()._start(stack)

    def make_valkey(self, directory: Path) -> FaultyServer:
        """One whose clock can be set."""
        self.valkey: FaultyServer = FaultyServer(directory)
        return self.valkey

    def port_of(self, router: Mapping[str, Any]) -> int:
        """The port of its link."""
        name = router["name"]
        if name not in self.links:
            link = Link(super().port_of(router), self.user_timeout_s)
            self.links[name] = self._link_stack.enter_context(link)
        return self.links[name].own_port

    # What the faults use.

    def number(self) -> int:
        """One that nothing has yet."""
        return next(self._numbers)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do it in so many seconds."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, self.number(), do))

    def was_reset(self, router: str) -> None:
        """What it had is gone; others' rows are made anew."""
        self.resets.setdefault(router, []).append(len(self.control[router].journal()))
        self.touched = {each for each in self.touched if each[0] != router}
        self.copies = [each for each in self.copies if each[0] != router]
        self.add_foreign_rows(router)

    def say_again(self, since: int) -> None:
        """Publish what was published since; Redis may have lost it.

        But for manifests: what they list may not be so any more.
        """
        manifests = [each["id"] for each in self.said[since:] if "manifest" in each["type"]]
        if manifests:
            self.abandoned |= {each["id"] for each in self.manifest}.union(manifests)
        self._pending += [each for each in self.said[since:] if "manifest" not in each["type"]]

    def send_manifest(self, rng: random.Random) -> None:
        """Publish a manifest whose job died after its first part, and then a whole one."""
        places = {each["id"]: place for place, each in enumerate(self.events)}
        newest = max((places.get(each["id"], 0) for each in self.said), default=0)
        living = [*living_around(self.events, newest, 4 * DISPLACED_BY), odd_worker.CURSED]
        number, taken_at = self.number(), self._redis_time() + AHEAD
        rng.shuffle(living)
        died = manifest_parts(f"resync-{number}", living, taken_at - timedelta(seconds=5), "a")
        rng.shuffle(living)
        whole = manifest_parts(f"resync-{number}", living, taken_at, "b")
        rng.shuffle(whole)
        self.abandoned.add(died[0]["id"])
        self.later(0, lambda: self._pending.extend(died[:1]))
        self.later(rng.uniform(0.5, 3), lambda: self._pending.extend(whole))
        self.manifest = whole

    @property
    def clock_stays(self) -> bool:
        """A manifest is under way, and its clock is as far ahead as the contract allows."""
        said = [self.outcome(part) for part in self.manifest]
        return any(each is None for each in said) or (
            bool(said) and not any(each and each.state == "applied" for each in said)
        )

    def _redis_time(self) -> datetime:
        return datetime.fromtimestamp(self.store.records.now_ms() / 1000, UTC)

    def look_at_all(self, router: str) -> None:
        """A person lets a router be rebuilt."""
        services = self.store.keys.router(router).services
        try:
            now_ms = self.store.records.now_ms()
            self.store.full_reads.approve(router, "a person", now_ms)
            self.store.routers.add_work(router, sorted(self.client.smembers(services)))
        except (redis.RedisError, StoreUnavailable):
            self.later(1, lambda: self.look_at_all(router))

    def kill(self, worker: Worker) -> None:
        """Start it again once it ended."""
        worker.process.kill()
        worker.process.wait()
        worker.process = self.start_process(worker.kind)

    # The run.

    def wait_for_workers(self) -> None:
        """Until each has begun to work: faults before that meet nobody."""
        key = self.store.keys.processes
        eventually(lambda: self.client.zcard(key) >= len(self.workers), "all work", within_s=60)

    def unleash(self, rng: random.Random, scale: Scale) -> None:
        """Publish what arrives and let things go wrong; at the end all faults are over."""
        arriving = self.arriving
        began, sent, next_fault, next_check = time.monotonic(), 0, 0.5, 1.0
        while (elapsed := time.monotonic() - began) < scale.seconds or sent < len(arriving):
            if next_fault <= elapsed < scale.seconds:
                self._begin_fault(rng)
                next_fault += rng.expovariate(scale.faults_a_second)
            if next_check <= elapsed:
                self._see_alerts()
                next_check += 1
            self._fire()
            self.start_ended()
            if self._pending and self._publish(self._pending[:100], again=True):
                del self._pending[:100]
            due = min(len(arriving), int(len(arriving) * elapsed / (scale.seconds * 0.95)) + 1)
            if sent < due:
                size = min(rng.randint(1, 20), len(arriving) - sent)
                sent += size * self._publish(arriving[sent : sent + size])
            else:
                time.sleep(0.01)  # the pace of publishing
        self._fire(all_of_them=True)
        while self._pending:
            if self._publish(self._pending[:100], again=True):
                del self._pending[:100]
        self.arriving = []

    def _publish(self, events: Sequence[dict], *, again: bool = False) -> bool:
        try:
            self.publisher.publish(events)
        except PublishFailed:
            self.counts["publishes repeated"] += 1
            return False
        self.said += events
        self.counts["said once more" if again else "events"] += len(events)
        return True

    def _see_alerts(self) -> None:
        with contextlib.suppress(redis.RedisError, StoreUnavailable):
            self.alerts_seen |= {alert.kind for alert in self.store.alerts.all_open()}

    def _begin_fault(self, rng: random.Random) -> None:
        kind = rng.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
        router, seconds = rng.choice(list(self.control)), rng.uniform(0.5, LEASE_S)
        self.counts[kind] += 1
        undo = KINDS[kind][1](self, rng, router, seconds)
        if undo is not None:
            self.later(seconds, undo)

    def _fire(self, *, all_of_them: bool = False) -> None:
        while self._timers and (all_of_them or self._timers[0][0] <= time.monotonic()):
            heapq.heappop(self._timers)[2]()

    # The end.

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
            if self.store.views.router(router).state.cause == "rebuild":
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

    def judge(
        self, besides: Sequence[dict], *, conflicting: bool
    ) -> tuple[dict[str, int], list[str]]:
        """How much of what must hold does not, and what, once all has come to rest.

        Args:
            besides: events that are not of the history and have a last word too.
            conflicting: services may wait for each other.
        """
        self.let_orphaned_copies_be_ours()
        differ = (self.conflicts if conflicting else self.differences)(self.events)
        foreign = [each for router in self.control for each in self.changed_foreign_rows(router)]
        lost = self.without_final_outcome([*self.events, *besides])
        if conflicting:
            lost = [each for each in lost if not self._waits_for_a_claim(each)]
        doubled, dead_letters = self.double_entries(), self.wrong_letters()
        self._remove_all_copies()
        found = {
            "lost": [f"{each} has no final outcome" for each in lost],
            "doubled": doubled,
            "foreign rows changed": foreign,
            "assigned wrongly": self.wrong_assignments(),
            "other differences": [each for each in differ if each not in foreign],
            "false dead letters": dead_letters,
            "alerts wrongly open or never begun": self.wrong_alerts(),
            "left in Redis": [] if conflicting else self.leftovers(),
        }
        self.touched.clear()
        return (
            {name: len(each) for name, each in found.items()},
            [each for some in found.values() for each in some],
        )

    def wrong_assignments(self) -> list[str]:
        """What of the pools is not as it must be, by records, by the rows and by the pools."""
        inventory = load_inventory(self.directory / "routers.toml", environ=self.environ)
        services = sorted({event["data"]["service_id"] for event in self.events})
        holders: dict[str, str] = {}
        found = []
        for service, stored in self.store.records.readable(services).items():
            record = stored.record
            if record.value("lifecycle") != "on":
                continue
            found += [f"{service} waits for {why}" for why in record.unassigned.values()]
            for kind, given in record.assigned.items():
                pool = inventory.pools.pools.get(given.pool)
                if pool is None or not pool.holds(given.value) or not pool.serves(record.router):
                    found.append(f"{service} on {record.router} has {kind} {given}")
                if holders.setdefault(given.value, service) != service:
                    found.append(f"{service} and {holders[given.value]} have {given.value}")
        noted = self.store.pools.holders(sorted(holders))
        for value, service in holders.items():
            held = noted.get(value)
            if held is None or (held.service, held.until_ms) != (service, 0):
                found.append(f"{service} has {value}, and the pool says {held}")
        self.counts["values assigned at the end"] = len(holders)
        return found

    def _waits_for_a_claim(self, event_id: str) -> bool:
        events = [event for event in self.events if event["id"] == event_id]
        said = self.outcome(events[0]) if events else None  # that of `besides` waits for nothing
        return said is not None and (said.state, said.reason) == ("waiting", "claim-held")

    def wrong_letters(self) -> list[str]:
        """Dead letters but of the service that no worker can plan, and of abandoned manifests."""
        expected = (odd_worker.CURSED, "internal-error")
        return [
            f"dead letter {dead_letter.reason} of {dead_letter.service_id or dead_letter.id}: "
            f"{dead_letter.detail!a}"
            for dead_letter in self.store.views.dead_letters()
            if (dead_letter.service_id, dead_letter.reason) != expected
            and not self._abandons(dead_letter)
        ]

    def _abandons(self, dead_letter: DeadLetter) -> bool:
        if dead_letter.reason != "manifest-incomplete":
            return False
        return self.abandoned.issuperset(json.loads(dead_letter.body)["events"])

    def wrong_alerts(self, within_s: float = 25) -> list[str]:
        """Alerts that are open though their reason is over, and those that nobody began."""
        estate.fill_odd_pool(self.control[estate.ODD])
        deadline = time.monotonic() + within_s
        looked, due, _ = self.store.keys.reports
        self.client.zadd(due, dict.fromkeys(self.control, 0), xx=True)
        while True:
            self.start_ended()
            # else it may be a minute until the next looks
            self.client.delete(self.store.keys.alert_check, looked)
            open_now = {alert.name: alert for alert in self.store.alerts.all_open()}
            kinds = {alert.kind for alert in open_now.values()}
            wrong = [
                f"alert {name!a} is open: {alert.text!a}"
                for name, alert in open_now.items()
                if alert.kind not in _ENDLESS | _LASTING
            ]
            wrong += [f"no alert {kind} is open" for kind in sorted(_ENDLESS - kinds)]
            if not wrong or time.monotonic() > deadline:
                return wrong
            time.sleep(0.5)  # the pace of looking

    def leftovers(self) -> list[str]:
        """What must not be left in Redis."""
        besides = frozenset({odd_worker.CURSED})
        return leftovers(self.client, self.store, self.expected(self.events), besides)

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
        return found

    def conflicts(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """Services that neither have what they want nor wait for one that has it."""
        found = []
        for router, entries in self.expected(events).items():
            kind = self.kind_of(router)
            rows = {service: row_of(entry, kind) for service, entry in entries.items()}
            wants = {each: rows[each] or entry.reserved or {} for each, entry in entries.items()}
            have, waiting = self.own_rows(router), self.store.views.router_waiting(router)
            # who is suspended by having no row has what it reserves
            reserved = {each: [wants[each]] for each, row in rows.items() if row is None}
            lists = self.own_lists(router)
            holders = self._holders(router, entries, waiting)
            for service in sorted(wants.keys() | have.keys() | lists.keys()):
                want, got, why = rows.get(service), have.get(service, []), waiting.get(service)
                listed = lists.get(service, [])
                if got == ([want] if want else []) and listed == places_of(entries.get(service)):
                    self.counts["services in sync"] += 1
                    continue
                if not _waits_rightly(service, wants, have | reserved, holders):
                    notified = holders.get(service, ())
                    of_holders = {e: (wants.get(e), have.get(e), waiting.get(e)) for e in notified}
                    found.append(
                        f"{router} {service}: wanted {want}, found {got} and in lists {listed}, "
                        f"said {why}; holders want, have and say {of_holders}"
                    )
                self.counts["services that wait for a holder"] += 1
            found += self.changed_foreign_rows(router)
        return found

    def _holders(
        self,
        router: str,
        entries: Mapping[str, Entry],
        waiting: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, frozenset[str]]:
        """By the store, who holds what each service waits for; only of those told so truly."""
        claims = self.store.claims.at(router)
        found = {}
        for service, why in waiting.items():
            wants = claims_of(entries.get(service, Entry(service, None)))
            held = [
                (each.key, each.holder)
                for each in claims
                if each.is_held
                and service in each.waiters
                and each.holder != service
                and any(key == each.key and scopes_meet(scope, each.scope) for key, scope in wants)
            ]
            if why["reason"] == "claim-held" and _is_told(why["detail"], held):
                found[service] = frozenset(holder for _, holder in held)
        return found


@dataclass
class OnEstate(Chaos):
    """Chaos on the routers of `estate.py`; three at the least."""

    others: list[Worker] = field(default_factory=list)
    """Workers of another version than most."""
    upgraded: list[Worker] = field(default_factory=list)
    replaced: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """What ran before the upgrade."""

    def _start(self, stack: ExitStack) -> None:
        stack.callback(be_newer())
        super()._start(stack)
        stack.callback(self._end_others)
        estate.fill_odd_pool(self.control[estate.ODD])

    def add_foreign_rows(self, name: str) -> None:
        """Set a router up first that has nothing yet."""
        if not self.resets.get(name):
            estate.set_up(self.control[name])
            if "wrong_bodies_after_boot" in self.control[name].faults():
                self.control[name].set_faults(wrong_bodies_after_boot=6)
        super().add_foreign_rows(name)

    def kill(self, worker: Worker) -> None:
        """Start it again once it ended, in its version."""
        self.worker_command = NEWER if worker in self.upgraded else OF_NOW
        super().kill(worker)

    def start_beside(self, kind: str) -> Worker:
        """Start a worker of another version beside the others."""
        self.worker_command = LATE if len(self.upgraded) == len(self.workers) else NEWER
        worker = Worker(kind, self.start_process(kind))
        self.others.append(worker)
        return worker

    def upgrade(self, within_s: float) -> None:
        """Replace the workers one after the other, as an operator does host by host."""
        for number, worker in enumerate(self.workers, 1):
            self.later(within_s * number / (len(self.workers) + 1), partial(self._replace, worker))

    def _replace(self, worker: Worker) -> None:
        worker.process.terminate()
        self.replaced.append(worker.process)
        self.upgraded.append(worker)
        self.worker_command = NEWER
        worker.process = self.start_process(worker.kind)

    def upgrade_problems(self) -> list[str]:
        """What is not as it should be after the upgrade; counts records of the newer format."""
        try:
            eventually(
                lambda: self.leasewire("upgrade", "check").returncode == 0, "upgraded", within_s=20
            )
        except AssertionError:
            said = self.leasewire("upgrade", "check")
            return [f"upgrade check ends with {said.returncode}: {said.stdout} {said.stderr}"]
        keys = self.client.scan_iter(self.store.keys.record("*"), count=1000)
        texts = self.client.mget(list(keys))
        number = f'"format":{STORE_FORMATS[FORMAT].usual},'
        self.counts["records in the newer format"] = sum(number in (text or "") for text in texts)
        return [] if self.counts["records in the newer format"] else ["no record is newer"]

    def _end_others(self) -> None:
        for process in (*(worker.process for worker in self.others), *self.replaced):
            end(process)

    @property
    def serves_rest(self) -> bool:
        """Some routers are reached so."""
        return True

    def menu_of(self, router: str) -> str:
        """Each router in its own kind of entry."""
        return estate.menu_of(router)

    @cached_property
    def sealer(self) -> Sealer:
        """By the keys that the workers have."""
        return Sealer.from_text(self.secret_keys.read_text())

    def transport_of(self, router: str) -> str:
        """Each router in its own way."""
        return estate.transport_of(router)


def _is_told(detail: str, held: Sequence[tuple[str, str]]) -> bool:
    """Whether the words tell of keys that are held, and name nobody but who holds them."""
    notified = _HELD.findall(detail)
    return bool(notified) and all(
        any(key == its_key and name in ("", holder) for its_key, holder in held)
        for key, name in notified
    )


def _waits_rightly(
    service: str,
    wants: Mapping[str, Mapping[str, str]],
    have: Mapping[str, Sequence[Mapping[str, str]]],
    holders: Mapping[str, frozenset[str]],
    asked: frozenset[str] = frozenset(),
) -> bool:
    """Whether a service waits for holders who want what it wants, and each of them has it.

    A holder that waits for another itself keeps the row that it has. One that has none yet keeps
    the claim that it was granted and still wants (`tests/store/claims_model.py`): then the chain
    goes on, and must end at services that have their rows.
    """
    asked |= {service}
    return bool(holders.get(service)) and all(
        _meets(wants.get(service), wants.get(each))
        and (
            [_meets(wants.get(service), row) for row in have.get(each, [])] == [True]
            or (
                not have.get(each)
                and each not in asked
                and _waits_rightly(each, wants, have, holders, asked)
            )
        )
        for each in holders[service]
    )


def _meets(one: Mapping[str, str] | None, other: Mapping[str, str] | None) -> bool:
    if not one or not other:
        return False
    same_device = device_of(one) == device_of(other)
    same_address = one["address"] == other["address"] and is_host_address(one["address"])
    return same_address or (same_device and scopes_meet(one["server"], other["server"]))


def manifest_parts(
    name: str, services: Sequence[str], taken_at: datetime, attempt: str, size: int = 120
) -> list[dict]:
    """A manifest that has all services which it does not list cancelled."""
    pages = [services[at : at + size] for at in range(0, len(services), size)] or [[]]
    return [
        {
            "specversion": "1.0",
            "id": f"{name}-{attempt}:{number}",
            "source": SOURCE,
            "type": "leasewire.inventory.manifest.v1",
            "subject": f"inventory/{name}",
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            "data": {
                "manifest_id": name,
                "part": number,
                "parts": len(pages),
                "taken_at": taken_at.isoformat(),
                "missing": "cancel",
                "services": [{"service_id": each} for each in page],
            },
        }
        for number, page in enumerate(pages, 1)
    ]


def make_chaos(directory: Path, routers: int) -> OnEstate:
    """An installation as `estate.py` has it; nothing runs yet."""
    chaos = OnEstate(
        directory,
        routers,
        simulator=[
            "--with-mac-server",
            "--order",
            "shuffle",
            "--latency-ms",
            "10",
            "--service-ms",
            str(SERVICE_MS),
        ],
        inventory=estate.keys_of(routers),
        tables=estate.TABLES + estate.POOL_TABLES,
        sources=estate.SOURCES,
        worker_command=OF_NOW,
        command=[sys.executable, "-m", "tests.faults.newer", "leasewire"],
    )
    chaos.environ_more = {
        "LEASEWIRE_ROUTER_RECHECK_S": "2",
        "LEASEWIRE_WATCH_EVERY_S": "5",
        "LEASEWIRE_REPORT_EVERY_S": "10",
        "LEASEWIRE_SECRET_KEYS_FILE": str(chaos.secret_keys),
        "PYTHONPATH": str(ROOT),  # the command runs in a directory of its own
    }
    chaos.secret_keys.write_text(secrets.token_hex(64))
    odd_worker.shares(directory, 0)
    return chaos


def run(
    directory: Path, seed: int, scale: Scale, deadline_s: float = CONVERGES_IN_S
) -> tuple[dict[str, Any], list[str]]:
    """One run; returns the table, and what does not hold.

    Every so often all comes to rest and is looked at: what later events would hide is seen so.
    """
    rng = random.Random(seed)
    with make_chaos(directory, scale.routers) as chaos:
        chaos.start_workers("events", "routers", "events", "routers")
        chaos.wait_for_workers()
        told = history(
            rng,
            list(chaos.control),
            scale.services,
            scale.events,
            conflicting=scale.conflicting,
            wide=True,
        )
        events = [sealed_event(event, chaos.sealer)[0] for event in told]
        cursed = builders.activated(
            odd_worker.CURSED, mac=_CURSED_MAC, ipv4=_CURSED_ADDRESS, server=estate.SERVERS[0]
        )
        chaos.arriving = [cursed]
        rests = max(1, round(scale.seconds / _REST_EVERY_S))
        one = replace(scale, seconds=scale.seconds / rests)
        ends = [len(events) * n // rests for n in range(rests + 1)]
        slowest_s, problems = 0.0, []
        for turn, (begin, end) in enumerate(pairwise(ends)):
            if turn == rests // 2:
                chaos.upgrade(one.seconds)
            chaos.events = events[:end]
            chaos.arriving += deliveries(
                rng, events[begin:end], duplicates=0.2, displaced_by=DISPLACED_BY
            )
            chaos.unleash(rng, one)
            began = time.monotonic()
            problems = chaos.come_to_rest(deadline_s, conflicting=scale.conflicting)
            problems += chaos.reconcile()
            problems += chaos.come_to_rest(deadline_s, conflicting=scale.conflicting)
            slowest_s = max(slowest_s, time.monotonic() - began)
            figures, wrong = chaos.judge([cursed], conflicting=scale.conflicting)
            problems += wrong
            if problems:
                break
        problems += chaos.upgrade_problems()
        links = chaos.links.values()
        table = {
            "seed": seed,
            "seconds": scale.seconds,
            "routers": scale.routers,
            "services": scale.services,
            "events": len(chaos.events),
            "events published": chaos.counts.pop("events"),
            **{kind: chaos.counts.pop(kind, 0) for kind in KINDS},
            "went on late, nothing to deliver": sum(link.lost_by_reset for link in links),
            "went on late, and delivered": sum(link.delivered_late for link in links),
            **dict(chaos.counts),
            "alerts seen": ", ".join(sorted(chaos.alerts_seen)),
            "converged after, at the longest": f"{slowest_s:.1f} s" if not problems else "never",
            **figures,
        }
        return table, problems


def main() -> int:
    """One run of the first set and one of the second, told in tables; 1 if anything fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--routers", type=int, default=50)
    parser.add_argument("--services", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=10, help="of events and faults")
    options = parser.parse_args()
    failed = False
    for conflicting, share in ((False, 0.8), (True, 0.2)):
        seconds = options.minutes * 60 * share
        scale = Scale(
            seconds,
            max(3, options.routers // 5) if conflicting else options.routers,
            options.services,
            events=int(seconds * EVENTS_A_SECOND),
            conflicting=conflicting,
        )
        directory = Path(tempfile.mkdtemp(prefix="lw-"))
        sys.stdout.write(f"\n{'conflicting' if conflicting else 'legal'} histories\n")
        table, problems = run(directory, options.seed, scale)
        for name, value in table.items():
            sys.stdout.write(f"  {name:<38}{value}\n")
        for each in problems[:50]:
            sys.stdout.write(f"FAILED {each}\n")
        if problems:
            sys.stdout.write(f"logs: {directory}\n")
            failed = True
        else:
            shutil.rmtree(directory)
    return failed


if __name__ == "__main__":
    sys.exit(main())
