"""A worker in which unexpected exceptions come up: `python -m tests.faults.odd_worker KIND`.

What is odd stands in the file `odd` beside the inventory: a share of looks and folds that raise,
and a service of which every look raises. Nothing else differs from the real build.
"""

import faulthandler
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from worker.convergence import batch as rounds
from worker.core.plan.member import Wanted
from worker.core.rows.operations import WritePlan
from worker.intake.folding import Folding
from worker.runtime import process

CURSED: Final = "SVC-CURSED"
"""Whatever is planned with this service raises."""


class OddError(Exception):
    """What nobody expected."""


def shares(directory: Path, share: float) -> None:
    """Let so many of the looks and folds of all workers of an installation raise."""
    file = directory / "odd"
    new = directory / "odd.new"
    new.write_text(str(share))
    new.replace(file)


def _come_up(file: Path) -> None:
    if random.random() < float(file.read_text()):
        raise OddError("nobody expected this")


def make_odd(file: Path) -> None:
    """Put exceptions between the parts."""
    plan: Callable[..., WritePlan] = rounds.plan
    fold = Folding.fold

    def planning(wanted: Sequence[Wanted], *others: Any) -> WritePlan:
        if any(member.entry.service_id == CURSED for member in wanted):
            raise OddError(f"{CURSED} cannot be planned")
        _come_up(file)
        return plan(wanted, *others)

    def folding(self: Folding, events: Sequence[Any], seen: Mapping[str, Any]) -> Folding:
        _come_up(file)
        return fold(self, events, seen)

    rounds.plan = planning  # type: ignore[attr-defined]
    Folding.fold = folding  # type: ignore[method-assign]


def run() -> None:
    """Run a worker process with exceptions in it; asked by SIGUSR2 it tells what it is at."""
    faulthandler.register(signal.SIGUSR2)
    make_odd(Path(os.environ["LEASEWIRE_INVENTORY"]).with_name("odd"))
    sys.exit(process.main(sys.argv[1:]))


if __name__ == "__main__":
    run()
