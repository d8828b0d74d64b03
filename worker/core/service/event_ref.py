"""Names one event, for everything that is said of it: records, outcomes, dead letters, history."""

from typing import NamedTuple


class EventRef(NamedTuple):
    """One event.

    Attributes:
        key: its name in the store (`contracts.event_key`); empty where it was read from a feed.
        id: the id that its source gave it.
        source: who published it.
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
