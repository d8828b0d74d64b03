"""A worker process with more tasks than the product's: one that does nothing, and bare ones.

Run by the benchmarks: `python -m benchmarks.noop_worker events|routers`. What the product is
compared with is measured in the same processes.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from celery import shared_task

from benchmarks import bare_tasks
from worker.runtime import transport
from worker.runtime.process import main

NOOP = "benchmarks.noop"


@shared_task(name=NOOP, ignore_result=True)  # type: ignore[untyped-decorator]
def noop(sent_s: float = 0, noted_in: str = "") -> None:
    """Take a message and do nothing about it, but for noting how long (s) it was under way."""
    if noted_in:
        with Path(noted_in).open("a") as file:
            file.write(f"{time.time() - sent_s}\n")


def approve() -> None:
    """Else the queues' guard would set these messages aside as none of ours."""
    transport._MUST_BE = tuple(  # type: ignore[misc]  # noqa: SLF001 - our own task beside theirs
        (name, _or_noop(check) if name == "headers.task" else check, message)
        for name, check, message in transport._MUST_BE  # noqa: SLF001
    )


def _or_noop(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda found: found in (NOOP, *bare_tasks.NAMES) or check(found)


if __name__ == "__main__":
    approve()
    sys.exit(main())
