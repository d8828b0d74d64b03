"""Compares Celery pools for the workers: events from publish to applied, with each pool.

Run: `.venv/bin/python -m benchmarks.pools [EVENTS] [ROUTERS]`. One line for each variant: events
per second, as a ratio to the first; CPU time for each event, by worker with its children, which
other work on the machine disturbs less; and the number of logins on the routers. Publisher, server,
workers and simulated routers (5 ms round trip, no service time) share the machine.
"""

import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.stage import activations, children_of, cpu_ms
from tests.installation import Installation, end
from tests.waiting import eventually

VARIANTS = [
    ("solo", "threads:128"),
    ("prefork:2", "threads:128"),
    ("threads:4", "threads:128"),
    ("solo", "threads:16"),
    ("solo", "prefork:2"),
    ("solo", "prefork:8"),
    ("solo", "threads:128"),
]


def start(here: Installation, kind: str, pool: str) -> subprocess.Popen[bytes]:
    """One worker process with a pool such as `threads:16`."""
    name, _, slots = pool.partition(":")
    command = [sys.executable, "-m", "worker.runtime.process", kind, "--pool", name]
    with (here.directory / f"{kind}.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own module
            [*command, "--concurrency", slots or "1"],
            env=here.environ | {"LEASEWIRE_LOG_LEVEL": "WARNING"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def with_children_ms(pid: int) -> float:
    """Processor time of a process and of those of its pool so far (ms)."""
    return sum(cpu_ms(process) for process in (pid, *children_of(pid)))


def measure(of_events: str, of_routers: str, count: int, routers: int) -> dict[str, float]:
    """Events a second, processor time an event of each worker, logins that the routers saw."""
    with (
        tempfile.TemporaryDirectory(prefix="lw-") as directory,
        Installation(Path(directory), routers, simulator=["--latency-ms", "5"]) as here,
        ExitStack() as ends,
    ):
        workers = [start(here, "events", of_events), start(here, "routers", of_routers)]
        for worker in workers:
            ends.callback(end, worker)
        running = len(workers)
        eventually(lambda: len(here.store.heartbeats.workers()) == running, "all run", within_s=20)
        published = activations(count, routers)
        before = [with_children_ms(worker.pid) for worker in workers]
        began = time.monotonic()
        for event in published:
            here.publisher.publish([event])
        here.wait_until_settled(120)
        took_s = time.monotonic() - began
        logins = sum(c.counters().get("/login", 0) for c in here.control.values())
        spent = [
            (with_children_ms(worker.pid) - start) / count
            for worker, start in zip(workers, before, strict=True)
        ]
    return {
        "events_per_s": round(count / took_s),
        "events_cpu_ms": round(spent[0], 3),
        "routers_cpu_ms": round(spent[1], 3),
        "logins": logins,
    }


def main() -> None:
    """Measure each variant and print it."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    routers = int(sys.argv[2]) if len(sys.argv) > 2 else 50  # noqa: PLR2004
    first = 0.0
    for of_events, of_routers in VARIANTS:
        found = measure(of_events, of_routers, count, routers)
        first = first or found["events_per_s"]
        line = {"events": of_events, "routers": of_routers, **found}
        line["ratio"] = round(found["events_per_s"] / first, 2)
        print(json.dumps(line), flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
