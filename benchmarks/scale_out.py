"""Row 13: more processes of each kind, and their limits.

Run: `.venv/bin/python -m benchmarks.scale_out [--rows N]`. An import with 1, 2 and, if there
are enough CPUs, 4 processes of each kind.
"""

import argparse
import os
from collections.abc import Iterator, Mapping

from benchmarks.stage import LATENCY_MS, ROUTERS, a_piece, installation, print_result

SIZES = (1, 2, 4)
_FULL = 0.85
"""Share of a processor, or of all, from which on it counts as the limit."""


def limit(busy: Mapping[str, float], cores: int) -> str:
    """What the rate is bound by, from the processors that each kind of process kept busy."""
    if sum(busy.values()) >= _FULL * cores:
        return f"this machine's {cores} processors, all busy"
    for name in ("valkey", "publisher", "simulator"):
        if busy[name] >= _FULL:
            return f"{name}, one process that keeps a processor busy"
    return "waiting: no processor is always busy"


def measure(
    rows: int, sizes: tuple[int, ...] = SIZES, routers: int = ROUTERS
) -> Iterator[dict[str, object]]:
    """Return rows per second with several processes of each kind, as a ratio to one."""
    cores, first = os.cpu_count() or 1, 0.0
    for workers in (size for size in sizes if size <= cores):
        with installation(routers, latency_ms=LATENCY_MS, workers=workers) as here:
            here.warm()
            took_s, spent = here.applied_together(here.fresh(rows))
        first = first or rows / took_s
        busy = {name: round(cpu_ms / 1000 / took_s, 2) for name, cpu_ms in spent.items()}
        yield {
            "row": "13",
            "what": f"import with {workers} process{'es' * (workers > 1)} of each kind, against 1",
            "rows": rows,
            "routers": routers,
            "latency_ms": LATENCY_MS,
            "service_ms": 0,
            "rows_per_s": round(rows / took_s),
            "cpu_ms_a_row": a_piece(spent, rows),
            "busy_processors": busy,
            "limited_by": limit(busy, cores),
            "ratio": round(rows / took_s / first, 2),
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000)
    for found in measure(parser.parse_args().rows):
        print_result(found)
