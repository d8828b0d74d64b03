"""What the benchmarks of a whole installation share: its start, its events, the yardstick."""

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from celery import Celery

from benchmarks.noop_worker import NOOP
from contracts import names
from tests import builders
from tests.installation import PREFIX, SERVER, Installation, eventually
from worker.runtime.celery_app import make_app
from worker.settings import Settings

QUIET = {
    "LEASEWIRE_LOG_LEVEL": "WARNING",
    "LEASEWIRE_ROUTER_THREADS": "128",
    # as shipped, not as the tests have them
    "LEASEWIRE_ROUTER_LEASE_S": "30",
    "LEASEWIRE_COMMAND_TIMEOUT_S": "10",
}


@contextmanager
def installation(
    routers: int, *, latency_ms: float = 5, simulator: Sequence[str] = (), workers: int = 1
) -> Iterator[Installation]:
    """An installation at work: Valkey, simulated routers, `workers` processes of each kind."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    command = (sys.executable, "-m", "benchmarks.noop_worker")
    arguments = ["--latency-ms", str(latency_ms), *simulator]
    try:
        with Installation(
            directory, routers, simulator=arguments, worker_command=command, environ_more=QUIET
        ) as here:
            give_network(here)
            here.start_workers(*(["events", "routers"] * workers))
            wanted = 2 * workers
            eventually(lambda: len(here.store.views.workers()) == wanted, 30, "all workers")
            yield here
    finally:
        shutil.rmtree(directory)


def give_network(here: Installation) -> None:
    """A network around the addresses of `activations`: else each pass looks twice at the setup."""
    for control in here.control.values():
        control.add_row("/ip/dhcp-server/network", {"address": "100.64.0.0/10"})


def activations(count: int, routers: int, first: int = 0) -> list[dict[str, object]]:
    """One activation a service, over the routers in random order."""
    rng = random.Random(8)  # noqa: S311 - repeatable
    return [
        builders.activated(
            f"SVC-{n}",
            router=f"R{rng.randrange(routers) + 1}",
            server=SERVER,
            mac=f"00:00:5E:{n >> 16:02X}:{n >> 8 & 255:02X}:{n & 255:02X}",
            ipv4=f"100.{64 + (n >> 16)}.{n >> 8 & 255}.{n & 255}",
        )
        for n in range(first, first + count)
    ]


def application(here: Installation) -> Celery:
    """Celery as whoever publishes has it."""
    return make_app(Settings.load(here.environ))


def noop_rate(here: Installation, count: int, queues: Sequence[str]) -> float:
    """Tasks a second that do nothing, sent one by one, until the last has ended."""
    app = application(here)
    began = time.monotonic()
    for n in range(count):
        app.send_task(NOOP, queue=queues[n % len(queues)], ignore_result=True)
    eventually(lambda: not _left(here), 120, "no task left")
    took_s = time.monotonic() - began
    app.close()
    return count / took_s


def _left(here: Installation) -> int:
    pending = here.client.hlen(here.store.keys.unacked)
    for queue in (names.QUEUE_EVENTS, names.QUEUE_BULK, names.QUEUE_ROUTERS):
        pending += here.client.llen(PREFIX + queue)
    return pending


def cpu_ms(here: Installation) -> dict[str, float]:
    """Processor time so far (ms) of the publisher, the server, the workers and the simulator."""
    own = os.getpid()
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    processes = {"publisher": own, "valkey": here.valkey.pid}
    for pid in children:
        if b"\0simulator\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
            processes["simulator"] = int(pid)
    for worker in here.workers:
        processes.setdefault(worker.kind, worker.process.pid)
    return {name: _cpu_ms(pid) for name, pid in processes.items()}


def _cpu_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
