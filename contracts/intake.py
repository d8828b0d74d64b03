"""Decides when a full journal closes intake, and when it opens again."""

from typing import Final

REOPENS: Final = 0.8
"""Share of the limit below which intake opens again, so that it does not open for each event."""


def is_closed(depth: float, limit: float, *, closed: bool) -> bool:
    """Whether intake is closed.

    Args:
        depth: number of events in the journal.
        limit: depth from which on intake is closed.
        closed: whether it was closed at the last check.
    """
    return depth >= (limit * REOPENS if closed else limit)
