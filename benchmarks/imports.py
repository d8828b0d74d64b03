"""Row 2: an import over 50 routers until all is applied, against tasks that do nothing.

Run: `.venv/bin/python -m benchmarks.imports [--rows N]`. The rows are published on the lane `bulk`
in calls of 500, as `leasewire import` does; reading the file is not counted.
"""

import argparse
import time

from benchmarks.stage import Stage, a_piece, installation, print_result

ROUTERS = 50
LATENCY_MS = 5.0


def rows_applied(here: Stage, rows: int) -> tuple[float, dict[str, float]]:
    """Seconds until an import is applied, and the processor time (ms) by process it took."""
    events = here.fresh(rows)
    with here.spending() as spent:
        began = time.monotonic()
        here.publish_many(events)
        here.wait_until_settled(400)
        took_s = time.monotonic() - began
    return took_s, spent


def measure(here: Stage, rows: int) -> dict[str, object]:
    """Rows a second, and the yardstick before and after them."""
    here.warm()
    noops = min(rows, 2_000)
    yardsticks = [here.noop_rate(noops)]
    took_s, spent = rows_applied(here, rows)
    yardsticks.append(here.noop_rate(noops))
    return {
        "row": "2",
        "what": "import, against no-op tasks",
        "rows": rows,
        "routers": here.routers,
        "latency_ms": LATENCY_MS,
        "service_ms": 0,
        "rows_per_s": round(rows / took_s),
        "noop_per_s": [round(rate) for rate in yardsticks],
        "cpu_ms_a_row": a_piece(spent, rows),
        "ratio": round(rows / took_s / max(yardsticks), 2),
        "at_least": 4,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    options = parser.parse_args()
    with installation(ROUTERS, latency_ms=LATENCY_MS) as stage:
        print_result(measure(stage, options.rows))
