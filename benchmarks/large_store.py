"""Steps of `benchmarks/scale.py` on one installation: what its store takes, how long things take.

Each gives figures as a document. `took_s` is a time, which depends on how busy the machine is;
`cpu_s` is processor time, of the command or process and, where it says so, of Valkey.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from benchmarks.console import log_in, p95, wait_for_search
from benchmarks.over_http import gateway
from benchmarks.stage import Latencies, Stage, at_pace, cpu_ms
from tests.installation import PREFIX
from tests.waiting import eventually
from worker.store.views import key_pages

PACE: Final = 20
"""Events a second during a backup."""
QUERIES: Final = (
    "ACC-000777",
    "02:00:5E:00:12:34",
    "10.64.3.77",
    "elm street 17",
    "02:00:5e:00:12",
)


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
        "why of nobody's MAC": ("why", "02:00:00:00:00:01", "--offline"),
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
    eventually(partial(_settled_again, here), "applied", within_s=300)
    applied_s = time.monotonic() - began
    return {
        "file_mb": size_mb,
        "loaded_s": round(loaded_s, 1),
        "loaded_cpu_s": round(loaded_cpu_s, 1),
        "applied_s": round(applied_s, 1),
    }


def _settled_again(here: Stage) -> bool:
    """Whether all is applied. A worker that ended is started again, as the supervisor would do."""
    for worker in here.workers:
        if worker.process.poll() is not None:
            worker.process = here.start_process(worker.kind)
    return here.settled()


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
