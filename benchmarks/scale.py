"""Row 16: how an installation with a million services differs from one with ten thousand.

Run: `.venv/bin/python -m benchmarks.scale [--services N] [--routers N] [--events N] [--turns N]`.
Two installations stand beside each other, one with `FEW` services and one with many. Of each a
thousand are imported to a simulated router, as events that workers fold and apply. The rest are
copies of one service that was folded and concluded so, on routers that are only in the inventory;
they are stored by the commit that workers use (`benchmarks/populate.py`). Rates and full reads are
measured in turns on both, so their ratio does not depend on how busy the machine is; of all else
the processor time is measured beside the time. Then come memory, commands, the console's search, a
backup while events come in, a restart of Redis before and after its file was rewritten, and a
restore.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import large_store
from benchmarks.populate import paper_routers, populate
from benchmarks.stage import Stage, activations, installation, print_result
from tests.installation import PASSWORD
from worker.convergence.full_read import read_fully
from worker.inventory.file import load_inventory
from worker.routeros.sessions import Sessions
from worker.settings import Settings

FEW: Final = 10_000
SIMULATED: Final = 50
READ: Final = "R1"
"""The router whose full reads are measured; it has so many services:"""
ON_READ: Final = 1_000
OURS: Final = ("valkey", "events", "routers")


def event_rate(here: Stage, number: int) -> tuple[float, float]:
    """Events a second, published one by one; processor time of one (ms) without the publisher."""
    took_s, spent = here.applied_singly(number)
    return number / took_s, sum(spent[name] for name in OURS) / number


class FullReadTimer:
    """Reads `READ` in full, in this process."""

    def __init__(self, here: Stage) -> None:
        settings = Settings.load(here.environ)
        inventory = load_inventory(settings.inventory)
        self._here = here
        self._policy = inventory.routers[READ].policy
        self._sessions = Sessions(inventory, settings)

    def ms(self) -> float:
        """How long one takes."""
        session = self._sessions.open(READ)
        began = time.monotonic()
        read_fully(self._here.store, session, READ, self._policy)
        took_ms = (time.monotonic() - began) * 1000
        session.close()
        return took_ms


def in_turns(few: Stage, many: Stage, events: int, turns: int) -> dict[str, object]:
    """Rate and processor time of events, and time of full reads, with many services and few."""
    reads = {stage.directory: FullReadTimer(stage) for stage in (few, many)}
    rates: dict[Path, list[float]] = {stage.directory: [] for stage in (few, many)}
    cpu_ms: dict[Path, list[float]] = {stage.directory: [] for stage in (few, many)}
    read_ms: dict[Path, list[float]] = {stage.directory: [] for stage in (few, many)}
    for turn in range(turns + 1):
        for stage in (few, many) if turn % 2 else (many, few):
            rate, spent_ms = event_rate(stage, events if turn else events // 4)
            if turn:  # the first is for logins and the first looks at routers
                rates[stage.directory].append(rate)
                cpu_ms[stage.directory].append(spent_ms)
                read_ms[stage.directory] += [reads[stage.directory].ms() for _ in range(3)]
    return {
        name: _compared(values[many.directory], values[few.directory], pick, digits)
        for name, values, pick, digits in (
            ("events_per_s", rates, statistics.median, 0),
            ("cpu_ms_an_event", cpu_ms, statistics.median, 2),
            ("full_read_ms", read_ms, min, 0),
        )
    }


def _compared(
    many: Sequence[float],
    few: Sequence[float],
    pick: Callable[[Sequence[float]], float],
    digits: int,
) -> dict[str, float]:
    at_many, at_few = pick(many), pick(few)
    return {
        "many": round(at_many, digits),
        "few": round(at_few, digits),
        "ratio": round(at_many / at_few, 2),
    }


def measure(few: Stage, many: Stage, services: int, events: int, turns: int) -> dict[str, Any]:
    """Fill both, and measure everything, step by step; each step is said as it ends."""
    for stage in (few, many):
        stage.used = ON_READ
        stage.publish_many(activations(ON_READ, 1))  # all of them on R1
        stage.wait_until_settled(1200)
    _filled(few, FEW - ON_READ)
    steps: dict[str, Callable[[], object]] = {
        "filled": lambda: _filled(many, services - ON_READ),
        "memory": lambda: large_store.memory(many, services),
        "in_turns": lambda: in_turns(few, many, events, turns),
        "commands": lambda: large_store.commands(many),
        "search": lambda: large_store.search(many),
        "backup": lambda: large_store.backup(many, file),
        "restart": lambda: large_store.restart(many),
        "rewrite": lambda: large_store.rewrite(many),
        "restart_rewritten": lambda: large_store.restart(many),
        "restore": lambda: large_store.restored(many, file, services),
    }
    file, found = many.directory / "backup.gz", dict[str, Any]()
    for name, step in steps.items():
        found[name] = step()
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {name}: {found[name]}\n")  # noqa: TID251
    rate = found["in_turns"]["events_per_s"]
    return {
        "row": "16",
        "what": f"events a second: {services:,} services stored, against {FEW:,}",
        "services": services,
        "latency_ms": 0,
        "service_ms": 0,
        **found,
        "ratio": rate["ratio"],
        "at_least": 0.8,
    }


def _filled(here: Stage, services: int) -> dict[str, float]:
    began = time.monotonic()
    with here.spending() as spent:
        populate(here, services)
    return {
        "services": services,
        "took_s": round(time.monotonic() - began, 1),
        "cpu_s": round(spent["publisher"] / 1000, 1),
        "valkey_cpu_s": round(spent["valkey"] / 1000, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=100_000)
    parser.add_argument("--routers", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=2_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    tables = paper_routers(options.routers - SIMULATED)
    os.environ["ROUTER_PASSWORD"] = PASSWORD  # noqa: TID251 - full reads run in this process
    # Nobody answers at the routers that are only in the inventory: no reports of them.
    environ = {"LEASEWIRE_REPORT_EVERY_S": "86400"}
    with ExitStack() as stack:
        few, many = (
            stack.enter_context(
                installation(SIMULATED, latency_ms=0, tables=tables, environ=environ)
            )
            for _ in range(2)
        )
        print_result(measure(few, many, options.services, options.events, options.turns))


if __name__ == "__main__":
    main()
