"""Waiting for a condition, with a deadline: never a pause that hopes."""

import time
from collections.abc import Callable


def eventually(
    holds: Callable[[], object], what: str, *, within_s: float = 10.0, every_s: float = 0.01
) -> None:
    """Return as soon as the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(every_s)
