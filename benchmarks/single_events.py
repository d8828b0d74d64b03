"""Row 1: single events by the Python publisher until applied, against tasks that do nothing."""

import argparse
import json
import time

from benchmarks.stage import activations, cpu_ms, installation, noop_rate
from contracts import names


def measure(count: int, routers: int, latency_ms: float) -> dict[str, object]:
    """Events a second, published one by one, and the yardstick before and after them."""
    with installation(routers, latency_ms=latency_ms) as here:
        for event in activations(routers * 2, routers, 10**6):
            here.publisher.publish([event])  # warm: logins, first looks, imports
        here.wait_until_settled(60)
        both = (names.QUEUE_EVENTS, names.QUEUE_ROUTERS)
        yardsticks = [noop_rate(here, count, queues) for queues in (both[:1], both)]
        events = activations(count, routers)
        before = cpu_ms(here)
        began = time.monotonic()
        rung = sum(here.publisher.publish([event])[0].rung for event in events)
        published_s = time.monotonic() - began
        here.wait_until_settled(300)
        took_s = time.monotonic() - began
        spent = {k: round((v - before[k]) / count, 2) for k, v in cpu_ms(here).items()}
        yardsticks += [noop_rate(here, count, queues) for queues in (both[:1], both)]
    return {
        "row": 1,
        "events": count,
        "routers": routers,
        "latency_ms": latency_ms,
        "events_per_s": round(count / took_s),
        "publish_per_s": round(count / published_s),
        "noop_per_s": [round(each) for each in yardsticks],
        "cpu_ms_an_event": spent,
        "messages_with_events": rung,
        "ratio": round(count / took_s / max(yardsticks), 2),
        "at_least": 1.2,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--routers", type=int, default=50)
    parser.add_argument("--latency-ms", type=float, default=5)
    options = parser.parse_args()
    print(json.dumps(measure(options.events, options.routers, options.latency_ms)))  # noqa: T201
