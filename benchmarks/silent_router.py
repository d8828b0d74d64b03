"""Row: how much one silent router slows down the others.

Run: `.venv/bin/python -m benchmarks.silent_router`. Phases alternate: all routers answer, or one is
silent (it accepts connections and commands and answers nothing). Single events come at a steady
pace, about 30 % of the full speed of this machine (`--rate`, otherwise measured first). Each phase
gives the 99th percentile from publish to applied, or superseded by the service's next event, for
the other routers; the medians of both kinds of phases are compared.
"""

import argparse
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from benchmarks.stage import (
    SECOND_LOOK_S,
    Latencies,
    Stage,
    activations,
    at_pace,
    installation,
    print_result,
)
from tests import builders

SHARE = 0.3


def _changes(services: int, routers: int) -> Iterator[tuple[str, dict[str, object]]]:
    """Suspensions and resumptions of services in random order: one write each."""
    rng = random.Random(11)  # noqa: S311 - repeatable
    where = {
        n: str(event["data"]["service"]["access"]["router"])  # type: ignore[index]
        for n, event in enumerate(activations(services, routers))
    }
    revision = 1
    while True:
        revision += 1
        for n in rng.sample(range(services), services):
            say = builders.suspended if revision % 2 == 0 else builders.resumed
            yield where[n], say(f"SVC-{n}", revision=revision)


def p99(values: Sequence[float]) -> float:
    """The 99th percentile."""
    return sorted(values)[int(len(values) * 0.99)]


def measure(
    routers: int = 20,
    phases: int = 5,
    phase_s: float = 20,
    rate: float | None = None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """The p99s (ms) of the phases, so many of each kind, and how the medians compare.

    One of the routers falls silent. Without a rate of events a second it is 30 % of what is
    measured.
    """
    services = routers * 20
    with installation(routers, environ=environ) as here:
        here.publisher.publish(here.fresh(services))
        here.wait_until_settled(60)
        full = None if rate else 1000 / here.applied_singly(1000)[0]
        pace = rate or SHARE * (full or 0)
        events = _changes(services, routers)
        seen: dict[bool, list[float]] = {False: [], True: []}
        silent = here.control["R1"]
        for phase in range(2 * phases):
            is_silent = phase % 2 == 1
            silent.set_faults(hang_on_connect=is_silent, hang_in_use=is_silent)
            seen[is_silent].append(p99(_phase(here, events, pace, phase_s)))
            silent.clear_faults()
            silent.reset_sessions()
            here.wait_until_settled(SECOND_LOOK_S)
        killed = here.log_text().count('"worker.silent"')
    well, one_silent = statistics.median(seen[False]), statistics.median(seen[True])
    return {
        "row": "silent",
        "what": "p99 of the others while one router is silent, against none",
        "latency_ms": 5,
        "service_ms": 0,
        "routers": routers,
        "events_per_s": round(pace, 1),
        "full_speed_per_s": full and round(full, 1),
        "p99_ms_well": [round(time_ms, 1) for time_ms in seen[False]],
        "p99_ms_one_silent": [round(time_ms, 1) for time_ms in seen[True]],
        "median_p99_ms": [round(well, 1), round(one_silent, 1)],
        "ratio": round(one_silent / well, 2),
        "workers_taken_for_silent": killed,
    }


def _phase(
    here: Stage, events: Iterator[tuple[str, dict[str, object]]], pace: float, phase_s: float
) -> list[float]:
    """Publish at the pace; the latencies (ms) of the events of the routers that stay well."""
    watched = Latencies(here)
    for router, event in at_pace(islice(events, int(pace * phase_s)), pace):
        watched.publish(event, counts=router != "R1")
    return watched.took_ms()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--routers", type=int, default=20)
    parser.add_argument("--phases", type=int, default=5)
    parser.add_argument("--phase-s", type=float, default=20)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    print_result(measure(options.routers, options.phases, options.phase_s, options.rate))
