"""What became of an event, and the letter that is kept when it can go no further."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

from contracts import names
from worker.core.record import Outstanding

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
    "in-use",
]
FINAL: frozenset[State] = frozenset(
    {"applied", "superseded", "duplicate", "rejected", "failed", "expired", "observed"}
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The latest word on one event.

    Attributes:
        key: the event's name in the store (`contracts.event_key`).
        event_id: the publisher's id.
        source: who published it.
        type: the event's type.
        service_id: the service it names; empty when the event was too broken to say.
        state: where it stands; `applied` means written and read back. `in-use` is said in the
            feed alone: the device was seen with its address.
        reason: one word for programs, such as `already-current` or `foreign-row`.
        detail: one sentence for people.
        accepted_at_ms: when it was folded, by Redis's clock, in milliseconds since 1970.
        at_ms: when this word was said.
        router: the router that the word is about; empty when it is about none.
        effective_at_ms: when a scheduled event takes effect; 0 for others.
        effective_by: of an applied event that changed a router: from when it acts there.
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
        """One line of JSON; empty fields are left out."""
        # Not `asdict`: it copies deeply, and this is said for every event several times.
        said = {name: getattr(self, name) for name in _OUTCOME_FIELDS}
        return _encode({name: value for name, value in said.items() if value not in ("", 0)})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Outcome":
        """The reverse of `to_json`; unknown fields of a newer version are dropped."""
        known = {k: v for k, v in json.loads(text).items() if k in cls.__dataclass_fields__}
        return cls(
            **{"key": "", "event_id": "", "source": "", "type": "", "service_id": ""} | known
        )


_OUTCOME_FIELDS = tuple(Outcome.__dataclass_fields__)
_encode = json.JSONEncoder(separators=(",", ":")).encode


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

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> "DeadLetter":
        """The reverse of `to_json`."""
        known = {k: v for k, v in json.loads(text).items() if k in cls.__dataclass_fields__}
        known["event_keys"] = tuple(known.get("event_keys", ()))
        return cls(**known)


def outcome_of(  # noqa: PLR0913 - the parts of one sentence
    outstanding: Outstanding,
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
        key=outstanding.key,
        event_id=outstanding.event_id,
        source=outstanding.source,
        type=outstanding.type,
        service_id=service_id,
        state=state,
        reason=reason,
        detail=detail,
        accepted_at_ms=outstanding.accepted_at_ms,
        at_ms=at_ms,
        router=router,
        effective_by=effective_by,
        bulk=outstanding.lane == names.QUEUE_BULK,
    )
