"""Row 1b: single events by 32 HTTP clients at once until applied, against tasks that do nothing.

Run: `.venv/bin/python -m benchmarks.over_http [--seconds S]`. One `leasewire gateway` takes them;
`wrk`, a compiled load tool, sends each event in its own request. Without `wrk` on the path the row
is left out with a message.
"""

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from benchmarks.stage import LATENCY_MS, ROUTERS, Stage, a_piece, installation, print_result
from gateway.api.api_keys import ApiKeys, KeyScope
from tests import builders
from tests.installation import LEASES, PREFIX, SERVER, Installation, end

CLIENTS = 32
THREADS = 2
EACH_THREAD = 1_000_000
"""Services that a thread of the load tool may make at most."""
SCRIPT = """
local threads = 0
function setup(thread)
  thread:set("first", %(first)d + threads * %(each_thread)d)
  threads = threads + 1
end
local made = 0
local headers = {
  ["Authorization"] = "Bearer %(key)s",
  ["Content-Type"] = "application/cloudevents+json",
}
function request()
  local n = first + made
  made = made + 1
  local high, middle, low = math.floor(n / 65536), math.floor(n / 256) %% 256, n %% 256
  local body = string.format(
    [[%(body)s]], n, n, n, n %% %(routers)d + 1, high, middle, low, 64 + high, middle, low)
  return wrk.format("POST", "/v1/events", headers, body)
end
function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    '{"requests": %%d, "refused": %%d, "broken": %%d, "p50_ms": %%f, "p99_ms": %%f}',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@contextmanager
def gateway(here: Installation, *options: str) -> Iterator[tuple[str, int]]:
    """A gateway in a process of its own: its URL, its process id."""
    command = [sys.executable, "-m", "leasewire", "gateway", "--port", "0", *options]
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, env=here.environ, cwd=here.directory, stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        url = re.search(r"http://[0-9.:]+", line)
        if url is None:
            raise AssertionError(f"the gateway did not start: {line}")
        yield url[0].rstrip(";:."), process.pid
    finally:
        end(process)  # type: ignore[arg-type]  # texts or bytes: it reads neither


def script(here: Stage) -> str:
    """What the load tool sends: an activation a request, no service twice."""
    event = builders.activated(
        "SVC-%d",
        router="R%d",
        server=SERVER,
        mac="00:00:5E:%02X:%02X:%02X",
        ipv4="100.%d.%d.%d",
        id_="wrk-%d",
    )
    now = datetime.now(UTC).isoformat()  # noqa: TID251 - a benchmark is a composition root
    keys = ApiKeys(here.client, PREFIX)
    key = keys.create(
        "wrk", [builders.SOURCE], [KeyScope.PUBLISH], rate=10**6, created_at=now, actor="benchmark"
    )
    return SCRIPT % {
        "first": here.used,
        "each_thread": EACH_THREAD,
        "key": key.token,
        "body": json.dumps(event),
        "routers": here.routers,
    }


def added(here: Stage) -> int:
    """Entries that the routers took so far."""
    return sum(router.counters().get(f"{LEASES}/add", 0) for router in here.control.values())


def measure(here: Stage, wrk: str, seconds: int, noops: int = 2_000) -> dict[str, object]:
    """Events a second from the first request until all are applied."""
    here.warm()
    yardsticks = [here.noop_rate(noops)]
    file = here.directory / "events.lua"
    file.write_text(script(here))
    here.used += THREADS * EACH_THREAD
    before = added(here)
    load = [wrk, f"-t{THREADS}", f"-c{CLIENTS}", f"-d{seconds}s", "-s", str(file)]
    with gateway(here) as (url, pid):
        reaped_s = resource.getrusage(resource.RUSAGE_CHILDREN)
        with here.spending({"gateway": pid}) as spent:
            began = time.monotonic()
            done = subprocess.run(  # noqa: S603 - a tool of this machine
                [*load, url], capture_output=True, text=True, check=True
            )
            loaded_s = time.monotonic() - began
            here.wait_until_settled(300)
            took_s = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent["wrk"] = 1000 * (used.ru_utime + used.ru_stime - reaped_s.ru_utime - reaped_s.ru_stime)
    yardsticks.append(here.noop_rate(noops))
    events = added(here) - before
    said = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    if said["refused"] or said["broken"] or events < said["requests"]:
        raise AssertionError(f"not every request was taken and applied: {said}, {events} applied")
    return {
        "row": "1b",
        "what": "single events by 32 HTTP clients, against no-op tasks",
        "events": events,
        "routers": here.routers,
        "latency_ms": LATENCY_MS,
        "service_ms": 0,
        "events_per_s": round(events / took_s),
        "requests_per_s": round(said["requests"] / loaded_s),
        "answered_ms": [round(said["p50_ms"], 1), round(said["p99_ms"], 1)],
        "noop_per_s": [round(rate) for rate in yardsticks],
        "cpu_s": {name: round(cpu_ms / 1000, 2) for name, cpu_ms in spent.items()},
        "cpu_ms_an_event": a_piece(spent, events),
        "ratio": round(events / took_s / max(yardsticks), 2),
        "at_least": 0.4,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    options = parser.parse_args()
    wrk = shutil.which("wrk")
    if wrk is None:
        print_result(
            {"row": "1b", "left_out": "wrk is not installed (Debian: apt-get install wrk)"}
        )
        return
    with installation(ROUTERS, latency_ms=LATENCY_MS) as here:
        print_result(measure(here, wrk, options.seconds))


if __name__ == "__main__":
    main()
