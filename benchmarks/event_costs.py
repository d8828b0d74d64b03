"""What an event costs where: Redis by script, Python by step, alone and in batches.

Run: `.venv/bin/python -m benchmarks.event_costs [--events N] [--profile FILE]`. One process does
the work of all, one step after the other, so that Redis says its own processor time around each
script: all that its main thread does, the append-only file included. Processor time is counted, not
the clock; but code that other work on the machine interrupts is slower, so compare runs in turns.
"""

import argparse
import cProfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import redis

from benchmarks.stage import activations, print_result
from producers.connection import open_publisher
from producers.publisher import Publisher
from tests.small_installation import SmallInstallation
from worker.interpreter import answer_while_computing
from worker.log_setup import configure_logging
from worker.store.connection import Scripts
from worker.store.scripts import source

BATCHES = (1, 10, 50)
SCRIPTS = ("commit", "acquire", "begin_writing", "conclude", "next_batch")
CALLS = 500
LUA = files("worker.store") / "lua"


class Costs:
    """Processor time (us) of Redis by script, and of this thread by step."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.calls, self.redis, self.python = Counter[str](), Counter[str](), Counter[str]()
        asked = [-self._redis_us() + self._redis_us() for _ in range(200)]
        self._asking = sorted(asked)[100]
        self._run = Scripts.run

    def _redis_us(self) -> float:
        used = self._client.info("cpu")
        return 1e6 * float(used["used_cpu_user_main_thread"] + used["used_cpu_sys_main_thread"])

    def before_first_line(self) -> dict[str, float]:
        """What a call of a script takes before the first line of its own, the best of eight."""
        found = dict[str, float]()
        for name in ("", *SCRIPTS):
            text = "return 1"
            if name:
                first = (LUA / f"{name}.lua").read_text().partition("\n")[0]
                text = source(name).replace(first, f"if KEYS[1] then {text} end\n{first}", 1)
            sha, took = self._client.script_load(text), list[float]()
            for _ in range(8):
                before = self._redis_us()
                with self._client.pipeline(transaction=False) as pipe:
                    for _ in range(CALLS):
                        pipe.evalsha(sha, 1, "any:")
                    pipe.execute()
                took.append((self._redis_us() - before) / CALLS)
            found[name] = min(took)
        return {name: round(us - found[""], 1) for name, us in found.items() if name}

    @contextmanager
    def scripts(self) -> Iterator[None]:
        """Count the scripts that a block runs."""
        whole, run = self, self._run

        def counted(self: Scripts, name: str, *args: Any, **how: Any) -> Any:  # noqa: ANN401
            before = whole._redis_us()
            answer = run(self, name, *args, **how)
            whole.redis[name] += int(whole._redis_us() - before - whole._asking)
            whole.calls[name] += 1
            return answer

        Scripts.run = counted  # type: ignore[method-assign]
        try:
            yield
        finally:
            Scripts.run = run  # type: ignore[method-assign]

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time of this thread that a block takes."""
        before = time.thread_time()
        yield
        self.python[name] += int(1e6 * (time.thread_time() - before))


def take(here: SmallInstallation, publisher: Publisher, costs: Costs, events: list[Any]) -> None:
    """Publish, fold and apply events."""
    with costs.step("publish"):
        publisher.publish(events)
    with costs.step("fold"):
        here.accept.run([], "events")
    with costs.step("pass"):
        here.converge.run("R1")


def measure(here: SmallInstallation, count: int, profile: str) -> Iterator[dict[str, object]]:
    """The costs of an event for each size of batch."""
    for control in here.r.values():
        control.add_row("/ip/dhcp-server/network", {"address": "100.64.0.0/10"})
    first = 0
    clock = lambda: datetime.now(UTC)  # noqa: E731, TID251 - of this program
    with open_publisher(here.server.url, clock=clock, prefix=here.prefix) as publisher:
        for batch in (2, *BATCHES):
            rounds = max(3, count // batch)
            events = activations(batch * rounds * 2, 1, first)
            first += len(events)
            parts = [events[at : at + batch] for at in range(0, len(events), batch)]
            costs, profiler = Costs(here.client), cProfile.Profile()
            with costs.scripts():
                for part in parts[:rounds]:
                    take(here, publisher, costs, part)
            costs.python.clear()  # asking Redis is not part of it
            if profile:
                profiler.enable()
            for part in parts[rounds:]:
                take(here, publisher, costs, part)
            if profile:
                profiler.disable()
                profiler.dump_stats(f"{profile}.{batch}")
            if batch in BATCHES:
                each = batch * rounds
                yield {
                    "row": "costs",
                    "what": f"processor time (us) of an event, {batch} at a time",
                    "events": each,
                    "redis": {name: round(us / each, 1) for name, us in costs.redis.items()},
                    "redis_sum": round(sum(costs.redis.values()) / each, 1),
                    "python": {name: round(us / each, 1) for name, us in costs.python.items()},
                    "python_sum": round(sum(costs.python.values()) / each, 1),
                }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--profile", default="", help="write profiles there, by size of batch")
    options = parser.parse_args()
    answer_while_computing()  # as workers do
    with SmallInstallation(1, settings={"LOG_LEVEL": "WARNING"}) as small:
        configure_logging(small.settings)
        print_result({"row": "costs", "before_first_line": Costs(small.client).before_first_line()})
        for result in measure(small, options.events, options.profile):
            print_result(result)
