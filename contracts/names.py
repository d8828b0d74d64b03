"""The names that producers and workers must agree on; nothing else may spell them."""

from typing import Final, Literal

Lane = Literal["events", "bulk"]
"""A way through the intake: each lane has a Celery queue and a journal of its own."""

# Celery queues. A lane and its queue have the same name.
QUEUE_EVENTS: Final = "events"
"""Live events."""
QUEUE_BULK: Final = "bulk"
"""Imports and resyncs: served only while `events` is empty."""
QUEUE_ROUTERS: Final = "routers"
"""Routers with due marks; only workers write to it."""

LANES: Final[tuple[Lane, ...]] = (QUEUE_EVENTS, QUEUE_BULK)

# Celery tasks.
TASK_ACCEPT: Final = "leasewire.accept"
"""Arguments: a list of 1 to `MAX_EVENTS_PER_MESSAGE` events as JSON objects, and the lane."""
TASK_CONVERGE: Final = "leasewire.converge"
"""Argument: the name of one router."""
TASK_CANARY: Final = "leasewire.canary"
"""Argument: the name of the queue that it went through; only workers send it."""

TASKS: Final = (TASK_ACCEPT, TASK_CONVERGE, TASK_CANARY)

MAX_EVENTS_PER_MESSAGE: Final = 500
"""A message, and one run of a journal script, holds at most as many events."""

DEFAULT_PREFIX: Final = "lw:"
"""Every key in Redis starts with it, Celery's own included."""

NOTIFIED_LIFETIME_MS: Final = 2_000
"""How long a ring counts as pending when nobody clears it: its message may have been lost."""

INTAKE_ENDS: Final = 0.8
"""Share of Redis's maxmemory from which on publishers refuse: the rest is for the workers."""

INTAKE_DEPTH: Final = 50_000
"""Live events in the journal from which on a gateway takes in none, unless it is told another:
some minutes of the workers' time."""

BULK_DEPTH: Final = 100_000
"""The same for bulk events, which nobody waits for: an ISP's customers fit in at once, in about a
tenth of a gigabyte."""


def queue_key(prefix: str, queue: str) -> str:
    """Key of a Celery queue.

    Kind: list of messages, of which workers take the last. Lifetime: none, a worker takes each.
    """
    return f"{prefix}{queue}"


# The intake journal. The publisher writes it, the worker takes from it and its commit deletes the
# entries. The members of both keys of a lane are event keys (`contracts.event_key`).


def journal_body(prefix: str, lane: Lane) -> str:
    """Key of the events themselves.

    Kind: hash, event key -> the event as JSON text. Lifetime: none, an entry lives until the
    commit of its event. Written by the publisher; read and deleted by the worker.
    """
    return f"{prefix}journal:{lane}"


def journal_due(prefix: str, lane: Lane) -> str:
    """Key of when to look at each entry next.

    Kind: sorted set, event key -> milliseconds since 1970 by Redis's clock. Lifetime: as the
    body. Written by the publisher; the worker moves an entry on while it works on it, and deletes
    it with the body.
    """
    return f"{prefix}journal:{lane}:due"


def journal_notified(prefix: str, lane: Lane) -> str:
    """Key of the flag that a message of this lane is pending.

    Kind: string "1". Lifetime: `NOTIFIED_LIFETIME_MS`. Set by whoever rings (the publisher, the
    worker that took a full batch, the sweep); cleared by the worker that finds the journal empty.
    """
    return f"{prefix}journal:{lane}:notified"
