"""Row 11: what a service and each of its events take in Redis's memory.

Run: `.venv/bin/python -m benchmarks.memory [--services N]`. Five events a service (activated,
suspended, resumed, suspended, resumed), all applied; what remains then is counted by Redis's own
`used_memory`, so keys, history, outcomes and memory that is lost to fragments are in it.
"""

import argparse
import json

from benchmarks.stage import activations, installation
from contracts import names
from tests import builders
from tests.installation import Installation

ROUTERS = 10
CHUNK = 500


def used_bytes(here: Installation) -> int:
    """Redis's memory in use."""
    return int(here.client.info("memory")["used_memory"])


def measure(services: int) -> dict[str, object]:
    """Bytes a service with its five events, and how many of them each further event takes."""
    steps = [activations(services, ROUTERS)] + [
        [say(f"SVC-{n}", revision=revision) for n in range(services)]
        for revision, say in enumerate(2 * [builders.suspended, builders.resumed], 2)
    ]
    with installation(ROUTERS, latency_ms=0) as here:
        here.publisher.publish(activations(ROUTERS * 2, ROUTERS, 10**6))
        here.wait_until_settled(60)
        used = [used_bytes(here)]
        for events in steps:
            for start in range(0, services, CHUNK):
                here.publisher.publish(events[start : start + CHUNK], lane=names.QUEUE_BULK)
            here.wait_until_settled(120)
            used.append(used_bytes(here))
    return {
        "row": 11,
        "services": services,
        "bytes_a_service": round((used[-1] - used[0]) / services),
        "bytes_with_one_event": round((used[1] - used[0]) / services),
        "bytes_an_event": round((used[-1] - used[1]) / services / 4),
        "ratio": round((used[-1] - used[0]) / services / 2048, 2),
        "at_most": 1,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=2_000)
    print(json.dumps(measure(parser.parse_args().services)))  # noqa: T201 - what it is for
