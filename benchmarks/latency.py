"""Rows 7 and 8: how long a live event takes until it is applied, also beside an import.

Run: `.venv/bin/python -m benchmarks.latency [--seconds S] [--rows N]`. Events come one by one at 20
per second, each for another service, over 50 routers with 5 ms round trip. The yardstick is
three round trips and a no-op task's latency, at the same pace, on the same workers. Then the same
pace while an import of N rows drains on the lane `bulk`.
"""

import argparse
import statistics
import time
from collections.abc import Sequence

from benchmarks.noop_worker import NOOP
from benchmarks.silent_router import p99
from benchmarks.stage import (
    IMPORTS,
    LATENCY_MS,
    ROUTERS,
    Latencies,
    Stage,
    at_pace,
    installation,
    print_result,
)
from contracts import names
from tests.waiting import eventually

PACE = 20


def noop_latencies(here: Stage, count: int) -> list[float]:
    """How long (ms) tasks that do nothing are under way, at the pace of the events."""
    app, noted = here.application(), here.directory / "noop"
    for _ in at_pace(range(count), PACE):
        arguments = (time.time(), str(noted))
        app.send_task(NOOP, arguments, queue=names.QUEUE_EVENTS, ignore_result=True)
    eventually(lambda: len(noted.read_text().splitlines()) == count, "all no-ops ran", within_s=30)
    app.close()
    return [float(line) * 1000 for line in noted.read_text().splitlines()]


def live(here: Stage, events: Sequence[dict[str, object]]) -> tuple[list[float], int]:
    """Latencies (ms) of events published at the pace; how many came while the bulk lane had any."""
    watched, beside = Latencies(here), 0
    for event in at_pace(events, PACE):
        beside += here.store.journal.depth("bulk") > 0
        watched.publish(event)
    return watched.took_ms(), beside


def measure(here: Stage, seconds: float, rows: int) -> list[dict[str, object]]:
    """Row 7 at the median and at p99, then row 8."""
    count = round(seconds * PACE)
    here.warm()
    noop = noop_latencies(here, count)
    alone, _ = live(here, here.fresh(count))
    here.publish_many([event | {"source": IMPORTS} for event in here.fresh(rows)])
    beside, during = live(here, here.fresh(count))
    here.wait_until_settled(300)
    trips = 3 * LATENCY_MS
    p50s = [statistics.median(times_ms) for times_ms in (noop, alone, beside)]
    p99s = [p99(times_ms) for times_ms in (noop, alone, beside)]
    common = {
        "events": count,
        "events_per_s": PACE,
        "routers": here.routers,
        "latency_ms": LATENCY_MS,
        "service_ms": 0,
        "noop_ms": [round(p50s[0], 1), round(p99s[0], 1)],
        "applied_ms": [round(p50s[1], 1), round(p99s[1], 1)],
    }
    return [
        {
            "row": "7",
            "what": "publish to applied, against 3 round trips and a no-op: median",
            **common,
            "ratio": round(p50s[1] / (trips + p50s[0]), 2),
            "at_most": 1.5,
        },
        {
            "row": "7 p99",
            "what": "the same at p99",
            **common,
            "ratio": round(p99s[1] / (trips + p99s[0]), 2),
            "at_most": 3,
        },
        {
            "row": "8",
            "what": "that p99 beside an import, against itself",
            **common,
            "rows": rows,
            "published_during_import": during,
            "applied_during_import_ms": [round(p50s[2], 1), round(p99s[2], 1)],
            "ratio": round(p99s[2] / p99s[1], 2),
            "at_most": 2,
        },
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    with installation(ROUTERS, latency_ms=LATENCY_MS) as stage:
        for found in measure(stage, options.seconds, options.rows):
            print_result(found)
