"""The states of events and services with their meanings, for the documentation.

A test checks that each state of the worker is here.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class State(NamedTuple):
    """A state of an event.

    Attributes:
        final: it does not change by itself.
        message: its meaning.
    """

    final: bool
    message: str


EVENT_STATES: Final[Mapping[str, State]] = {
    "journaled": State(final=False, message="in the journal, not folded yet"),
    "scheduled": State(final=False, message="accepted; takes effect at `effective_at`"),
    "accepted": State(final=False, message="accepted; a router must be written"),
    "waiting": State(final=False, message="blocked for now, see `reason`; continues by itself"),
    "applied": State(final=True, message="written to the router and read back, or already there"),
    "observed": State(
        final=True, message="accepted; its router is in observe mode, so nothing was written"
    ),
    "superseded": State(final=True, message="a newer event replaced it"),
    "duplicate": State(final=True, message="an event with the same content was accepted before"),
    "rejected": State(final=True, message="refused, see `reason`; send a new event"),
    "failed": State(
        final=True, message="a router refuses it; final unless its dead letter is retried"
    ),
    "expired": State(final=True, message="its `expirytime` had passed when it was folded"),
    "acting": State(
        final=True,
        message="only in the feed and in webhooks, after `applied`: it acts at the customer, as "
        "read on the router; the event itself stays `applied`, with this in `effect`",
    ),
    "not-acting-yet": State(
        final=False,
        message="likewise, while it does not act: see `reason`, and `effect` for until when; "
        "`acting` follows",
    ),
}

STATUSES: Final[Mapping[str, str]] = {
    "incomplete": "values that a router needs are missing",
    "active": "has access",
    "suspended": "has no access for now",
    "cancelled": "removed from all routers",
}

SYNCS: Final[Mapping[str, str]] = {
    "in_sync": "nothing to do",
    "observed": "the router is in observe mode; at its last check it had what it should",
    "observed: differs": "the router is in observe mode; at its last check it differed",
    "pending": "a worker will check it",
    "waiting": "blocked, see `reason`; rechecked periodically",
    "circuit_open": "the router is unreachable or refuses our login",
    "failed": "failed until its next event or until a person acts",
}


def list_of_events() -> str:
    """The states of events as a Markdown list, each marked as final or not."""
    return "\n".join(
        f"- `{name}` ({'final' if state.final else 'not final'}): {state.message}"
        for name, state in EVENT_STATES.items()
    )


def list_of(states: Mapping[str, str]) -> str:
    """Other states as a Markdown list."""
    return "\n".join(f"- `{name}`: {message}" for name, message in states.items())
