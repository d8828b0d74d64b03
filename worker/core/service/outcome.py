"""The outcome of an event, and the dead letter of an event or a service that failed."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from contracts import names
from worker.core.service.record import PendingEvent
from worker.core.storage_format import (
    check_format,
    full_type,
    known_part,
    short_type,
    to_json,
    without_end,
)

OUTCOME_FORMAT: Final = 2
"""Number of the format, with which each stored outcome begins."""

State = Literal[
    "accepted",
    "scheduled",
    "waiting",
    "applied",
    "superseded",
    "duplicate",
    "rejected",
    "failed",
    "expired",
    "observed",
    "device-online",
]
FINAL: frozenset[State] = frozenset(
    {"applied", "superseded", "duplicate", "rejected", "failed", "expired", "observed"}
)


UNCHANGED: Final = "already-current"
"""Reason of an event that changed nothing: it is counted, and its outcome kept for an hour."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The latest state of one event.

    Attributes:
        key: the event's name in the store (`contracts.event_key`); empty where it was read from a
            feed, which has no keys.
        event_id: the publisher's id.
        source: who published it.
        type: the event's type.
        service_id: the service it names; empty when the event was too broken to name one.
        state: where it stands; `applied` means written and read back. `device-online`
            stands in the feed alone: the device was seen with its address.
        reason: one word for programs, such as `already-current` or `foreign-row`.
        detail: one sentence for people.
        accepted_at_ms: when it was folded, by Redis's clock, in milliseconds since 1970.
        at_ms: when it reached this state.
        router: the router that the state is about; empty: none.
        effective_at_ms: when a scheduled event takes effect; 0 for others.
        effective_by: of an applied event that changed a router: from when it acts there, in the
            short form of `effect.effective_by`.
        bulk: it came by the bulk lane and stands in that lane's feed.
    """

    key: str
    event_id: str
    source: str
    type: str
    service_id: str
    state: State
    reason: str = ""
    detail: str = ""
    accepted_at_ms: int = 0
    at_ms: int = 0
    router: str = ""
    effective_at_ms: int = 0
    effective_by: str = ""
    bulk: bool = False

    def to_json(self) -> str:
        """Write one line of JSON, without the key, which is part of where it is stored.

        `[2, state, ms from accepted to this state, accepted_at_ms, type, event_id, source, service,
        router, effective_by, reason, detail, effective_at_ms, 1 if bulk]`, without what is empty at
        its end. Scripts read the state (`lua/_services.lua`) and pass over the time (`_feed.lua`).
        """
        # Written several times for every event: no copy of the fields, no names.
        values: list[Any] = [
            OUTCOME_FORMAT,
            self.state,
            self.at_ms - self.accepted_at_ms,
            self.accepted_at_ms,
            short_type(self.type),
            self.event_id,
            self.source,
            self.service_id,
            self.router,
            self.effective_by,
            self.reason,
            self.detail,
            self.effective_at_ms,
            int(self.bulk),
        ]
        return to_json(without_end(values))

    @classmethod
    def from_json(cls, text: str | bytes, key: str = "") -> "Outcome":
        """Read `to_json`; what a newer version adds at the end is dropped.

        Args:
            text: as it is stored.
            key: the event's name in the store, where that is known.

        Raises:
            UnknownFormatError: it has another format.
        """
        raw = json.loads(text)
        check_format("outcome", raw, OUTCOME_FORMAT)
        raw += _NOTHING[len(raw) :]
        state, after_ms, accepted_at_ms, type_, event_id, source, service_id = raw[1:8]
        router, by, reason, detail, effective_at_ms, bulk = raw[8:14]
        return cls(
            key,
            event_id,
            source,
            full_type(type_),
            service_id,
            state,
            reason,
            detail,
            accepted_at_ms,
            accepted_at_ms + after_ms,
            router,
            effective_at_ms,
            by,
            bool(bulk),
        )


_NOTHING: Final = [0, "", 0, 0, *[""] * 8, 0, 0]
"""What a shorter array leaves out."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is kept of an event or a service that failed permanently.

    Attributes:
        id: its name: the event's key, or `service@router` for a refused write.
        kind: `event` (the whole event is in `body`), `service` (a write that was refused) or `hook`
            (a webhook that makes no event; `body` is what its reader needs to try again).
        reason: one word, such as `invalid-event`, `poison`, `operation-refused`.
        detail: every problem, or the router's own text.
        service_id: the service it is about, where known.
        router: the router that refused, where one did.
        body: the event as received, where it is one.
        event_keys: the events that cannot be applied because of it.
        attempts: how often it was tried.
        at_ms: when it failed, in milliseconds since 1970.
        source: who published the event; empty where the inventory does not know it.
    """

    id: str
    kind: Literal["event", "service", "hook"]
    reason: str
    detail: str
    service_id: str = ""
    router: str = ""
    body: str = ""
    event_keys: tuple[str, ...] = ()
    attempts: int = 1
    at_ms: int = 0
    source: str = ""

    @property
    def group(self) -> str:
        """Name of the group of which the newest are kept; empty: it is kept until it is settled.

        A source may send any number of broken events; services are limited by nature.
        """
        return "" if self.kind == "service" else f"{self.source}|{self.reason}"

    def to_json(self) -> str:
        """Write one line of JSON."""
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "DeadLetter":
        """Read `to_json`."""
        letter = known_part(cls, json.loads(text))
        return replace(letter, event_keys=tuple(letter.event_keys))


def outcome_of(  # noqa: PLR0913 - the fields of one outcome
    pending: PendingEvent,
    service_id: str,
    state: State,
    at_ms: int,
    *,
    reason: str = "",
    detail: str = "",
    router: str = "",
    effective_by: str = "",
) -> Outcome:
    """Return the next outcome of an event that is still pending in its record."""
    return Outcome(
        key=pending.key,
        event_id=pending.event_id,
        source=pending.source,
        type=pending.type,
        service_id=service_id,
        state=state,
        reason=reason,
        detail=detail,
        accepted_at_ms=pending.accepted_at_ms,
        at_ms=at_ms,
        router=router,
        effective_by=effective_by,
        bulk=pending.lane == names.QUEUE_BULK,
    )
