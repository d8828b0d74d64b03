"""Row 2: an import over 50 routers until all is applied, against tasks that do nothing.

Run: `.venv/bin/python -m benchmarks.imports [--rows N]`. The rows are published on the lane `bulk`
in calls of 500, as `leasewire import` does; reading the file is not counted.
"""

import argparse

from benchmarks.stage import LATENCY_MS, ROUTERS, Stage, a_piece, installation, print_result


def measure(here: Stage, rows: int) -> dict[str, object]:
    """Rows a second, and the yardstick before and after them."""
    here.warm()
    noops = min(rows, 2_000)
    yardsticks = [here.noop_rate(noops)]
    took_s, spent = here.applied_together(here.fresh(rows))
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
