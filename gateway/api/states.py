"""The states of an event and of a service, each with what it means for who asks.

The worker has the states; a test holds that none is missing here.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class State(NamedTuple):
    """A state of an event.

    Attributes:
        final: nothing more comes of the event by itself.
        message: what it means.
    """

    final: bool
    message: str


EVENT_STATES: Final[Mapping[str, State]] = {
    "journaled": State(final=False, message="safe in the journal, not folded yet"),
    "scheduled": State(final=False, message="accepted; takes effect at `effective_at`"),
    "accepted": State(final=False, message="accepted; a router is to be written"),
    "waiting": State(
        final=False, message="cannot go on now, `reason` says why; it goes on by itself"
    ),
    "applied": State(final=True, message="written to the router and read back, or already there"),
    "observed": State(
        final=True, message="accepted; its router is only observed, so nothing was written"
    ),
    "superseded": State(final=True, message="a newer event took its place"),
    "duplicate": State(final=True, message="an event of the same content was accepted before"),
    "rejected": State(final=True, message="refused, `reason` says why; send a new event"),
    "failed": State(
        final=True, message="the router refuses it; final unless a person retries its dead letter"
    ),
    "expired": State(final=True, message="its `expirytime` had passed before it was folded"),
    "device-online": State(
        final=True,
        message="in the feed and webhooks alone, after `applied`: the device was seen with its "
        "address; the event itself stays `applied`",
    ),
}

STATUSES: Final[Mapping[str, str]] = {
    "incomplete": "something that a router needs to know was not said yet",
    "active": "is to have access",
    "suspended": "is to have none for now",
    "cancelled": "is to be on no router any more",
}

SYNCS: Final[Mapping[str, str]] = {
    "in_sync": "nothing is left to do",
    "observed": "nothing is written to the router; when last looked at it was as it is to be",
    "observed: differs": "nothing is written to the router, and it was not as it is to be",
    "pending": "a worker will look at it",
    "waiting": "cannot go on, `reason` says why; it is looked at again by itself",
    "circuit_open": "the router is out of reach or refuses us",
    "failed": "given up until its next event or until a person acts",
}


def list_of_events() -> str:
    """The states of events as a list in Markdown, each marked as final or not."""
    return "\n".join(
        f"- `{name}` ({'final' if state.final else 'not final'}): {state.message}"
        for name, state in EVENT_STATES.items()
    )


def list_of(states: Mapping[str, str]) -> str:
    """Other states as a list in Markdown."""
    return "\n".join(f"- `{name}`: {message}" for name, message in states.items())
