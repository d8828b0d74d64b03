"""What became of an event, and the letter that is kept when it can go no further."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from contracts import names
from worker.core.service.record import PendingEvent
from worker.core.storage_format import (
    UnknownFormatError,
    full_type,
    short_type,
    to_json,
    without_end,
)

OUTCOME_FORMAT: Final = 2
"""Number of an outcome's text format: an array that begins with it; the first was an object."""

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
"""Reason of an event that changed nothing: it leaves a counter, and for an hour a word."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The latest word on one event.

    Attributes:
        key: the event's name in the store (`contracts.event_key`); empty where it was read from a
            feed, which tells no keys.
        event_id: the publisher's id.
        source: who published it.
        type: the event's type.
        service_id: the service it names; empty when the event was too broken to say.
        state: where it stands; `applied` means written and read back. `device-online`
            stands in the feed alone: the device was seen with its address.
        reason: one word for programs, such as `already-current` or `foreign-row`.
        detail: one sentence for people.
        accepted_at_ms: when it was folded, by Redis's clock, in milliseconds since 1970.
        at_ms: when this word was said.
        router: the router that the word is about; empty when it is about none.
        effective_at_ms: when a scheduled event takes effect; 0 for others.
        effective_by: of an applied event that changed a router: from when it acts there, as
            `effect.effective_by` says it; `effect.describe` makes a sentence of it.
        bulk: it came in with many others, and is told of in a feed of theirs.
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
        """One line of JSON, without the key, which is part of where it is kept.

        `[2, state, ms from accepted to this word, accepted_at_ms, type, event_id, source, service,
        router, effective_by, reason, detail, effective_at_ms, 1 if bulk]`, without what is empty at
        its end. Scripts read the state (`lua/_services.lua`) and pass over the time (`_feed.lua`).
        """
        # This is said of every event several times: no copy of the fields, no names.
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
        """The reverse of `to_json`; what a newer version adds at the end is dropped.

        Args:
            text: as it is kept.
            key: the event's name in the store, where that is known.

        Raises:
            UnknownFormatError: it has another format number.
        """
        raw = json.loads(text)
        if isinstance(raw, dict):
            return cls._from_names(raw, key)
        if raw[0] != OUTCOME_FORMAT:
            raise UnknownFormatError("outcome", raw[0], OUTCOME_FORMAT)
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

    @classmethod
    def _from_names(cls, raw: dict[str, Any], key: str) -> "Outcome":
        """Read the first format."""
        known = {k: v for k, v in raw.items() if k in cls.__dataclass_fields__}
        needed = {"key": key, "event_id": "", "source": "", "type": "", "service_id": ""}
        return cls(**needed | known)


_NOTHING: Final = [0, "", 0, 0, *[""] * 8, 0, 0]
"""What a shorter array leaves out."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is kept of an event or a service that cannot go on by itself.

    Attributes:
        id: its name: the event's key, or `service@router` for a refused write.
        kind: `event` (the whole event is in `body`), `service` (a write that was refused) or `hook`
            (a webhook that makes no event; `body` is what its reader needs to try again).
        reason: one word, such as `invalid-event`, `poison`, `operation-refused`.
        detail: every problem, or the router's own words.
        service_id: the service it is about, where known.
        router: the router that refused, where one did.
        body: the event as received, where it is one.
        event_keys: the events that cannot be applied because of it.
        attempts: how often it was tried.
        at_ms: when it was given up, in milliseconds since 1970.
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
        """Of which the newest are kept; empty: it is kept until somebody deals with it.

        Services are as many as they are; of broken events a source sends any number.
        """
        return "" if self.kind == "service" else f"{self.source}|{self.reason}"

    def to_json(self) -> str:
        """One line of JSON; as earlier versions wrote it where no source is known."""
        fields = asdict(self)
        if not self.source:
            del fields["source"]
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> "DeadLetter":
        """The reverse of `to_json`."""
        known = {k: v for k, v in json.loads(text).items() if k in cls.__dataclass_fields__}
        known["event_keys"] = tuple(known.get("event_keys", ()))
        return cls(**known)


def outcome_of(  # noqa: PLR0913 - the parts of one sentence
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
    """The next word on an event that a record still lists as outstanding."""
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
