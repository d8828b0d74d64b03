"""Row 2: an import over 50 routers until all is applied, against tasks that do nothing.

Run: `.venv/bin/python -m benchmarks.imports [--rows N]`. The rows are published on the lane `bulk`
in calls of 500, as `leasewire import` does; reading the file is not counted.
"""

import argparse
import json
import time

from benchmarks.stage import activations, cpu_ms, installation, noop_rate
from contracts import names

ROUTERS = 50
LATENCY_MS = 5.0
CHUNK = 500


def measure(rows: int) -> dict[str, object]:
    """Rows a second, and the yardstick before and after them."""
    with installation(ROUTERS, latency_ms=LATENCY_MS) as here:
        here.publisher.publish(activations(ROUTERS * 2, ROUTERS, 10**6))
        here.wait_until_settled(60)
        noops, queues = min(rows, 2000), (names.QUEUE_EVENTS, names.QUEUE_ROUTERS)
        yardsticks = [noop_rate(here, noops, queues)]
        events = activations(rows, ROUTERS)
        before = cpu_ms(here)
        began = time.monotonic()
        for start in range(0, rows, CHUNK):
            here.publisher.publish(events[start : start + CHUNK], lane=names.QUEUE_BULK)
        published_s = time.monotonic() - began
        here.wait_until_settled(400)
        took_s = time.monotonic() - began
        spent = {k: round((v - before[k]) / rows, 2) for k, v in cpu_ms(here).items()}
        yardsticks.append(noop_rate(here, noops, queues))
    return {
        "row": 2,
        "rows": rows,
        "routers": ROUTERS,
        "latency_ms": LATENCY_MS,
        "rows_per_s": round(rows / took_s),
        "publish_per_s": round(rows / published_s),
        "noop_per_s": [round(each) for each in yardsticks],
        "cpu_ms_a_row": spent,
        "ratio": round(rows / took_s / max(yardsticks), 2),
        "at_least": 4,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    print(json.dumps(measure(parser.parse_args().rows)))  # noqa: T201 - what it is for
