"""The processes of an installation: workers, publishers, and what starts them again."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import producers.resend
from contracts import names
from producers.accepted import AcceptedInMemory
from producers.connection import RESEND_S
from producers.errors import PublishFailed
from producers.journal_transport import JournalTransport
from producers.publisher import Publisher
from producers.resend import Resend
from tests.simulation.adopters import Adopter, RowsBefore
from tests.simulation.applying import Applier
from tests.simulation.celery_side import consume
from tests.simulation.in_place import OpenGate, Tasks
from tests.simulation.inventory_side import SetUp
from tests.simulation.operators import Operator
from tests.simulation.redis_side import TimedServer
from tests.simulation.refusals import Refusals
from tests.simulation.rounds import Rounds
from tests.simulation.scale import Scale
from tests.simulation.scheduler import Scheduler
from tests.simulation.store_side import publisher_client, worker_client
from tests.simulation.story import in_words
from tests.simulation.tasks import Process
from tests.simulation.threads import threads_of
from tests.simulation.virtual import CHANCE, CLOCK
from worker.convergence.concurrency import ConcurrencyLimiter, PassLimits
from worker.convergence.router_pass import Converge
from worker.intake.accept import Accept
from worker.routeros.sessions import Sessions
from worker.runtime.sweep import EVERY_S, Sweep
from worker.runtime.tasks import guarded, register, release_due
from worker.store.heartbeat import Heartbeat, this_process
from worker.store.store import open_store

PREFIX: Final = names.DEFAULT_PREFIX
_GRACE_MS: Final = 2_000
_TASKS: Final = {"events": 1, "routers": 2}
FIRST: Final = "worker-1"
_OTHERS: Final = 10
"""One worker's sweep finds what is due for all; those of others come so much more seldom here, else
most points would be theirs."""
_SLOWER: Final = 2.0
_SLOWEST_S: Final = 200.0
"""Sweeps come more and more seldom: what they do must suffice."""
REPORTED_MS: Final = 20_000
"""Where people change rows by hand each router is read in full so often."""
_OURS: Final = this_process("routers")._replace(host="host", boot="boot")
"""All but the number of a process: to read the installed version takes long."""
_AGAIN_S: Final = 90.0
"""After Redis lost its end the BSS says again what a publisher that is gone said in so long."""


@dataclass
class Processes:
    """All processes.

    Attributes:
        scale: of the history.
        waits: publishers and workers wait for a replica.
        scheduler: runs them.
        server: their Redis.
        set_up: their settings and inventory.
        to_publish: what the BSS has to say, in order.
        says, said: called with events that are about to be published, and that were accepted.
        left_out: ids of events that are left out of it, in whose place nothing is said.
        refusals: of writes, if routers refuse some.
        before: rows that may be taken over, if there are some.
        learned_s: when all learn, or learned, of a new primary.
        is_applied: whether routers have the policies of the inventory.
        approves: called with services that an operator approves to lose their entries.
    """

    scale: Scale
    scheduler: Scheduler
    server: TimedServer
    set_up: SetUp
    to_publish: list[dict[str, Any]] = field(default_factory=list)
    waits: bool = field(init=False)
    says: Callable[[list[dict[str, Any]]], None] = lambda _: None
    said: Callable[[list[dict[str, Any]]], None] = lambda _: None
    left_out: Collection[str] = ()
    _made: list[Process] = field(default_factory=list)
    _starts: Counter[str] = field(default_factory=Counter)
    _pids: Iterator[int] = field(default_factory=lambda: count(1))
    approves: Callable[[Collection[str]], None] = lambda _: None
    refusals: Refusals | None = None
    before: RowsBefore | None = None
    is_applied: bool = True
    _published: list[tuple[float, Process, dict[str, Any]]] = field(default_factory=list)
    _rolled_back_at: float = 0.0
    learned_s: float = 0.0
    _signed_s: dict[Process, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let threads of publishers be tasks."""
        self.scheduler.restarts = self._restart
        self._rounds = Rounds(self.server, self.scheduler, PREFIX)
        self.waits = self.scale.redis == "min-replicas"
        producers.resend.threading = threads_of(self.scheduler)  # type: ignore[attr-defined]

    @staticmethod
    def looks_again(process: Process) -> bool:
        """Whether a process looks at what it wrote once it gives a sign to a new primary."""
        return process.alive and process.name.startswith("worker")

    def has_learned(self, process: Process) -> bool:
        """Whether a process did so since Redis last lost its end, or does not."""
        since_s = max(self.learned_s, self._rolled_back_at)
        return not self.looks_again(process) or self._signed_s.get(process, 0.0) >= since_s

    def _next(self, place: str) -> Process:
        """The next process in this place: `worker-1`, and when that is no more `worker-1.2`."""
        self._starts[place] += 1
        start = self._starts[place]
        made = Process(place if start == 1 else f"{place}.{start}")
        self._made.append(made)
        return made

    @property
    def lost_a_worker(self) -> bool:
        """Whether any worker was killed."""
        return any(
            not process.alive and process.name.startswith("worker") for process in self._made
        )

    def alive(self) -> list[Process]:
        """Those that run, or stand still."""
        return [process for process in self._made if process.alive]

    # --- workers ---------------------------------------------------------------------------------

    def start_worker(self, place: str) -> None:
        """A worker with all that its process runs."""
        process = self._next(place)
        inventory = self.set_up.inventory
        client = worker_client(self.server, self.scheduler)
        store = open_store(client, PREFIX, int(self.scale.lock_s * 1000), int(self.waits))
        conclude = store.routers.conclude
        store.routers.conclude = lambda *ends: conclude(*self._seen(*ends))  # type: ignore[method-assign]
        sessions = Sessions(inventory, self.set_up.settings)
        policies = {name: router.policy for name, router in inventory.routers.items()}
        pools = inventory.pools
        accept = Accept(store, inventory.sources, policies, inventory.brake, pools=pools)
        converge = Converge(
            store,
            sessions,
            policies,
            limiter=ConcurrencyLimiter(threads=16),
            gate=OpenGate(),  # type: ignore[arg-type]
            pools=pools,
            limits=PassLimits(report_every_ms=REPORTED_MS),
        )
        converge.bulk._gate = OpenGate()  # type: ignore[assignment] # noqa: SLF001 - a lock of threads
        tasks = Tasks()
        register(tasks, accept, converge)  # type: ignore[arg-type]
        heartbeat = Heartbeat(store.heartbeats, _OURS._replace(pid=next(self._pids)))
        reports = "hands" in self.scale.features
        sweep = Sweep(
            store,
            _GRACE_MS,
            heartbeat,
            lambda: False,
            release=lambda: release_due(accept),
            maintain=lambda: reports and store.full_reads.ask(policies, REPORTED_MS),
        )

        def start() -> None:
            self._rounds.begin(sweep.begin)
            for queue, threads in _TASKS.items():
                for thread in range(threads):
                    self.scheduler.spawn(
                        process,
                        f"{queue}-{thread}",
                        lambda queue=queue: consume(self, client, queue, tasks.by_name),
                    )
            pace_s = self.scale.pace_s * (1 if place == FIRST else _OTHERS)
            self.scheduler.spawn(process, "sweep", lambda: self._sweep(process, sweep, pace_s))

        self.scheduler.spawn(process, "start", start)

    def _seen(self, router: str, lock_id: str, ends: Any) -> tuple[str, str, Any]:
        """What a pass concludes, once it was looked at."""
        if self.refusals is not None:
            self.refusals.look(router, ends)
        return router, lock_id, ends

    def _sweep(self, process: Process, sweep: Sweep, pace_s: float) -> None:
        def once() -> None:
            self._rounds.do(sweep.once)
            self._signed_s[process] = CLOCK.now_s

        while True:
            self.scheduler.sleep(CHANCE.uniform(0, pace_s))
            guarded("sweep", once)()
            self.scheduler.sleep(EVERY_S)
            pace_s = min(_SLOWER * pace_s, _SLOWEST_S)

    def start_operator(self, place: str = "operator") -> None:
        """A person with the command."""
        process = self._next(place)
        store = open_store(worker_client(self.server, self.scheduler), PREFIX)
        policies = {n: router.policy for n, router in self.set_up.inventory.routers.items()}
        operator = Operator(store, policies, self.scheduler, self.approves, self.refusals)
        self.scheduler.spawn(process, "decide", operator.work)

    def start_adopter(self, place: str = "adopter") -> None:
        """A person who takes over what was on routers before."""
        assert self.before is not None
        process = self._next(place)
        client = worker_client(self.server, self.scheduler)
        store = open_store(client, PREFIX, min_replicas=int(self.waits))
        adopter = Adopter(store, self.set_up, self.scheduler, self.before)
        self.scheduler.spawn(process, "adopt", adopter.work)

    def start_applier(self, place: str = "applier") -> None:
        """A person who applies what the inventory says now."""
        process = self._next(place)
        store = open_store(worker_client(self.server, self.scheduler), PREFIX)
        applier = Applier(store, self.set_up.inventory, self.scheduler)
        self.scheduler.spawn(process, "apply", lambda: applier.work(self))

    # --- publishers ------------------------------------------------------------------------------

    def start_publisher(self, place: str = "publisher") -> None:
        """The BSS: it says each event until that was accepted, also after a restart."""
        process = self._next(place)
        client = publisher_client(self.server, self.scheduler)
        resend = Resend(client, AcceptedInMemory(), prefix=PREFIX, keep_s=RESEND_S)
        _ask_by_points(client.connection_pool)
        transport = JournalTransport(client, min_replicas=int(self.waits), resend=resend)
        publisher = Publisher(
            transport,
            clock=lambda: datetime.fromtimestamp(CLOCK.now_s, UTC),
            sealer=self.set_up.settings.sealer,
        )
        self.scheduler.spawn(process, "publish", lambda: self._publish(process, publisher))

    def _publish(self, process: Process, publisher: Publisher) -> None:
        pause_s = self.scale.over_s / max(1, len(self.to_publish)) * 2
        while True:
            if not self.to_publish:
                self.scheduler.sleep(5.0)
                continue
            features = self.scale.features
            most = 9 if "crowd" in features else 1 if "rivals" in features else 4
            batch = self.to_publish[: min(most, CHANCE.choice((1, 1, 2, most)))]
            events = [event for event in batch if event["id"] not in self.left_out]
            self.says(events)
            try:
                publisher.publish(events)
            except PublishFailed:
                self.scheduler.sleep(0.5)
                continue
            if self.waits or self.server.known_former is None:
                self.said(events)
            del self.to_publish[: len(batch)]
            if events:
                self.scheduler.narrate(f"publishes {', '.join(map(in_words, events))}")
            self._published += [(CLOCK.now_s, process, event) for event in events]
            self.scheduler.sleep(CHANCE.uniform(0, 2 * pause_s))

    def lost_its_end(self) -> None:
        """Redis lost its end; the BSS says something soon, so that publishers see it."""
        self._rolled_back_at = CLOCK.now_s
        self._rounds.forget()
        self.is_applied &= not self._starts["applier"]
        self._say_again(lambda _, process: not process.alive)
        if self._published:
            self.to_publish.append(self._published[-1][2])

    def say_what_nobody_sends(self) -> None:
        """Without Sentinel a publisher sees it when it publishes, and remembers half a minute.

        The BSS says again what a publisher said that was frozen for longer.
        """
        if not self.server.has_replicas:
            since = self.server.away_until
            self._say_again(
                lambda at_s, its: (
                    not any(
                        who is its and since < then < at_s + RESEND_S
                        for then, who, _ in self._published
                    )
                )
            )

    def _say_again(self, which: Callable[[float, Process], bool]) -> None:
        """The BSS says again what nobody sends: docs/guarantees.md, "What a failover loses"."""
        if self.waits:  # nothing is lost
            return
        until = max(self._rolled_back_at, self.learned_s)
        lately = [each for each in self._published if until - _AGAIN_S <= each[0] <= until]
        again = [event for at_s, process, event in lately if which(at_s, process)]
        self.scheduler.counts["said again by the BSS"] += len(again)
        self.to_publish += again

    # --- ends ------------------------------------------------------------------------------------

    def _restart(self, process: Process) -> None:
        """What supervises processes starts another one."""
        place = process.name.partition(".")[0]
        kind = place.partition("-")[0]
        start = {
            "worker": self.start_worker,
            "operator": self.start_operator,
            "adopter": self.start_adopter,
            "applier": self.start_applier,
        }.get(kind, self.start_publisher)
        wait_s = CHANCE.uniform(0.5, 10)
        if kind == "publisher" and CLOCK.now_s < self._rolled_back_at + _AGAIN_S:
            self._say_again(lambda _, its: its is process)

        def later() -> None:
            self.scheduler.sleep(wait_s)
            start(place)

        self.scheduler.spawn(Process("supervisor"), "restart", later)


def _ask_by_points(pool: Any) -> None:
    """What a publisher asks over a new connection passes points too."""
    asked = pool.connection_kwargs["redis_connect_func"]

    def connected(connection: Any) -> None:
        with connection.asking_itself():
            asked(connection)

    pool.connection_kwargs["redis_connect_func"] = connected
