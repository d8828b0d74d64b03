"""Reads which work items of routers are due, many routers in one round trip."""

from collections.abc import Sequence
from typing import Final

from redis.client import Pipeline

_SPAN: Final = 10**13
"""The score of a work item is priority * _SPAN + due (`lua/_work_items.lua`)."""
PRIORITIES: Final = range(4)


def ask_first_work_items(pipe: Pipeline, due: str) -> None:
    """Read the first work item of each priority, for `oldest_due`: one answer each."""
    for priority in PRIORITIES:
        low = priority * _SPAN
        pipe.zrangebyscore(due, low, f"({low + _SPAN}", start=0, num=1, withscores=True)


def ask_due_counts(pipe: Pipeline, due: str, now_ms: int) -> None:
    """Count the due work items of each priority: one answer each."""
    for priority in PRIORITIES:
        low = priority * _SPAN
        pipe.zcount(due, low, low + now_ms)


def oldest_due(firsts: Sequence[Sequence[tuple[str, float]]], now_ms: int) -> int:
    """Since when (ms) the oldest work item is due; 0: none is due yet."""
    due = (int(score) % _SPAN for first in firsts for _, score in first)
    return min((at_ms for at_ms in due if at_ms <= now_ms), default=0)
