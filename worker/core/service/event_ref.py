"""Names one event, for everything that is said of it, and orders the events of a service."""

from typing import NamedTuple


class EventRef(NamedTuple):
    """One event.

    Attributes:
        key: its name in the store (`contracts.identity.event_key`); empty where a feed gave it.
        id: the id that its source gave it.
        type: its full type.
        accepted_at_ms: when it was folded or scheduled, by Redis's clock, in milliseconds since
            1970; 0: it was not.
        bulk: it came by the lane `bulk`, and its outcomes go to the feed of that lane.
    """

    key: str
    id: str
    source: str
    type: str
    accepted_at_ms: int = 0
    bulk: bool = False


class Version(NamedTuple):
    """Orders the events of one service; the greater wins, in whatever order they arrive.

    Attributes:
        epoch: of the source; `sources rebase` raises it when a BSS restarts its counters.
        revision: the source's counter for the service, or its `time` in microseconds since 1970.
        local: 0 for an event of a source; for events of operators and of Leasewire their time in
            nanoseconds since 1970, the last three digits a count (`own_version.py`).
        digest: hash of type and data (`contracts.version_hash`), so that two events with one
            revision have an order that does not depend on arrival.
    """

    epoch: int
    revision: int
    local: int
    digest: str


NEVER = Version(-1, 0, 0, "")
"""Below every real version: the version of an unwritten register."""
