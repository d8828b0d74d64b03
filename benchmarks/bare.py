"""Why rows 1 and 2 have a ceiling: the same round trips, made by tasks that decide nothing.

Run: `.venv/bin/python -m benchmarks.bare [--events N]`. Prints events a second of the product and
of `bare_tasks`, published singly and in calls of 500, each against tasks that do nothing. No
implementation that makes these round trips with these libraries exceeds what the bare tasks reach.
"""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.bare_tasks import PREFIX, PUBLISH, TASK_FOLD
from benchmarks.stage import (
    CHUNK,
    LATENCY_MS,
    ROUTERS,
    Stage,
    a_piece,
    activations,
    installation,
    print_result,
)
from contracts.message import BODY, envelope
from contracts.names import QUEUE_EVENTS, queue_key
from tests.installation import PREFIX as OURS
from tests.waiting import eventually


def bare_applied(here: Stage, count: int, first: int, chunk: int) -> tuple[float, dict[str, float]]:
    """Seconds until bare events are applied, and the processor time (ms) by process it took."""
    texts = [
        json.dumps(event | {"data": flat(event)})
        for event in activations(count, here.routers, first)
    ]
    script = here.client.register_script(PUBLISH)
    keys = [f"{PREFIX}journal", f"{PREFIX}told", queue_key(OURS, QUEUE_EVENTS), f"{PREFIX}ids"]
    message = envelope(TASK_FOLD, QUEUE_EVENTS).replace(f'"{BODY}"', json.dumps("[[],{},{}]"))
    before = int(here.client.get(f"{PREFIX}done") or 0)
    with here.spending() as spent:
        began = time.monotonic()
        for start in range(0, count, chunk):
            script(keys=keys, args=[message, *texts[start : start + chunk]])

        def all_done() -> bool:
            return int(here.client.get(f"{PREFIX}done") or 0) - before == count

        eventually(all_done, "all written", within_s=300)
        took_s = time.monotonic() - began
    return took_s, spent


def flat(event: dict[str, Any]) -> dict[str, object]:
    """The data of an event, and beside it what bare tasks read, without looking for it."""
    data: dict[str, Any] = event["data"]
    service = data["service"]
    return {
        **data,
        "router": service["access"]["router"],
        "server": service["access"]["dhcp_server"],
        "mac": service["device"]["mac"],
        "ipv4": service["address"]["ipv4"],
    }


def measure(here: Stage, count: int, turns: int) -> Sequence[dict[str, object]]:
    """The product and the bare tasks in turns; the best of each, by rate."""
    here.warm()
    bare_applied(here, 4 * here.routers, 1_000_000, CHUNK)
    found: list[dict[str, object]] = []
    for what, chunk in (("single", 1), ("many a call", CHUNK)):
        ours, bare, noops = [], [], [here.noop_rate(2_000)]
        for turn in range(turns):
            if chunk == 1:
                ours.append(here.applied_singly(count))
            else:
                ours.append(here.applied_together(here.fresh(count)))
            first = 1_100_000 + (turn + len(found) * turns) * count
            bare.append(bare_applied(here, count, first, chunk))
            noops.append(here.noop_rate(2_000))
        (ours_s, ours_spent), (bare_s, bare_spent) = min(ours), min(bare)
        found.append(
            {
                "row": "bare",
                "what": f"events published {what}, against tasks that only make the round trips",
                "events": count,
                "turns": turns,
                "routers": here.routers,
                "latency_ms": LATENCY_MS,
                "service_ms": 0,
                "noop_per_s": [round(rate) for rate in noops],
                "per_s": round(count / ours_s),
                "bare_per_s": round(count / bare_s),
                "cpu_ms": a_piece(ours_spent, count),
                "bare_cpu_ms": a_piece(bare_spent, count),
                "against_noop": round(count / ours_s / max(noops), 2),
                "bare_against_noop": round(count / bare_s / max(noops), 2),
            }
        )
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=3_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with installation(ROUTERS, latency_ms=LATENCY_MS) as stage:
        for row in measure(stage, options.events, options.turns):
            print_result(row)
