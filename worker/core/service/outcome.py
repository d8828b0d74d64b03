"""The outcome of an event, and the dead letter that is kept when it failed permanently."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, NamedTuple

from worker.core.service.event_ref import EventRef
from worker.core.service.record_parts import NO_VALUES, AssignedKind
from worker.core.storage_format import (
    check_format,
    full_type,
    known_part,
    short_type,
    to_json,
    without_end,
)

OUTCOME_FORMAT: Final = 2
"""Number of an outcome's text format: the first value of its array."""

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
    "acting",
    "not-acting-yet",
]
FINAL: frozenset[State] = frozenset(
    {"applied", "superseded", "duplicate", "rejected", "failed", "expired", "observed"}
)


class EffectReport(NamedTuple):
    """Whether an applied event acts at the customer, as it was read last on its router.

    Attributes:
        kind: of the change, such as `suspended` (`ChangeKind`).
        after_ms: since the event was applied.
        reason: one word for programs, such as `flows-left`.
        until_ms: until when it may not act; 0: not known.
    """

    state: Literal["acting", "not-acting-yet"]
    kind: str
    at_ms: int
    after_ms: int
    reason: str = ""
    detail: str = ""
    until_ms: int = 0


def feed_name(source: str, *, bulk: bool) -> str:
    """Return the name of the feed of a source: of its live or of its bulk events."""
    return f"{'bulk' if bulk else 'live'}:{source}"


UNCHANGED: Final = "already-current"
"""Reason of an event that changed nothing: it is counted, and its outcome is kept for an hour."""


class Outcome(NamedTuple):
    """The latest outcome of one event.

    Attributes:
        service_id: the service it names; empty when the event was too broken to name one.
        state: `applied` means confirmed. `acting` (it is so at the customer, as read on the router)
            and `not-acting-yet` follow it in feeds; the event stays `applied`.
        at_ms: when this became the outcome.
        reason: one word for programs, such as `already-current` or `foreign-row`.
        router: the router concerned; empty for none.
        effective_at_ms: when a scheduled event takes effect; 0 for others.
        effective_by: of an applied event that changed a router: from when it acts there, in the
            short form of `EffectiveBy`.
        effect: of an applied event: whether it acts, as it was read last; None: it was not read.
        assigned: what pools of ours gave the service: `address` and `prefix`.
    """

    event: EventRef
    service_id: str
    state: State
    at_ms: int = 0
    reason: str = ""
    detail: str = ""
    router: str = ""
    effective_at_ms: int = 0
    effective_by: str = ""
    effect: EffectReport | None = None
    assigned: Mapping[AssignedKind, str] = NO_VALUES

    @property
    def key(self) -> str:
        """The event's name in the store."""
        return self.event.key

    def feed(self, *, bulk: bool = False) -> str | None:
        """Name of the feed that has it (`bulk`: that of bulk events); None if nobody reads it."""
        event = self.event
        return feed_name(event.source, bulk=bulk or event.bulk) if event.source else None

    def to_json(self) -> str:
        """One line of JSON, without the key, which is part of where it is kept.

        `[2, state, ms from accepted to this outcome, accepted_at_ms, type, event id, source,
        service, router, effective_by, reason, detail, effective_at_ms, 1 if bulk, effect,
        assigned]`, without what is empty at its end. Scripts read the state (`lua/_services.lua`)
        and skip the time (`lua/_feed.lua`).
        """
        # Each event has several outcomes: neither copy the fields nor write their names.
        event = self.event
        values: list[Any] = [
            OUTCOME_FORMAT,
            self.state,
            self.at_ms - event.accepted_at_ms,
            event.accepted_at_ms,
            short_type(event.type),
            event.id,
            event.source,
            self.service_id,
            self.router,
            self.effective_by,
            self.reason,
            self.detail,
            self.effective_at_ms,
            int(event.bulk),
            self.effect,
            self.assigned,
        ]
        return to_json(without_end(values))

    @classmethod
    def from_json(cls, text: str | bytes, key: str = "") -> "Outcome":
        """The reverse of `to_json`; what a newer version adds at the end is dropped.

        Raises:
            UnknownFormatError: it has another format number.
        """
        raw = json.loads(text)
        check_format("outcome", raw, OUTCOME_FORMAT)
        raw += _NOTHING[len(raw) :]
        state, after_ms, accepted_at_ms, type_, event_id, source, service_id = raw[1:8]
        router, by, reason, detail, effective_at_ms, bulk, effect, assigned = raw[8:16]
        event = EventRef(key, event_id, source, full_type(type_), accepted_at_ms, bool(bulk))
        at_ms = accepted_at_ms + after_ms
        report = known_part(EffectReport, effect) if effect else None
        about = state, at_ms, reason, detail, router, effective_at_ms, by, report, assigned or {}
        return cls(event, service_id, *about)


_NOTHING: Final = [0, "", 0, 0, *[""] * 8, 0, 0, None, None]
"""What a shorter array leaves out."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event or a service that failed permanently.

    Attributes:
        id: the event's key, or `service@router` for a refused write.
        kind: `event` (`body` is the whole event), `service` (a refused write) or `hook` (a webhook
            without an event; `body` is what its reader needs to try again).
        reason: one word, such as `invalid-event`, `poison`, `operation-refused`.
        detail: every problem, or the router's message.
        router: the router that refused, if one did.
        body: the event as received, if it is one.
        event_keys: the events that cannot be applied because of it.
        at_ms: when it failed, in milliseconds since 1970.
        source: who published the event; empty where the inventory does not list it.
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
        """Its group, of which only the newest are kept; empty: it is kept until it is settled.

        The number of services is bounded; a source may send any number of broken events.
        """
        return "" if self.kind == "service" else f"{self.source}|{self.reason}"

    def to_json(self) -> str:
        """One line of JSON."""
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "DeadLetter":
        """The reverse of `to_json`."""
        dead_letter = known_part(cls, json.loads(text))
        return replace(dead_letter, event_keys=tuple(dead_letter.event_keys))
