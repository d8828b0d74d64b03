"""Waiting for a condition, with a deadline: never a pause that hopes."""

import time
from collections.abc import Callable
from typing import Final

_CHECK_EVERY_S: Final = 0.05
"""Whoever waits must take no processor time from what is waited for."""


def eventually(
    holds: Callable[[], object],
    what: str,
    *,
    within_s: float = 10.0,
    every_s: float = _CHECK_EVERY_S,
) -> None:
    """Return as soon as the condition holds; AssertionError when it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(every_s)
