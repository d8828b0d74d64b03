"""The keys that the delivery of outcomes keeps in Redis; nothing else may spell them.

One set a target. No lifetimes but where one is named: a target that is taken out of the
configuration and comes back goes on where it was.
"""

from typing import Final

DEAD_MOST: Final = 10_000
"""Undelivered outcomes that are kept a target; the oldest go."""
ASIDE_MOST: Final = 1_000
"""Outcomes that a target refused and that are tried again; with more of them it is held."""
ACTIONS_MOST: Final = 500


def cursor(prefix: str, target: str) -> str:
    """String: up to where the feed was delivered, set aside or given up."""
    return f"{prefix}webhook:{target}:cursor"


def holder(prefix: str, target: str) -> str:
    """String with a time limit of 30 s: token of the process that delivers to the target."""
    return f"{prefix}webhook:{target}:holder"


def state(prefix: str, target: str) -> str:
    """Hash: how it is doing: `delivered`, `last_at`, `failing_since`, `message`, `next_at`."""
    return f"{prefix}webhook:{target}:state"


def aside(prefix: str, target: str) -> str:
    """Hash: id -> what the target refused, as JSON; at most `ASIDE_MOST`, for three days."""
    return f"{prefix}webhook:{target}:aside"


def aside_due(prefix: str, target: str) -> str:
    """Sorted set: id -> when to try again (ms)."""
    return f"{prefix}webhook:{target}:aside:due"


def dead(prefix: str, target: str) -> str:
    """Hash: id -> what could not be delivered, as JSON; at most `DEAD_MOST`."""
    return f"{prefix}webhook:{target}:dead"


def dead_by_time(prefix: str, target: str) -> str:
    """Sorted set: id -> when it was given up (ms)."""
    return f"{prefix}webhook:{target}:dead:by-time"


def actions(prefix: str) -> str:
    """List: the last `ACTIONS_MOST` actions of people on deliveries, newest first, as JSON."""
    return f"{prefix}webhook:actions"
