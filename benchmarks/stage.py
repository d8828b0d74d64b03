"""Shared by benchmarks of a whole installation: its start, its events, and the reference."""

import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from celery import Celery

from benchmarks.noop_worker import NOOP
from contracts import names
from contracts.identity import event_key
from producers.publisher import Publisher
from tests import builders
from tests.installation import PREFIX, SERVER, Installation
from tests.waiting import eventually
from worker.core.service.outcome import FINAL
from worker.runtime.celery_app import make_app
from worker.settings import Settings

AS_SHIPPED = (
    "router_threads",
    "router_lock_s",
    "connect_timeout_s",
    "command_timeout_s",
    "backoff_first_s",
    "backoff_cap_s",
    "blocked_retry_s",
)
"""Settings that the tests have otherwise. Their switched-off looks at routers stay off here too."""
SECOND_LOOK_S = 2 * float(Settings.model_fields["router_lock_s"].default) + 60
"""Whatever a router was told when it fell silent is looked at once more after two leases."""
QUIET = {"LEASEWIRE_LOG_LEVEL": "WARNING"} | {
    f"LEASEWIRE_{name.upper()}": str(Settings.model_fields[name].default) for name in AS_SHIPPED
}
IMPORTS = "urn:isp:bss:imports"
"""A second source, whose outcomes push none out of the feed of the first."""
_Item = TypeVar("_Item")
ROUTERS, LATENCY_MS = 50, 5.0
"""Of most benchmarks, and the round trip of each."""
CHUNK = 500
"""Events a call of what publishes many, as `leasewire import` does."""
BOTH = (names.QUEUE_EVENTS, names.QUEUE_ROUTERS)


@dataclass
class Stage(Installation):
    """An installation that counts its services, and knows the processor time of its processes.

    Attributes:
        used: so many services were activated by now.
    """

    used: int = 0

    def fresh(self, count: int) -> list[dict[str, object]]:
        """Activations of services that there are not yet, evenly over the routers."""
        first, self.used = self.used, self.used + count
        return activations(count, self.routers, first)

    def warm(self, each: int = 2) -> None:
        """Apply some events on every router: logins, first looks, imports of modules."""
        self.publish_many(self.fresh(each * self.routers))
        self.wait_until_settled(120)

    def publish_many(self, events: Sequence[dict[str, object]]) -> None:
        """Publish on the lane of imports, many a call."""
        for start in range(0, len(events), CHUNK):
            self.publisher.publish(events[start : start + CHUNK], lane=names.QUEUE_BULK)

    def publish_and_wait(self, count: int) -> float:
        """Publish activations, in one call; seconds until all are applied."""
        events = self.fresh(count)
        began = time.monotonic()
        self.publisher.publish(events)
        self.wait_until_settled(120)
        return time.monotonic() - began

    def applied_singly(self, count: int) -> tuple[float, dict[str, float]]:
        """Publish activations singly; seconds until all are applied, and CPU (ms) by process."""
        events = self.fresh(count)
        with self.spending() as spent:
            began = time.monotonic()
            for event in events:
                self.publisher.publish([event])
            self.wait_until_settled(300)
            took_s = time.monotonic() - began
        return took_s, spent

    def applied_together(
        self, events: Sequence[dict[str, object]], within_s: float = 400
    ) -> tuple[float, dict[str, float]]:
        """Publish events, many a call; seconds until all are applied, and CPU (ms) by process."""
        with self.spending() as spent:
            began = time.monotonic()
            self.publish_many(events)
            self.wait_until_settled(within_s)
            took_s = time.monotonic() - began
        return took_s, spent

    def application(self) -> Celery:
        """Return Celery as a publisher uses it."""
        return make_app(Settings.load(self.environ))

    def noop_rate(self, count: int, queues: Sequence[str] = BOTH) -> float:
        """Tasks a second that do nothing, sent one by one, until the last has ended."""
        app = self.application()
        began = time.monotonic()
        for n in range(count):
            app.send_task(NOOP, queue=queues[n % len(queues)], ignore_result=True)
        eventually(lambda: not self._messages(), "no task left", within_s=120)
        took_s = time.monotonic() - began
        app.close()
        return count / took_s

    def _messages(self) -> int:
        pending = self.client.hlen(self.store.keys.unacked)
        for queue in (names.QUEUE_EVENTS, names.QUEUE_BULK, names.QUEUE_ROUTERS):
            pending += self.client.llen(PREFIX + queue)
        return int(pending)

    def cpu_ms(self, more: Mapping[str, int] | None = None) -> dict[str, float]:
        """Processor time so far (ms): this process, the server, the workers by kind, the simulator.

        `more` has the ids of other processes by name.
        """
        processes = [("publisher", os.getpid()), ("valkey", self.valkey.pid)]
        processes += [("simulator", self.simulator_pid), *(more or {}).items()]
        processes += [(worker.kind, worker.process.pid) for worker in self.workers]
        spent = dict.fromkeys((name for name, _ in processes), 0.0)
        for name, pid in processes:
            spent[name] += cpu_ms(pid)
        return spent

    @contextmanager
    def spending(self, more: Mapping[str, int] | None = None) -> Iterator[dict[str, float]]:
        """Processor time (ms) by process that a block takes; filled in at its end."""
        before, spent = self.cpu_ms(more), dict[str, float]()
        yield spent
        spent |= {name: after - before[name] for name, after in self.cpu_ms(more).items()}


