"""A whole installation in one process: publishers, workers, Redis, routers, and what happens."""

import json
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.simulation.virtual import CHANCE, CLOCK, begin  # isort: skip - before the program

import redis
import structlog

import worker.routeros.session
import worker.store.store
from contracts import event_key, names
from producers.errors import PublishFailed
from producers.journal_transport import JournalTransport
from producers.publisher import Publisher
from tests import builders
from tests.faults.history import deliveries, history
from tests.simulation.invariants import FINAL, OutcomeChecks, RouterChecks
from tests.simulation.oracle import Wanted, wanted_rows
from tests.simulation.router_side import Ways, make_router
from tests.simulation.scheduler import Odds, Process, Scheduler, Violation, odds_of
from tests.simulation.store_side import PlainClient, TimedServer, WorkerClient, connected
from worker.compute_gate import Turn
from worker.convergence.concurrency import ConcurrencyLimiter
from worker.convergence.router_pass import Converge
from worker.intake.accept import Accept
from worker.inventory import load_inventory
from worker.routeros.sessions import Sessions
from worker.runtime.sweep import EVERY_S, Sweep
from worker.runtime.tasks import guarded, register, release_due
from worker.settings import Settings
from worker.store.heartbeat import Heartbeat, this_process
from worker.store.store import open_store

SERVER: Final = "dhcp-vlan-32"
PREFIX: Final = names.DEFAULT_PREFIX
_GRACE_MS: Final = 2_000
_AGAIN_S: Final = 90.0
"""After Redis lost its end the BSS sends again what it said in so long."""
_LATE: Final = 1.8
"""Writes may land for almost two lock times, after which a second look comes."""
_REST_S: Final = 1_800.0
_TASKS: Final = {"events": 1, "routers": 2}


@dataclass(frozen=True, slots=True)
class Scale:
    """One history.

    Attributes:
        routers, services, events, workers: how many.
        odds: of what goes wrong at points.
        reboots, absences: restarts of routers, and times when one cannot be reached.
        rollbacks: how often Redis is killed and lacks its end.
        lost_messages, doubled_messages: shares of Celery's messages.
        over_s: the events come in so many seconds.
        lock_s: time of a router lock.
        pace_s: a sweep comes each second, or at most so much later.
    """

    routers: int = 3
    services: int = 12
    events: int = 60
    workers: int = 2
    odds: Odds = field(default_factory=Odds)
    reboots: int = 2
    absences: int = 3
    rollbacks: int = 0
    lost_messages: float = 0.02
    doubled_messages: float = 0.02
    over_s: float = 40.0
    lock_s: float = 30.0
    pace_s: float = 3.0


