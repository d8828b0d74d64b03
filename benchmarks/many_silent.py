"""Row 12: how much many silent routers slow down the others.

Run: `.venv/bin/python -m benchmarks.many_silent [--routers N] [--each N]`. A tenth of the routers
is silent: it accepts connections and commands and answers nothing. Each arm is a new installation
with the same events, also for the silent routers; it measures how long the events of the others
take, from the first that is published to the last that is applied. "from the start": these routers
never answered. "in use": they fall silent when a quarter is published. The undisturbed arm runs
first and last, and its mean is the reference.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Literal

from benchmarks.stage import LATENCY_MS, Stage, installation, print_result
from tests.waiting import eventually

SHARE = 0.1
Silence = Literal["none", "from the start", "in use"]


def silent_of(here: Stage) -> list[str]:
    """The routers that fall silent: the last tenth, one at least."""
    return list(here.control)[-max(1, round(here.routers * SHARE)) :]


def say_nothing(here: Stage, *, silent: bool) -> None:
    """Have those routers fall silent, or answer again."""
    for name in silent_of(here):
        here.control[name].set_faults(hang_on_connect=silent, hang_in_use=silent)
        if not silent:
            here.control[name].reset_sessions()


def others_rate(here: Stage, each: int, silence: Silence) -> float:
    """Events a second of the routers that are not silent; none of them was heard yet."""
    others = set(here.control) - set(silent_of(here))
    if silence == "from the start":
        say_nothing(here, silent=True)
        heard = [event for event in here.fresh(here.routers) if _router_of(event) in others]
    else:
        heard = here.fresh(here.routers)
    here.publish_many(heard)
    eventually(lambda: here.settled(others), "the first events are applied", within_s=300)
    events = here.fresh(each * here.routers)
    began = time.monotonic()
    for n, event in enumerate(events):
        if n == len(events) // 4 and silence == "in use":
            say_nothing(here, silent=True)
        here.publisher.publish([event])
    eventually(lambda: here.settled(others), "the others' events are applied", within_s=600)
    took_s = time.monotonic() - began
    say_nothing(here, silent=False)  # or the workers would wait for them at their end
    return each * len(others) / took_s


def _router_of(event: dict[str, object]) -> str:
    data = event["data"]
    return str(data["service"]["access"]["router"])  # type: ignore[index]


def measure(routers: int, each: int) -> Iterator[dict[str, object]]:
    """Both kinds of silence, against none."""
    arms: list[Silence] = ["none", "from the start", "in use", "none"]
    rates: dict[Silence, list[float]] = {arm: [] for arm in arms}
    for arm in arms:
        with installation(routers, latency_ms=LATENCY_MS) as here:
            rates[arm].append(others_rate(here, each, arm))
    undisturbed = statistics.mean(rates["none"])
    for number, arm in enumerate(arms[1:3]):
        yield {
            "row": f"12{'ab'[number]}",
            "what": f"a tenth of {routers:,} routers silent {arm}: the others' rate",
            "routers": routers,
            "events": each * routers,
            "latency_ms": LATENCY_MS,
            "service_ms": 0,
            "undisturbed_per_s": [round(rate) for rate in rates["none"]],
            "others_per_s": round(rates[arm][0]),
            "ratio": round(rates[arm][0] / undisturbed, 2),
            "at_least": 0.9,
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routers", type=int, default=1_000)
    parser.add_argument("--each", type=int, default=10, help="events a router")
    options = parser.parse_args()
    for found in measure(options.routers, options.each):
        print_result(found)