def at_pace(items: Iterable[_Item], pace: float) -> Iterator[_Item]:
    """Give the items one by one, `pace` of them a second."""
    began = time.monotonic()
    for n, item in enumerate(items):
        time.sleep(max(0.0, began + n / pace - time.monotonic()))
        yield item


class Latencies:
    """How long events take from publishing until their last word is said.

    Redis notes that moment in the feed of outcomes: it is read afterwards, and nothing has to look
    meanwhile.
    """

    def __init__(self, here: Stage, publisher: Publisher | None = None) -> None:
        self._here = here
        self._publisher = publisher or here.publisher
        self._cursor = here.store.feed.last()
        self._sent: dict[str, float] = {}
        self._sources: set[str] = set()

    def publish(self, event: dict[str, object], *, counts: bool = True) -> None:
        """Publish an event; one that does not count is not looked for."""
        if counts:
            source = str(event["source"])
            self._sent[event_key(source, str(event["id"]))] = time.time() * 1000
            self._sources.add(source)
        self._publisher.publish([event])

    def took_ms(self, within_s: float = 60) -> list[float]:
        """Latencies in the order of publishing; waits for those that are not there yet."""
        took: dict[str, float] = {}

        def all_there() -> bool:
            more = True
            while more:
                page = self._here.store.feed.read(sorted(self._sources), self._cursor, 1_000)
                self._cursor, more = page.cursor, page.more
                for id_, said in page.items:
                    key = event_key(said.event.source, said.event.id)
                    if key in self._sent and said.state in FINAL:
                        took[key] = float(id_.partition("-")[0]) - self._sent[key]
            return len(took) == len(self._sent)

        eventually(all_there, "the last word on each event", within_s=within_s)
        return [took[key] for key in self._sent]


@contextmanager
def installation(
    routers: int,
    *,
    latency_ms: float = 5,
    workers: int = 1,
    environ: Mapping[str, str] | None = None,
    tables: str = "",
) -> Iterator[Stage]:
    """An installation at work: Valkey, simulated routers, `workers` processes of each kind.

    The latency is the round trip of each router; `tables` are more of the inventory.
    """
    _allow_open_files()
    command = (sys.executable, "-m", "benchmarks.noop_worker")
    with (
        tempfile.TemporaryDirectory(prefix="lw-") as directory,
        Stage(
            Path(directory),
            routers,
            simulator=["--latency-ms", str(latency_ms)],
            worker_command=command,
            forks=False,  # what a process costs is measured
            environ_more=QUIET | dict(environ or {}),
            tables=f'[sources."{IMPORTS}"]\norder = "revisions"\n{tables}',
        ) as here,
    ):
        give_network(here)
        here.start_workers(*(["events", "routers"] * workers))
        wanted = 2 * workers
        eventually(
            lambda: len(here.store.heartbeats.workers()) == wanted, "all workers", within_s=30
        )
        yield here


def give_network(here: Installation) -> None:
    """A network around the addresses of `activations`: else each pass looks twice at the setup."""
    for control in here.control.values():
        control.add_row("/ip/dhcp-server/network", {"address": "100.64.0.0/10"})


def activations(count: int, routers: int, first: int = 0) -> list[dict[str, object]]:
    """One activation a service; in random order, each router gets as many as the others."""
    rng = random.Random(8)  # noqa: S311 - repeatable
    where = [
        router for _ in range(0, count, routers) for router in rng.sample(range(routers), routers)
    ]
    return [
        builders.activated(
            f"SVC-{n}",
            router=f"R{where[n - first] + 1}",
            server=SERVER,
            mac=f"00:00:5E:{n >> 16:02X}:{n >> 8 & 255:02X}:{n & 255:02X}",
            ipv4=f"100.{64 + (n >> 16)}.{n >> 8 & 255}.{n & 255}",
        )
        for n in range(first, first + count)
    ]


def a_piece(spent: Mapping[str, float], count: int) -> dict[str, float]:
    """Processor time (ms) of each event, row or entry, by process, with the sum."""
    found = {name: round(cpu_ms / count, 3) for name, cpu_ms in spent.items()}
    return found | {"sum": round(sum(spent.values()) / count, 3)}


def print_result(found: Mapping[str, object]) -> None:
    """Print a result as a line of JSON."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def _allow_open_files() -> None:
    """As many as the system allows: a thousand routers are more sockets than most shells do."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def children_of(pid: int) -> list[int]:
    """The processes that its main thread started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_ms(pid: int) -> float:
    """Processor time of one process so far (ms), without that of others it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
