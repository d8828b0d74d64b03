"""Stops publishers between two of their calls."""

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.waiting import eventually

_ANSWERED_WITHIN_S: Final = 0.3
"""A call that is not answered then hangs."""
_TAIL: Final = 4_096
"""Bytes of a log, more than its last line has."""


def stop_between_calls(publishers: Mapping[int, Path]) -> None:
    """Stop processes (SIGSTOP), each while it waits for no answer; a call that hangs is in flight.

    Args:
        publishers: process id -> what it wrote down of its calls.
    """
    deadline = time.monotonic() + _ANSWERED_WITHIN_S
    left = dict(publishers)

    def are_stopped() -> bool:
        for pid, calls in [*left.items()]:
            os.kill(pid, signal.SIGSTOP)
            eventually(lambda pid=pid: _state(pid) == "T", "it is stopped", every_s=0.001)
            if _is_answered(calls) or time.monotonic() > deadline:
                del left[pid]
            else:
                os.kill(pid, signal.SIGCONT)
        return not left

    eventually(are_stopped, "publishers are stopped", every_s=0.01)


def _state(pid: int) -> str:
    """Of a process, as the system says it: `T` is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _is_answered(calls: Path) -> bool:
    with calls.open("rb") as log:
        log.seek(max(0, calls.stat().st_size - _TAIL))
        last = log.read().splitlines()[-1]
    is_answer: bool = json.loads(last)["do"] == "answer"
    return is_answer
