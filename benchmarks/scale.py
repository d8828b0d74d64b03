"""Row 16: how an installation with a million services differs from one with ten thousand.

Run: `.venv/bin/python -m benchmarks.scale [--services N] [--routers N] [--events N] [--turns N]`.
Two installations stand beside each other, one with `FEW` services and one with many. Of each a
thousand are imported to a simulated router, as events that workers fold and apply. The rest are
copies of one service that was folded and concluded so, on routers that are only in the inventory;
they are stored by the commit that workers use (`benchmarks/populate.py`). Rates and full reads are
measured in turns on both, so their ratio does not depend on how busy the machine is; of all else
the processor time is measured beside the time. Then come memory, commands, the console's search, a
backup while events come in, a restart of Redis before and after its file was rewritten, and a
restore.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from benchmarks.console import log_in, p95, wait_for_search
from benchmarks.over_http import gateway
from benchmarks.populate import paper_routers, populate
from benchmarks.stage import (
    Latencies,
    Stage,
    activations,
    at_pace,
    cpu_ms,
    installation,
    print_result,
)
from tests.installation import PASSWORD, PREFIX
from tests.waiting import eventually
from worker.convergence.full_read import read_fully
from worker.inventory.file import load_inventory
from worker.routeros.sessions import Sessions
from worker.settings import Settings
from worker.store.views import key_pages

FEW: Final = 10_000
SIMULATED: Final = 50
READ: Final = "R1"
"""The router whose full reads are measured; it has so many services:"""
ON_READ: Final = 1_000
PACE: Final = 20
"""Events a second during a backup."""
QUERIES: Final = (
    "ACC-000777",
    "02:00:5E:00:12:34",
    "10.64.3.77",
    "elm street 17",
    "02:00:5e:00:12",
)
OURS: Final = ("valkey", "events", "routers")


class Ran(NamedTuple):
    """A command of ours in a process of its own."""

    took_s: float
    cpu_s: float
    peak_mb: int


def ran(here: Stage, *arguments: str, environ: Mapping[str, str] | None = None) -> Ran:
    """Run `leasewire` to its end; what it prints goes nowhere.

    Raises:
        AssertionError: it failed. `status` and `why` may exit with what they found.
    """
    command = [*here.command, *arguments]
    began = time.monotonic()
    with (here.directory / "command.err").open("w+b") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            env=here.environ | dict(environ or {}),
            cwd=here.directory,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, ended, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(ended)
        errors.seek(0)
        if process.returncode not in ((0, 1, 2) if arguments[0] in ("status", "why") else (0,)):
            message = errors.read().decode(errors="replace")[-2000:]
            raise AssertionError(f"{arguments} ended with {process.returncode}: {message}")
    took_s = time.monotonic() - began
    return Ran(round(took_s, 1), round(used.ru_utime + used.ru_stime, 1), used.ru_maxrss // 1024)


def event_rate(here: Stage, number: int) -> tuple[float, float]:
    """Events a second, published one by one; processor time of one (ms) without the publisher."""
    events = here.fresh(number)
    with here.spending() as spent:
        began = time.monotonic()
        for event in events:
            here.publisher.publish([event])
        here.wait_until_settled(300)
        took_s = time.monotonic() - began
    return number / took_s, sum(spent[name] for name in OURS) / number


class FullReads:
    """Reads `READ` in full, in this process."""

    def __init__(self, here: Stage) -> None:
        settings = Settings.load(here.environ)
        inventory = load_inventory(settings.inventory)
        self._here = here
        self._policy = inventory.routers[READ].policy
        self._sessions = Sessions(inventory, settings)

    def ms(self) -> float:
        """How long one takes."""
        session = self._sessions.open(READ)
        began = time.monotonic()
        read_fully(self._here.store, session, READ, self._policy)
        took_ms = (time.monotonic() - began) * 1000
        session.close()
        return took_ms


def in_turns(few: Stage, many: Stage, events: int, turns: int) -> dict[str, object]:
    """Rate and processor time of events, and time of full reads, with many services and few."""
    reads = {stage.directory: FullReads(stage) for stage in (few, many)}
    rates: dict[Path, list[float]] = {stage.directory: [] for stage in (few, many)}
    cpu_ms: dict[Path, list[float]] = {stage.directory: [] for stage in (few, many)}
    read_ms: dict[Path, list[float]] = {stage.directory: [] for stage in (few, many)}
    for turn in range(turns + 1):
        for stage in (few, many) if turn % 2 else (many, few):
            rate, spent_ms = event_rate(stage, events if turn else events // 4)
            if turn:  # the first is for logins and the first looks at routers
                rates[stage.directory].append(rate)
                cpu_ms[stage.directory].append(spent_ms)
                read_ms[stage.directory] += [reads[stage.directory].ms() for _ in range(3)]
    return {
        name: _compared(values[many.directory], values[few.directory], pick, digits)
        for name, values, pick, digits in (
            ("events_per_s", rates, statistics.median, 0),
            ("cpu_ms_an_event", cpu_ms, statistics.median, 2),
            ("full_read_ms", read_ms, min, 0),
        )
    }


def _compared(
    many: Sequence[float],
    few: Sequence[float],
    pick: Callable[[Sequence[float]], float],
    digits: int,
) -> dict[str, float]:
    at_many, at_few = pick(many), pick(few)
    return {
        "many": round(at_many, digits),
        "few": round(at_few, digits),
        "ratio": round(at_many / at_few, 2),
    }


def memory(here: Stage, services: int) -> dict[str, object]:
    """What Redis takes, in all and for a service."""
    info = here.client.info("memory")
    return {
        "used_mb": info["used_memory"] // 10**6,
        "rss_mb": info["used_memory_rss"] // 10**6,
        "peak_mb": info["used_memory_peak"] // 10**6,
        "bytes_a_service": round(info["used_memory"] / services),
        "keys": here.client.dbsize(),
        "file_mb": file_mb(here),
    }


def file_mb(here: Stage) -> int:
    """The append-only file."""
    folder = here.valkey.directory / "appendonlydir"
    return sum(file.stat().st_size for file in folder.iterdir()) // 10**6


def commands(here: Stage) -> dict[str, object]:
    """What people run, each from its start."""
    asked = {
        "status": ("status",),
        "status --memory": ("status", "--memory"),
        "why ID": ("why", "SVC-7"),
        "why MAC": ("why", "02:00:5E:00:12:34"),
    }
    return {name: ran(here, *arguments)._asdict() for name, arguments in asked.items()}


def search(here: Stage, rounds: int = 20) -> dict[str, object]:
    """The console's index, and searches in it."""
    with gateway(here, "--console") as (url, pid):
        session = log_in(here)[0]
        began = time.monotonic()
        wait_for_search(url, session)
        filled_s = time.monotonic() - began
        took_ms = {}
        with httpx.Client(
            base_url=url, cookies={"leasewire_session": session}, timeout=60
        ) as client:
            for query in QUERIES:
                times = []
                for _ in range(rounds):
                    answer = client.get("/console/services.json", params={"q": query})
                    answer.raise_for_status()
                    times.append(float(answer.headers["server-timing"].rpartition("dur=")[2]))
                took_ms[query] = [round(statistics.median(times), 1), round(p95(times), 1)]
        status = Path(f"/proc/{pid}/status").read_text()
        (rss,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        spent_s = round(cpu_ms(pid) / 1000)
    return {
        "filled_s": round(filled_s),
        "cpu_s": spent_s,
        "gateway_mb": int(rss) // 1024,
        "p50_p95_ms": took_ms,
    }


def backup(here: Stage, file: Path) -> dict[str, object]:
    """A backup while events come in, and what they wait for it."""
    watched = Latencies(here)
    fresh = (here.fresh(here.routers) for _ in count())
    with here.spending() as spent, ThreadPoolExecutor(1) as pool:
        running = pool.submit(ran, here, "backup", str(file))
        for event in at_pace(chain.from_iterable(fresh), PACE):
            if running.done():
                break
            watched.publish(event)
    waited_ms = watched.took_ms(300)
    return running.result()._asdict() | {
        "valkey_cpu_s": round(spent["valkey"] / 1000, 1),
        "file_mb": file.stat().st_size // 10**6,
        "events": len(waited_ms),
        "p50_ms": round(statistics.median(waited_ms)),
        "longest_ms": round(max(waited_ms)),
    }


def rewrite(here: Stage) -> dict[str, object]:
    """The append-only file is written again, as Redis does by itself when it has doubled."""
    began, before_s = time.monotonic(), here.client.info("cpu")["used_cpu_user_children"]
    here.client.bgrewriteaof()
    eventually(
        lambda: not here.client.info("persistence")["aof_rewrite_in_progress"],
        "rewritten",
        within_s=1800,
    )
    copied = here.client.info("persistence")["aof_last_cow_size"]
    return {
        "took_s": round(time.monotonic() - began, 1),
        "cpu_s": round(here.client.info("cpu")["used_cpu_user_children"] - before_s, 1),
        "copied_mb": copied // 10**6,
        "file_mb": file_mb(here),
    }


def restart(here: Stage) -> dict[str, object]:
    """Kill Redis, start it, and wait until an event is applied."""
    size_mb = file_mb(here)
    began = time.monotonic()
    here.valkey.kill()
    here.valkey.start()
    loaded_s, loaded_cpu_s = time.monotonic() - began, cpu_ms(here.valkey.pid) / 1000
    here.publisher.publish(here.fresh(1))
    here.wait_until_settled(300)
    applied_s = time.monotonic() - began
    return {
        "file_mb": size_mb,
        "loaded_s": round(loaded_s, 1),
        "loaded_cpu_s": round(loaded_cpu_s, 1),
        "applied_s": round(applied_s, 1),
    }


def restored(here: Stage, file: Path, services: int) -> dict[str, object]:
    """The backup in an empty Redis."""
    with here.make_valkey(here.directory / "restored") as server, server.client() as client:
        done = ran(here, "restore", str(file), environ={"LEASEWIRE_REDIS_URL": server.url})
        found = sum(len(page) for page in key_pages(client, f"{PREFIX}record:", 1_000))
        if found < services:
            raise AssertionError(f"{found} of {services} services were restored")
        used_mb = int(client.info("memory")["used_memory"]) // 10**6
        valkey_cpu_s = round(cpu_ms(server.pid) / 1000, 1)
    return done._asdict() | {
        "valkey_cpu_s": valkey_cpu_s,
        "services": found,
        "used_mb": used_mb,
    }


def measure(few: Stage, many: Stage, services: int, events: int, turns: int) -> dict[str, Any]:
    """Fill both, and measure everything, step by step; each step is said as it ends."""
    for stage in (few, many):
        stage.used = ON_READ
        stage.publish_many(activations(ON_READ, 1))  # all of them on R1
        stage.wait_until_settled(1200)
    _filled(few, FEW - ON_READ)
    steps: dict[str, Callable[[], object]] = {
        "filled": lambda: _filled(many, services - ON_READ),
        "memory": lambda: memory(many, services),
        "in_turns": lambda: in_turns(few, many, events, turns),
        "commands": lambda: commands(many),
        "search": lambda: search(many),
        "backup": lambda: backup(many, file),
        "restart": lambda: restart(many),
        "rewrite": lambda: rewrite(many),
        "restart_rewritten": lambda: restart(many),
        "restore": lambda: restored(many, file, services),
    }
    file, found = many.directory / "backup.gz", dict[str, Any]()
    for name, step in steps.items():
        found[name] = step()
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {name}: {found[name]}\n")  # noqa: TID251
    rate = found["in_turns"]["events_per_s"]
    return {
        "row": "16",
        "what": f"events a second: {services:,} services stored, against {FEW:,}",
        "services": services,
        "latency_ms": 0,
        "service_ms": 0,
        **found,
        "ratio": rate["ratio"],
        "at_least": 0.8,
    }


def _filled(here: Stage, services: int) -> dict[str, float]:
    began = time.monotonic()
    with here.spending() as spent:
        populate(here, services)
    return {
        "services": services,
        "took_s": round(time.monotonic() - began, 1),
        "cpu_s": round(spent["publisher"] / 1000, 1),
        "valkey_cpu_s": round(spent["valkey"] / 1000, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=100_000)
    parser.add_argument("--routers", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=2_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    tables = paper_routers(options.routers - SIMULATED)
    os.environ["ROUTER_PASSWORD"] = PASSWORD  # noqa: TID251 - full reads run in this process
    # Nobody answers at the routers that are only in the inventory: no reports of them.
    environ = {"LEASEWIRE_REPORT_EVERY_S": "86400"}
    with ExitStack() as stack:
        few, many = (
            stack.enter_context(
                installation(SIMULATED, latency_ms=0, tables=tables, environ=environ)
            )
            for _ in range(2)
        )
        print_result(measure(few, many, options.services, options.events, options.turns))


if __name__ == "__main__":
    main()
