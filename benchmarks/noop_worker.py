"""A worker process like any other that also knows a task which does nothing: the yardstick.

Run by the benchmarks: `python -m benchmarks.noop_worker events|routers`. What Celery on Redis costs
without any work is measured in the very processes that do the work.
"""

import sys

from celery import shared_task

from worker.runtime.process import main

NOOP = "benchmarks.noop"


@shared_task(name=NOOP, ignore_result=True)  # type: ignore[untyped-decorator]
def noop(*_: object) -> None:
    """Take a message and do nothing about it."""


if __name__ == "__main__":
    sys.exit(main())
