"""Retries and discards dead letters, for commands and the API.

An event is in the journal before its dead letter goes: a crash in between leaves a dead letter too
many, never an event too few. Retried once more, the event is a duplicate.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.hooks.inbox import Inbox, retry_dead_letter
from producers.complete import CompleteEvent
from producers.errors import BatchViolation
from producers.publisher import Publisher
from worker.core.service.outcome import DeadLetter
from worker.store.store import Store

_CHANGED: Final = "it failed again or was settled meanwhile: look at it again"


def retry(store: Store, publisher: Publisher, dead_letter: DeadLetter, actor: str) -> str:
    """Try a dead letter again.

    Returns:
        Why it cannot be retried; empty if it was.

    Raises:
        PublishFailed: the event could not be written to the journal; the dead letter stays.
    """
    if dead_letter.kind == "service":
        store.routers.add_work(dead_letter.router, [dead_letter.service_id])
        # If the service fails again, it gets a new dead letter.
        return _settle(store, dead_letter, actor, router=dead_letter.router)
    if dead_letter.kind == "hook":
        refusal = retry_dead_letter(Inbox(store.client, store.keys.prefix), dead_letter.body)
        return refusal or _settle(store, dead_letter, actor)
    if dead_letter.reason == "event-id-reused":
        return "another event has its id: give it a new one with `dead-letters edit`"
    stamped = checked(publisher, dead_letter.body)
    if isinstance(stamped, str):
        return f"it is still invalid, so correct it with `dead-letters edit`: {stamped}"
    publisher.write([stamped])
    _settle(store, dead_letter, actor, event=stamped.id)
    return ""


def discard(store: Store, dead_letter: DeadLetter, actor: str) -> str:
    """Delete a dead letter for good.

    Returns:
        Why it was not deleted; empty if it was.
    """
    now_ms = store.records.now_ms()
    done = store.dead_letters.settle(dead_letter, "discarded", actor, now_ms)
    return "" if done else _CHANGED


def checked(publisher: Publisher, event: Mapping[str, Any] | str) -> CompleteEvent | str:
    """The event ready to be published, or everything that is wrong with it."""
    try:
        return publisher.check([event])[0]
    except BatchViolation as violation:
        return str(violation)


def _settle(store: Store, dead_letter: DeadLetter, actor: str, **more: object) -> str:
    now_ms = store.records.now_ms()
    done = store.dead_letters.settle(dead_letter, "retried", actor, now_ms, **more)
    return "" if done else _CHANGED
