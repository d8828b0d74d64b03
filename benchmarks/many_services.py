"""Row 11, second part: does an event cost more CPU time if more services are stored?

Run: `.venv/bin/python -m benchmarks.many_services [--few N] [--many N] [--events N]`. Single events
come at a steady pace, so that each is folded and applied alone; the CPU time of idle processes is
subtracted. Simulated routers and publisher are not counted.
"""

import argparse
import time

from benchmarks.stage import ROUTERS, Stage, a_piece, at_pace, installation, print_result

PACE = 40
OURS = ("valkey", "events", "routers")


def cpu_ms_an_event(here: Stage, events: int, idle_s: float) -> dict[str, float]:
    """Processor time (ms) of one event by process, without what they take when idle."""
    with here.spending() as idle:
        time.sleep(idle_s)
    made = here.fresh(events)
    began = time.monotonic()
    with here.spending() as spent:
        for event in at_pace(made, PACE):
            here.publisher.publish([event])
        here.wait_until_settled(60)
        took_s = time.monotonic() - began
    return {name: spent[name] - idle[name] * took_s / idle_s for name in OURS}


def measure(here: Stage, few: int, many: int, events: int, idle_s: float = 3) -> dict[str, object]:
    """The processor time of an event with few and with many services stored."""
    here.warm()
    cpu_ms_an_event(here, events // 4, idle_s)  # processes that are new to single events
    found = []
    for stored in (few, many):
        here.publish_many(here.fresh(stored - here.used))
        here.wait_until_settled(1200)
        found.append(cpu_ms_an_event(here, events, idle_s))
    at_few, at_many = (sum(spent.values()) for spent in found)
    return {
        "row": "11 CPU",
        "what": f"processor time of an event: {many:,} services stored, against {few:,}",
        "events": events,
        "events_per_s": PACE,
        "routers": here.routers,
        "latency_ms": 0,
        "service_ms": 0,
        "cpu_ms_an_event": [a_piece(spent, events) for spent in found],
        "ratio": round(at_many / at_few, 2),
        "at_most": 1.2,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=400)
    options = parser.parse_args()
    with installation(ROUTERS, latency_ms=0) as stage:
        print_result(measure(stage, options.few, options.many, options.events))
