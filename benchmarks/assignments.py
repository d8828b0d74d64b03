"""Row 15: an import whose addresses Leasewire assigns, against one with given addresses.

Run: `.venv/bin/python -m benchmarks.assignments [--services N]`. Both are measured in turns, so
that what else the machine does meets both; each turn is published and applied as in `imports`.
"""

import argparse
from collections import Counter
from typing import Any

from benchmarks.stage import LATENCY_MS, ROUTERS, Stage, a_piece, installation, print_result

TURNS = 4
POOL = """
[pools.home]
ranges = ["100.96.0.0/13"]
"""


def measure(here: Stage, services: int, turns: int = TURNS) -> dict[str, object]:
    """Processor time of workers and Redis for a service (ms), given and assigned."""
    here.warm()
    cpu_ms: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    took_s = {True: 0.0, False: 0.0}
    each = services // turns
    for turn in range(2 * turns):
        is_assigned = turn % 4 in (0, 3)  # either kind comes first as often
        events = here.fresh(each)
        if is_assigned:
            events = [with_assigned(event) for event in events]
        this_s, spent = here.applied_together(events)
        took_s[is_assigned] += this_s
        cpu_ms[is_assigned].update({name: spent[name] for name in ("events", "routers", "valkey")})
    count = each * turns
    assigned, given = (a_piece(cpu_ms[kind], count) for kind in (True, False))
    return {
        "row": "15",
        "what": "import with assigned addresses, against given ones",
        "services": count,
        "routers": here.routers,
        "latency_ms": LATENCY_MS,
        "service_ms": 0,
        "cpu_ms_given": given,
        "cpu_ms_assigned": assigned,
        "took_s": {"given": round(took_s[False], 1), "assigned": round(took_s[True], 1)},
        "ratio": round(assigned["sum"] / given["sum"], 3),
        "at_most": 1.1,
    }


def with_assigned(event: dict[str, Any]) -> dict[str, Any]:
    """The same event, with an address of the pool."""
    service = event["data"]["service"] | {"address": {"mode": "assigned", "pool": "home"}}
    return event | {"data": event["data"] | {"service": service}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=8_000)
    options = parser.parse_args()
    with installation(ROUTERS, latency_ms=LATENCY_MS, tables=POOL) as stage:
        print_result(measure(stage, options.services))
