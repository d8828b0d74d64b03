"""Row 1: single events by the Python publisher until applied, against tasks that do nothing.

Run: `.venv/bin/python -m benchmarks.single_events [--events N]`.
"""

import argparse
import time

from benchmarks.stage import BOTH, LATENCY_MS, ROUTERS, Stage, a_piece, installation, print_result


def measure(here: Stage, count: int) -> dict[str, object]:
    """Events a second, published one by one, and the yardstick before and after them."""
    here.warm()
    yardsticks = [here.noop_rate(count, queues) for queues in (BOTH[:1], BOTH)]
    events = here.fresh(count)
    with here.spending() as spent:
        began = time.monotonic()
        notified = sum(here.publisher.publish([event])[0].notified for event in events)
        published_s = time.monotonic() - began
        here.wait_until_settled(300)
        took_s = time.monotonic() - began
    yardsticks += [here.noop_rate(count, queues) for queues in (BOTH[:1], BOTH)]
    return {
        "row": "1",
        "what": "single events, against no-op tasks",
        "events": count,
        "routers": here.routers,
        "latency_ms": LATENCY_MS,
        "service_ms": 0,
        "events_per_s": round(count / took_s),
        "publish_per_s": round(count / published_s),
        "noop_per_s": [round(rate) for rate in yardsticks],
        "cpu_ms_an_event": a_piece(spent, count),
        "messages_with_events": notified,
        "ratio": round(count / took_s / max(yardsticks), 2),
        "at_least": 1.2,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000)
    options = parser.parse_args()
    with installation(ROUTERS, latency_ms=LATENCY_MS) as stage:
        print_result(measure(stage, options.events))