class _OpenGate:
    """Nobody waits for the processor here."""

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Begin at once."""
        yield Turn(self)  # type: ignore[arg-type]

    def outside(self, _: Turn) -> AbstractContextManager[None]:
        """Nobody computes meanwhile who would not anyway."""
        return nullcontext()


class _Tasks:
    """In place of the Celery app: keeps the tasks by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Callable[..., None]] = {}

    def task(self, *, name: str, typing: bool) -> Callable[[Callable[..., None]], None]:
        """As `Celery.task`."""
        del typing
        return lambda work: self.by_name.__setitem__(name, work)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a history.

    Attributes:
        seed: that replays it.
        digest: of all steps.
        steps: how many points were passed.
        counts: what went wrong on the way.
        problem: what did not hold; empty: all did.
        story: the last steps.
    """

    seed: int
    digest: str
    steps: int
    counts: dict[str, int]
    problem: str
    story: tuple[str, ...]


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
        self.server = server
        self.scheduler = Scheduler(scale.odds)
        self.scheduler.restarts = self._restart
        self.scheduler.after_step = self._after_step
        self.routers = {
            f"R{n}": make_router(f"R{n}", seed + n) for n in range(1, scale.routers + 1)
        }
        self.ways = Ways(self.routers, self.scheduler, _LATE * scale.lock_s)
        worker.routeros.session.connect = self.ways.connect
        worker.store.store.StoreClient = self._store_client
        self.checks = {name: RouterChecks(router) for name, router in self.routers.items()}
        self.client = connected(WorkerClient, server, self.scheduler)
        self.store = open_store(self.client, PREFIX)
        feed = self.store.keys.feed(f"live:{builders.SOURCE}")
        self.outcomes = OutcomeChecks(self.client, feed)
        self._inventory(directory)
        self._numbers = count(1)
        self._published: list[tuple[float, dict[str, Any]]] = []
        self._to_publish: list[dict[str, Any]] = []
        self._rolls_back_at: list[float] = []
        self.events: list[dict[str, Any]] = []

    def _store_client(self, *, connection_pool: redis.ConnectionPool) -> WorkerClient:
        client = WorkerClient(connection_pool=connection_pool)
        client.scheduler = self.scheduler
        return client

    def _inventory(self, directory: Path) -> None:
        (directory / "secret").write_text("secret")
        (directory / "secret").chmod(0o600)
        tables = [
            '[installation]\nid = "acme"',
            f'[defaults]\npassword_file = "secret"\ndhcp_server = "{SERVER}"',
            f'[sources."{builders.SOURCE}"]\norder = "revisions"',
            "[brake]\nenabled = false",
            *(
                f'[routers.{name}]\nhost = "{name}.test"\ntransport = "api"'
                for name in self.routers
            ),
        ]
        path = directory / "routers.toml"
        path.write_text("\n".join(tables))
        self.settings = Settings.load(
            {
                "LEASEWIRE_INVENTORY": str(path),
                "LEASEWIRE_ROUTER_LOCK_S": f"{self.scale.lock_s}",
                "LEASEWIRE_COMMAND_TIMEOUT_S": f"{self.scale.lock_s / 3}",
            }
        )
        self.inventory = load_inventory(path)

    # --- processes -----------------------------------------------------------------------------

    def start_worker(self) -> None:
        """A worker with all that its process runs."""
        process = Process(f"worker-{next(self._numbers)}")
        client = connected(WorkerClient, self.server, self.scheduler)
        store = open_store(client, PREFIX, int(self.scale.lock_s * 1000))
        sessions = Sessions(self.inventory, self.settings)
        policies = {name: router.policy for name, router in self.inventory.routers.items()}
        pools = self.inventory.pools
        accept = Accept(store, self.inventory.sources, policies, self.inventory.brake, pools=pools)
        converge = Converge(
            store,
            sessions,
            policies,
            limiter=ConcurrencyLimiter(threads=16),
            gate=_OpenGate(),  # type: ignore[arg-type]
            pools=pools,
        )
        tasks = _Tasks()
        register(tasks, accept, converge)  # type: ignore[arg-type]
        info = this_process("routers")._replace(pid=int(process.name.split("-")[1]))
        heartbeat = Heartbeat(store.heartbeats, info)
        sweep = Sweep(
            store, _GRACE_MS, heartbeat, lambda: False, release=lambda: release_due(accept)
        )
        for queue, threads in _TASKS.items():
            for number in range(threads):
                self.scheduler.spawn(
                    process,
                    f"{queue}-{number}",
                    lambda queue=queue: self._consume(client, queue, tasks.by_name),
                )
        self.scheduler.spawn(process, "sweep", lambda: self._sweep(sweep))

    def _consume(self, client: Any, queue: str, tasks: dict[str, Callable[..., None]]) -> None:
        """As Celery: takes a message, which may be lost, or come twice, and runs its task."""
        key = names.queue_key(PREFIX, queue)
        take = guarded("take", lambda: got.append(client.rpop(key)))
        while True:
            got: list[str | None] = []
            take()
            message = got[0] if got else None
            if message is None:
                self.scheduler.wait(key)
                continue
            parts = json.loads(message)
            arguments, _, _ = json.loads(parts["body"])
            chance = CHANCE.random()
            if chance < self.scale.lost_messages:
                self.scheduler.counts["message lost"] += 1
                continue
            twice = chance < self.scale.lost_messages + self.scale.doubled_messages
            self.scheduler.counts["message doubled"] += twice
            for _ in range(1 + twice):
                tasks[parts["headers"]["task"]](*arguments)

    def _sweep(self, sweep: Sweep) -> None:
        once = guarded("sweep", sweep.once)
        while True:
            once()
            self.scheduler.sleep(EVERY_S + CHANCE.uniform(0, self.scale.pace_s))

    def start_publisher(self) -> None:
        """The BSS: it says each event until that was accepted, also after a restart."""
        process = Process(f"publisher-{next(self._numbers)}")
        client = connected(PlainClient, self.server, self.scheduler)
        publisher = Publisher(
            JournalTransport(client), clock=lambda: datetime.fromtimestamp(CLOCK.now_s, UTC)
        )
        self.scheduler.spawn(process, "publish", lambda: self._publish(publisher))

    def _publish(self, publisher: Publisher) -> None:
        pause_s = self.scale.over_s / max(1, len(self.events)) * 2
        while True:
            if not self._to_publish:
                self.scheduler.sleep(1.0)
                continue
            events = self._to_publish[: CHANCE.randint(1, 4)]
            try:
                publisher.publish(events)
            except PublishFailed:
                self.scheduler.sleep(0.5)
                continue
            del self._to_publish[: len(events)]
            self._published += [(CLOCK.now_s, event) for event in events]
            self.scheduler.sleep(CHANCE.uniform(0, 2 * pause_s))

    def _restart(self, process: Process) -> None:
        """What supervises processes starts another one."""
        start = self.start_worker if process.name.startswith("worker") else self.start_publisher
        wait_s = CHANCE.uniform(0.5, 10)

        def later() -> None:
            self.scheduler.sleep(wait_s)
            start()

        self.scheduler.spawn(Process("supervisor"), "restart", later)

    def _befall(self) -> None:
        """Plan what happens to routers and to Redis."""
        scale, world = self.scale, Process("world")
        for kind, times in (("reboot", scale.reboots), ("away", scale.absences)):
            for _ in range(times):
                router = CHANCE.choice(list(self.routers.values()))
                at_s, long_s = CHANCE.uniform(0, scale.over_s), CHANCE.uniform(1, 60)

                def happen(
                    kind: str = kind,
                    router: Any = router,
                    at_s: float = at_s,
                    s: float = long_s,
                ) -> None:
                    self.scheduler.sleep(at_s)
                    self.scheduler.counts[kind] += 1
                    self.scheduler.tell(f"world: {router.name} {kind}")
                    if kind == "reboot":
                        router.boot()
                    router.away_until = CLOCK.now_s + s

                self.scheduler.spawn(world, kind, happen)
        moments = (CHANCE.uniform(5, scale.over_s) for _ in range(scale.rollbacks))
        self._rolls_back_at = sorted(CLOCK.now_s + moment for moment in moments)

    def _roll_back(self) -> None:
        """Redis dies and comes back without its end; the BSS sends its last minutes again."""
        self.scheduler.counts["rollback"] += 1
        self.scheduler.tell("world: Redis dies, and lacks its end")
        self.server.lose_the_end(CHANCE.random())
        self.outcomes.forget()
        since = CLOCK.now_s - _AGAIN_S
        self._to_publish += [event for at_s, event in self._published if at_s >= since]

    # --- checks --------------------------------------------------------------------------------

    def _after_step(self) -> None:
        if _bugs:
            raise Violation(_bugs.pop())
        for check in self.checks.values():
            check.look()
        if self.scheduler.may_have_pushed:
            self._wake()
        if self.scheduler.steps % 20 == 0:
            self.outcomes.look()
            if self._rolls_back_at and CLOCK.now_s >= self._rolls_back_at[0]:
                del self._rolls_back_at[0]
                self._roll_back()

    def _wake(self) -> None:
        """Wake those who wait for messages, as Redis does."""
        self.scheduler.may_have_pushed = False
        for queue in sorted(self.scheduler.waited_for):
            if self.client.llen(queue):
                self.scheduler.there_is(queue)

    def _at_rest(self) -> bool:
        if self._to_publish or self._rolls_back_at:
            return False
        if any(self.store.journal.depth(lane) for lane in names.LANES):
            return False
        for name in self.routers:
            block = self.store.keys.router(name)
            if self.client.hlen(block.work_items) or self.client.exists(block.lock):
                return False
            if any(not note.startswith("|1|") for note in self.client.hvals(block.inflight)):
                return False
        return True

    def judge(self) -> None:
        """All has come to rest: routers are as the contract wants them, and each event has a word.

        Raises:
            Violation: they are not, or one has none.
        """
        wanted = wanted_rows(self.events)
        for name, check in self.checks.items():
            have = {
                service: [_as_wanted(row) for row in rows]
                for service, rows in check.own_rows().items()
            }
            want = {service: [lease] for service, lease in wanted.get(name, {}).items()}
            for service in sorted(have.keys() | want.keys()):
                if have.get(service) != want.get(service):
                    raise Violation(
                        f"{name} {service}: wanted {want.get(service)}, found {have.get(service)}"
                    )
        self.outcomes.look()
        keys = {event_key(event["source"], event["id"]): event["id"] for event in self.events}
        said = {found.key: found.state for found in self.store.views.outcomes(list(keys))}
        committed = self.store.records.seen(list(keys), self.store.records.now_ms())
        for key, event in keys.items():
            if said.get(key) not in FINAL and not (key not in said and key in committed):
                raise Violation(f"event {event} has no final outcome: {said.get(key)}")

    def play(self) -> None:
        """Play the history to its end.

        Raises:
            Violation: something did not hold.
        """
        scale = self.scale
        self.events = history(CHANCE, list(self.routers), scale.services, scale.events)
        self._to_publish = deliveries(CHANCE, self.events, duplicates=0.2, displaced_by=6)
        for _ in range(scale.workers):
            self.start_worker()
        self.start_publisher()
        self._befall()
        ends_at = CLOCK.now_s + scale.over_s * 1.2
        self.scheduler.run(10**7, lambda: CLOCK.now_s > ends_at and not self._rolls_back_at)
        with self.scheduler.nothing_goes_wrong():
            gives_up_at = CLOCK.now_s + _REST_S
            self.scheduler.run(10**7, lambda: self._at_rest() or CLOCK.now_s > gives_up_at)
            if not self._at_rest():
                raise Violation(f"it does not come to rest: {self._unrest()}")
            self.judge()

    def _unrest(self) -> str:
        found = [f"{len(self._to_publish)} to publish"]
        for name in self.routers:
            block = self.store.keys.router(name)
            items, waiting = self.client.hkeys(block.work_items), self.client.hgetall(block.waiting)
            found.append(f"{name}: work {sorted(items)}, waiting {waiting}")
        return "; ".join(found)


def _as_wanted(row: Any) -> Wanted:
    blocked = row.get("block-access") in ("true", "yes")
    return Wanted(row["mac-address"], row["address"], row["server"], blocked)


def play(server: TimedServer, seed: int, scale: Scale) -> Result:
    """Play one history on an empty Redis."""
    begin(seed)
    structlog.configure(
        processors=[_swallow], cache_logger_on_first_use=False
    )  # thousands of lines a second, which the story says better
    CLOCK.tell()
    server.empty()
    with tempfile.TemporaryDirectory(prefix="lw-") as directory:
        world = World(server, Path(directory), seed, scale)
        problem = ""
        try:
            world.play()
        except Violation as violation:
            problem = str(violation)
    scheduler = world.scheduler
    scheduler.end()
    return Result(
        seed,
        scheduler.digest,
        scheduler.steps,
        dict(scheduler.counts),
        problem,
        tuple(scheduler.story()),
    )


_bugs: list[str] = []
"""Tracebacks that the program logged since the last step."""


def _swallow(_: Any, __: str, event: Any) -> Any:
    if event.get("exc_info"):
        _bugs.append(f"{event['event']}: {traceback.format_exc()}")
    raise structlog.DropEvent


def scale_of(seed: int) -> Scale:
    """The size of a history: small ones find most, as more of what is near each other meets."""
    chance = CHANCE
    begin(seed)
    return Scale(
        routers=chance.randint(1, 2),
        services=chance.randint(1, 5),
        events=chance.randint(2, 16),
        workers=chance.randint(1, 2),
        reboots=chance.randint(0, 1),
        absences=chance.randint(0, 1),
        rollbacks=int(chance.random() < 0.05),
        over_s=round(chance.uniform(2, 12), 1),
        lock_s=chance.choice((3, 6, 30)),
        pace_s=chance.choice((1, 10, 30)),
        odds=odds_of(chance),
    )
