"""Names that producers and workers share. No other module may spell them out."""

from typing import Final, Literal

Lane = Literal["events", "bulk"]
"""A lane of intake: each has its own Celery queue and journal."""

# Celery queues. A lane and its queue have the same name.
QUEUE_EVENTS: Final = "events"
"""Live events."""
QUEUE_BULK: Final = "bulk"
"""Imports and resyncs: served only while `events` is empty."""
QUEUE_ROUTERS: Final = "routers"
"""Routers with due work items; only workers write to it."""

LANES: Final[tuple[Lane, ...]] = (QUEUE_EVENTS, QUEUE_BULK)

# Celery tasks.
TASK_ACCEPT: Final = "leasewire.accept"
"""Arguments: a list of 1 to `MAX_EVENTS_PER_MESSAGE` events as JSON objects, and the lane."""
TASK_CONVERGE: Final = "leasewire.converge"
"""Argument: the name of one router."""
TASK_CANARY: Final = "leasewire.canary"
"""Argument: the name of its queue; only workers send it."""

TASKS: Final = (TASK_ACCEPT, TASK_CONVERGE, TASK_CANARY)

MAX_EVENTS_PER_MESSAGE: Final = 500
"""Most events in one message, and in one call of a journal script."""

DEFAULT_PREFIX: Final = "lw:"
"""First part of every key in Redis, also of Celery's keys."""

NOTIFIED_LIFETIME_MS: Final = 2_000
"""How long a notification counts as pending; its message may have been lost."""

INTAKE_ENDS: Final = 0.8
"""Share of Redis's maxmemory from which on publishers refuse; the rest is for the workers."""

INTAKE_DEPTH: Final = 50_000
"""Default number of live events in the journal from which on a gateway takes no more: some minutes
of the workers' time."""

BULK_DEPTH: Final = 100_000
"""The same for bulk events: enough for all customers of an ISP, in about a tenth of a gigabyte."""


def queue_key(prefix: str, queue: str) -> str:
    """Key of a Celery queue.

    Kind: list of messages; workers take the last. Lifetime: until a worker takes it.
    """
    return f"{prefix}{queue}"


SEEN: Final = "seen:"
"""Begins, behind the prefix, the keys of what is remembered of events (`worker/store/keys.py`)."""
BRIEF: Final = "brief:"
"""The same of outcomes of events that changed nothing."""
REFUSED: Final = "refused:"
"""The same of refused events."""

# The intake journal. The publisher writes it; the worker reads it, and its commit deletes the
# entries. Both keys of a lane have event keys (`contracts.identity.event_key`) as members.


def journal_body(prefix: str, lane: Lane) -> str:
    """Key of the events themselves.

    Kind: hash, event key -> the event as JSON text. Lifetime: until the commit of the event.
    Written by the publisher; read and deleted by the worker.
    """
    return f"{prefix}journal:{lane}"


def journal_due(prefix: str, lane: Lane) -> str:
    """Key of when each entry is due next.

    Kind: sorted set, event key -> milliseconds since 1970 by Redis's clock. Lifetime: as the
    body. Written by the publisher; the worker postpones an entry while it works on it, and deletes
    it with the body.
    """
    return f"{prefix}journal:{lane}:due"


def journal_notified(prefix: str, lane: Lane) -> str:
    """Key of the flag that a message of this lane is pending.

    Kind: string "1". Lifetime: `NOTIFIED_LIFETIME_MS`. Set by whoever sends a notification (the
    publisher, a worker that took a full batch, the sweep); deleted by the worker that finds the
    journal empty.
    """
    return f"{prefix}journal:{lane}:notified"


def journal_keys(prefix: str, lane: Lane) -> list[str]:
    """The keys of a lane, in the order of `producers/lua/publish.lua`."""
    return [
        journal_body(prefix, lane),
        journal_due(prefix, lane),
        journal_notified(prefix, lane),
        queue_key(prefix, lane),
    ]


def journal_lost(prefix: str) -> str:
    """Key of what was accepted and lost when Redis failed over or lost its last writes.

    Kind: hash of `events`: how many their publishers sent again, and `at_ms`: when the last.
    Lifetime: none. Written by the publisher.
    """
    return f"{prefix}journal:lost"
