"""When a full journal closes intake, and opens it again.

Pure.
"""

from typing import Final

REOPENS: Final = 0.8
"""Share of the limit below which intake opens again: not at each event that leaves."""


def is_closed(depth: float, limit: float, *, closed: bool) -> bool:
    """Whether nothing is to be taken in.

    Args:
        depth: events in the journal.
        limit: from which on none is taken in.
        closed: whether that was so at the last look.
    """
    return depth >= (limit * REOPENS if closed else limit)
