"""The scene of a chaos run: links, faults that end later, and what is published meanwhile."""

import contextlib
import heapq
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis

from producers.errors import PublishFailed
from tests.faults import odd_worker
from tests.faults.faulty_redis import FaultyServer
from tests.faults.harness import Harness
from tests.faults.history import SOURCE, living_around
from tests.faults.links import Link
from tests.faults.mischief import KINDS, LEASE_S
from tests.installation import Worker
from tests.waiting import eventually
from worker.errors import StoreUnavailable

COMMAND_TIMEOUT_S = 2.0
"""LEASEWIRE_COMMAND_TIMEOUT_S of tests/installation.py: it is TCP_USER_TIMEOUT too."""
DISPLACED_BY = 60
_AFTER_UPGRADE = 20
"""So many events come only when workers write the newer format."""
_UPGRADED_IN_S = 60.0
AHEAD = timedelta(seconds=285)
"""The clock of the BSS, of that of Redis: of what was heard before a quarter of a minute and is not
in its manifest it says that it is gone."""


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
class Scene(Harness):
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
            if elapsed < scale.seconds + _UPGRADED_IN_S and not self.is_upgraded():
                due = min(due, len(arriving) - _AFTER_UPGRADE)
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

    def is_upgraded(self) -> bool:
        """Whether no upgrade is under way."""
        return True

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
