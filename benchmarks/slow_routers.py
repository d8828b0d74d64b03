"""Row 4b: many slow routers at once, all written to by one process.

Run: `.venv/bin/python -m benchmarks.slow_routers [--writes N] [--threads T]`. 200 routers take
500 ms for each write, one after the other: together they take at most 400 writes per second.
"""

import argparse

from benchmarks.stage import LATENCY_MS, Stage, a_piece, installation, print_result
from worker.settings import Settings

ROUTERS = 200
SERVICE_MS = 500.0


def measure(here: Stage, writes: int) -> dict[str, object]:
    """Writes a second, from the first call of the publisher until all are read back."""
    here.warm()
    for router in here.control.values():
        router.set_faults(service_ms=SERVICE_MS)
    events = here.fresh(writes * here.routers)
    took_s, spent = here.applied_together(events, 600)
    for router in here.control.values():
        router.set_faults(service_ms=0)
    limit = here.routers * 1000 / SERVICE_MS
    return {
        "row": "4b",
        "what": f"{here.routers} slow routers, against their own limit",
        "routers": here.routers,
        "threads": Settings.load(here.environ).router_threads,
        "writes": len(events),
        "latency_ms": LATENCY_MS,
        "service_ms": SERVICE_MS,
        "writes_per_s": round(len(events) / took_s),
        "limit_per_s": round(limit),
        "cpu_ms_a_write": a_piece(spent, len(events)),
        "ratio": round(len(events) / took_s / limit, 2),
        "at_least": 0.8,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=20, help="of each router")
    parser.add_argument("--threads", type=int, help="of the process; as shipped if not given")
    options = parser.parse_args()
    more = {"LEASEWIRE_ROUTER_THREADS": str(options.threads)} if options.threads else {}
    with installation(ROUTERS, latency_ms=LATENCY_MS, environ=more) as stage:
        print_result(measure(stage, options.writes))
