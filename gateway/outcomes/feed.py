"""What the couriers ask of the other side: the outcome feed."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class CursorTooOld(Exception):  # noqa: N818 - says what happened
    """Some of what came after the cursor is not kept any more."""


class FeedEvent(NamedTuple):
    """An item of the feed: its cursor, when it was said (ms), the CloudEvent."""

    cursor: str
    at_ms: int
    event: dict[str, Any]


class Feed(Protocol):
    """The feed. Every method blocks for a round trip to Redis."""

    def read(self, sources: Sequence[str], cursor: str | None, most: int) -> list[FeedEvent]:
        """Items after a cursor; None: from the oldest on. May raise `CursorTooOld`."""

    def last(self) -> str:
        """The cursor after everything that was said."""

    @property
    def passing(self) -> tuple[type[Exception], ...]:
        """What is raised when Redis does not answer; it is tried again then."""


def just_before(cursor: str) -> str:
    """A cursor after which the item of this one comes first."""
    ms, _, sequence = cursor.partition("-")
    if int(sequence):
        return f"{ms}-{int(sequence) - 1}"
    return f"{int(ms) - 1}-{10**9}"
