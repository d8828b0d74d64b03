"""What the program logs in a history: its story says it, and a traceback ends it."""

import logging
import traceback
from typing import Any, Final

import structlog

from tests.simulation.scheduler import Scheduler

BUGS: list[str] = []
"""Tracebacks that the program logged since the last step."""
NARRATES: list[Scheduler] = []
"""That of the history that is played."""
_EVERYDAY: Final = ("router.pass_ended", "plan.empty", "router.effect_read", "router.drained")
_NOT_TOLD: Final = ("event", "phases", "waiting", "advice", "unread", "message")


def listen() -> None:
    """Take all lines of the program: thousands a second, which the story says better."""
    structlog.configure(processors=[_swallow], cache_logger_on_first_use=False)
    logging.getLogger("leasewire").handlers = [_Publishers()]


class _Publishers(logging.Handler):
    """Publishers log by the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep tracebacks; the story says all else better."""
        if record.exc_info:
            BUGS.append(f"{record.getMessage()}: {traceback.format_exc()}")


def _swallow(_: Any, __: str, event: Any) -> Any:
    if event.get("exc_info"):
        BUGS.append(f"{event['event']}: {traceback.format_exc()}")
    elif event["event"] not in _EVERYDAY and NARRATES:
        words = " ".join(f"{name}={event[name]}" for name in event if name not in _NOT_TOLD)
        NARRATES[0].narrate(f"logs {event['event']} {words}"[:240])
    raise structlog.DropEvent
