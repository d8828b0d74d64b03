"""A whole installation in one process: publishers, workers, Redis, routers, and what happens."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.simulation.virtual import CHANCE, CLOCK, begin  # isort: skip - before the program

import redis

import worker.routeros.sessions
import worker.store.store
from contracts import names
from tests.faults.history import deliveries
from tests.simulation import logs
from tests.simulation.applying import Inventories, features_after, routers_of
from tests.simulation.bss import Bss
from tests.simulation.checks import Checks
from tests.simulation.forms import kind_at, rows_at
from tests.simulation.happenings import Happenings
from tests.simulation.judging import (
    Excepted,
    adopted,
    differences,
    rows_and_wishes,
    without_last_word,
    words,
    written,
)
from tests.simulation.manifests import WAITS_S, late
from tests.simulation.messages import Messages
from tests.simulation.processes import PREFIX, Processes
from tests.simulation.redis_side import TimedServer
from tests.simulation.rest_side import CONNECTIONS
from tests.simulation.resting import Rest
from tests.simulation.router_side import Ways, make_router
from tests.simulation.scale import Scale, scale_of
from tests.simulation.scheduler import Scheduler
from tests.simulation.script_calls import of_nothing
from tests.simulation.store_side import WorkerClient, connected, own_client
from tests.simulation.story import NO_REST
from tests.simulation.tasks import CutOff, Violation
from worker.store.store import open_store

__all__ = ["Result", "Scale", "play", "scale_of"]

_LATE: Final = 1.8
"""Writes may land for almost two lock times, after which a second look comes."""
_AFTER_S: Final = 120.0
"""Things go wrong for up to so long after the last event, as long as there is work."""
_LATE_S: Final = 2.0
"""Who wrote too late sees that with its next command."""
_LOOKS: Final = 20
_LOOKS_S: Final = 30.0
"""What is in Redis is checked after so many points, or after one if that was so long ago."""
_REPORTED_MS: Final = 1_000
"""A report that was made so much later than what people did has seen it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a history.

    Attributes:
        seed: that replays it.
        digest: of all steps.
        points: how many were passed.
        counts: what went wrong on the way.
        problem: what did not hold; empty: all did.
        faults: names of those that came.
        story: who did what, in order.
        state: of the installation when something did not hold.
        last: some points.
    """

    seed: int
    digest: str
    points: int
    counts: dict[str, int]
    problem: str
    faults: tuple[str, ...]
    story: tuple[str, ...]
    state: tuple[str, ...] = ()
    last: tuple[str, ...] = ()


class World:
    """Use by `play`.

    Args:
        server: of this run; it is empty.
        directory: for the inventory.
        seed: decides all.
        scale: of the history.
    """

    def __init__(self, server: TimedServer, directory: Path, seed: int, scale: Scale) -> None:
        self.scale = scale
        self.scheduler = Scheduler(scale.odds, scale.points, scale.faults)
        self.scheduler.after_step = self._after_step
        logs.NARRATES[:] = [self.scheduler]
        server.has_replicas = scale.redis != "alone"
        server.lags = CHANCE.choice([0.1, 0.5, 0.9])
        self._server = server
        after = features_after(scale)
        self.routers = {
            name: make_router(name, seed + n, kind_at(name, {*scale.features, *after}))
            for n, name in enumerate(routers_of(scale, scale.features, after))
        }
        server.asks = lambda: self.scheduler.current and self.scheduler.current.process
        cut_off = lambda: server.known_former is not None  # noqa: E731 - as short
        self.ways = Ways(self.routers, self.scheduler, _LATE * scale.lock_s, CONNECTIONS, cut_off)
        worker.routeros.sessions.connect = self.ways.connect
        worker.store.store.StoreClient = self._store_client
        self.client = own_client(server, self.scheduler)
        self.store = open_store(self.client, PREFIX)
        self.checks = Checks(
            self.routers,
            self.store,
            loses=scale.redis != "min-replicas",
            has_brake="brake" in scale.features,
            rows_at=(places := {name: rows_at(name, scale.features) for name in _names(scale)}),
        )
        self.inventories = Inventories(directory / "inventory", scale, places, after)
        self.processes = Processes(scale, self.scheduler, server, self.inventories.read())
        self.processes.says, self.processes.said = self.checks.says, self.checks.said
        self.processes.approves, forget = self.checks.approves, self.checks.forget
        self.happenings = Happenings(self.processes, self.routers, forget, self.inventories)
        self.happenings.splits = lambda: self.checks.splits(self.client)
        self.rest = Rest(self.client, self.store.keys, list(self.routers))
        self.events: list[dict[str, Any]] = []
        self._messages = Messages(server, self.client, self.scheduler)
        self._looked_at, self._looked_s = 0, CLOCK.now_s

    @staticmethod
    def _store_client(*, connection_pool: redis.ConnectionPool) -> WorkerClient:
        client: WorkerClient = connected(WorkerClient, connection_pool)
        return client

    # --- checks --------------------------------------------------------------------------------

    def _after_step(self) -> None:
        if logs.BUGS:
            raise Violation(logs.BUGS.pop())
        self.checks.look_at_routers()
        if self._server.away:
            return
        if self.scheduler.may_have_pushed:
            self._messages.wake()
        points, since_s = self.scheduler.passed - self._looked_at, CLOCK.now_s - self._looked_s
        self._server.note_size()
        if points > _LOOKS or (points and since_s > _LOOKS_S):
            self._looked_at, self._looked_s = self.scheduler.passed, CLOCK.now_s
            self.checks.look_at_redis()

    def _at_rest(self) -> bool:
        if self.processes.to_publish or self.happenings.to_come or self._server.away:
            return False
        if not (self.processes.is_applied and self._have_learned()):
            return False
        refusals = self.happenings.refusals
        if self.rest.is_busy() or (refusals is not None and refusals.go_on(self.store)):
            return False
        return all(map(self._is_seen, self.routers))

    def _have_learned(self) -> bool:
        """Whether each worker looked at what Redis may have lost of his writes."""
        return all(map(self.processes.has_learned, self.processes.alive()))

    def _is_seen(self, router: str) -> bool:
        was_late = CLOCK.now_s < self.routers[router].late_s + _LATE_S
        return not was_late and self._is_reported(router)

    def _is_reported(self, router: str) -> bool:
        """Whether it was read in full since somebody last did something by hand."""
        people = self.happenings.people
        if people is None:
            return True
        report = self.store.full_reads.last(router)
        return report is not None and report.at_ms > people.last_s * 1000 + _REPORTED_MS

    def judge(self) -> None:
        """All has come to rest: routers are as the contract wants them, and each event has a word.

        Raises:
            Violation: they are not, or one has none.
        """
        refusals = self.happenings.refusals
        never = refusals.value if refusals else ""
        late = {row.get("list") for at in self.routers.values() for row in at.late_rows()}
        before = self.inventories.list_before
        left_alone = before if self._server.starts or before in late else ""
        forgot = bool(self._server.starts) and self.processes.lost_a_worker
        excepted = Excepted(never, left_alone, self._unknown(), forgot)
        features = self.inventories.features
        for problem in differences(self.routers, self.events, features, excepted):
            raise Violation(problem)
        for problem in self._left_over():
            raise Violation(problem)
        self.checks.look_at_redis()
        lost = self.client.hget(names.journal_lost(PREFIX), "events")
        self.scheduler.counts["sent again"] += int(lost or 0)
        for name, times in written(self.routers).items():
            self.scheduler.counts[f"written {name}"] += times
        self.scheduler.counts["write refused"] += sum(r.refusals for r in self.routers.values())
        for event in self.events:
            dated = "scheduled " if "effective_at" in event["data"] else ""
            self.scheduler.counts[f"said {dated}{event['type'].split('.')[-2]}"] += 1
        for problem in without_last_word(self.store, self.events):
            raise Violation(problem)

    def _unknown(self) -> set[str]:
        """Services of whose rows nobody knows the last write, or that failed for lost connections.

        Without `min-replicas` nobody looks at what a worker wrote that was cut off from the new
        Redis and died before he learned of it, nor at what a person wrote so, or adopted.
        """
        written, looks_again = self.checks.cut_off(), self.processes.looks_again
        unknown = {each for who, its in written.items() if not looks_again(who) for each in its}
        unknown |= adopted(self.routers.values()) if self._server.starts else set()
        letters = self.store.dead_letters.all()
        return unknown | {each.service_id for each in letters if each.reason == "connection-lost"}

    def _left_over(self) -> Iterator[str]:
        """Sessions of PPPoE that go on, though an event asked for something else.

        A Redis that lost its end knows no longer by which rows devices logged in, and no other
        policy ends a session.
        """
        devices = self.happenings.devices
        if devices is not None and not self._server.starts and "applies" not in self.scale.features:
            late = {service for router in self.routers.values() for service in router.late_services}
            yield from devices.left_over(self.checks.claims.touched | late)

    def play(self) -> None:
        """Play the history to its end.

        Raises:
            Violation: something did not hold.
        """
        scale, processes = self.scale, self.processes
        every = said_in(CHANCE.seeded, scale)
        with CHANCE.of("deliveries"):
            processes.to_publish += deliveries(
                CHANCE, every, duplicates=0.2, displaced_by=scale.displaced_by
            )
        self.events = [event for n, event in enumerate(every) if n not in scale.left_out]
        said = {event["id"] for event in self.events}
        processes.left_out = {event["id"] for event in every} - said
        self.scheduler.no_points = set(
            of_nothing(self.store.keys, scale.features, is_kept_up=self.rest.keep_up())
        )
        for number in range(scale.workers):
            processes.start_worker(f"worker-{number + 1}")
        processes.start_publisher()
        self.happenings.plan(self.checks, self.events)
        ends_at = CLOCK.now_s + scale.over_s + CHANCE.uniform(0, _AFTER_S)
        self.scheduler.run(
            10**7,
            lambda: self._at_rest() or (CLOCK.now_s > ends_at and not self.happenings.to_come),
        )
        if "manifests" in scale.features:
            self._say_a_manifest()
        self._come_to_rest()
        with self.scheduler.nothing_goes_wrong():
            self.judge()

    def _say_a_manifest(self) -> None:
        """All came to rest, and a while later the BSS lists its services; things go wrong again."""
        self._come_to_rest()
        with self.scheduler.nothing_goes_wrong():
            until = CLOCK.now_s + WAITS_S
            self.scheduler.run(10**7, lambda: CLOCK.now_s > until)
        parts = late(self.scale.services, CLOCK.now_s)
        self.events += parts
        self.processes.to_publish += CHANCE.sample(parts, 2)
        ends_at = CLOCK.now_s + _AFTER_S / 2
        self.scheduler.run(10**7, lambda: self._at_rest() or CLOCK.now_s > ends_at)

    def _come_to_rest(self) -> None:
        self._server.then = None
        self._server.lags, before = 0.0, self._server.lags
        with self.scheduler.nothing_goes_wrong():
            stands = self.rest.begins()
            self.scheduler.run(
                10**7, lambda: self._at_rest() or (not self._server.away and stands())
            )
            if not self._at_rest():
                raise Violation(f"{NO_REST}: {self.rest.left()}")
        self._server.lags = before

    def state(self) -> Iterator[str]:
        """Rows, work and writes in flight of each router, and the outcome of each event."""
        yield from rows_and_wishes(self.routers, self.events, self.inventories.features)
        for name in self.routers:
            block = self.store.keys.router(name)
            work = sorted(self.client.hkeys(block.work_items))
            yield f"{name}: work items {work}, in flight {self.client.hgetall(block.inflight)}"
        yield from words(self.store, self.events)


def said_in(seed: int, scale: Scale) -> list[dict[str, Any]]:
    """What the BSS says in a history, in order, with what is left out of it."""
    CHANCE.seeded = seed
    with CHANCE.of("BSS"):
        return Bss(scale, _names(scale)).history()


def _names(scale: Scale) -> list[str]:
    return [f"R{number}" for number in range(1, scale.routers + 1)]


def play(server: TimedServer, seed: int, scale: Scale) -> Result:
    """Play one history on an empty Redis."""
    begin(seed)
    logs.listen()
    CLOCK.tell()
    server.empty()
    with tempfile.TemporaryDirectory(prefix="lw-") as directory:
        world = World(server, Path(directory), seed, scale)
        problem = ""
        try:
            with suppress(CutOff):
                world.play()
        except Violation as violation:
            problem, server.away_until = str(violation), 0.0  # to read the state
        state = tuple(world.state()) if problem else ()
    scheduler = world.scheduler
    scheduler.end()
    return Result(
        seed,
        scheduler.digest,
        scheduler.passed,
        dict(scheduler.counts),
        problem,
        tuple(scheduler.faults),
        scheduler.story,
        state,
        scheduler.points,
    )
