"""Retries, corrects and discards dead letters, for commands, API and console.

An event is in the journal before its dead letter goes: a crash in between leaves a dead letter too
many, never an event too few. Retried once more, the event is a duplicate.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid5

from contracts import ContractViolation, Problem, content_hash
from contracts.identity import NAMESPACE
from contracts.parse import Document, read_document
from gateway.hooks.inbox import Inbox, retry_dead_letter
from producers.complete import CompleteEvent, GivenEvent
from producers.errors import BatchViolation
from producers.publisher import Publisher
from worker.core.service.outcome import DeadLetter
from worker.store.store import Store

_CHANGED: Final = "it failed again or was settled meanwhile: look at it again"


class Checked(NamedTuple):
    """An event ready to be published, or everything that is wrong with it.

    Attributes:
        event: None: it has problems.
        problems: each with its place.
    """

    event: CompleteEvent | None
    problems: tuple[Problem, ...] = ()


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
    event, problems = check(publisher, dead_letter.body)
    if event is None:
        return f"it is still invalid, so correct it with `dead-letters edit`: {joined(problems)}"
    publisher.write([event])
    _settle(store, dead_letter, actor, event=event.id)
    return ""


def discard(store: Store, dead_letter: DeadLetter, actor: str) -> str:
    """Delete a dead letter for good.

    Returns:
        Why it was not deleted; empty if it was.
    """
    now_ms = store.records.now_ms()
    done = store.dead_letters.settle(dead_letter, "discarded", actor, now_ms)
    return "" if done else _CHANGED


def check(publisher: Publisher, event: GivenEvent) -> Checked:
    """Check an event as it would be published now."""
    try:
        return Checked(publisher.check([event])[0])
    except BatchViolation as violation:
        return Checked(None, tuple(problem for _, problem in violation.problems))


def joined(problems: Sequence[Problem]) -> str:
    """All problems as one text."""
    return "; ".join(map(str, problems))


def correct(
    publisher: Publisher, dead_letter: DeadLetter, event: str | Mapping[str, object]
) -> Checked:
    """Check the correction of a dead letter's event.

    It gets a new id, and the old one as its causationid. The same correction twice is the same
    event, should it be published again after a failure.

    Args:
        publisher: checks it.
        dead_letter: of kind `event`.
        event: the whole event, as JSON or as the object read from it.
    """
    if dead_letter.kind != "event":
        message = (
            "cannot be edited: only events can. Publish an event that corrects the service, or "
            "correct hooks.toml and retry it"
        )
        return Checked(None, (Problem("", "not-an-event", message),))
    try:
        given = read_document(event)
    except ContractViolation as violation:
        return Checked(None, violation.problems)
    document = {name: value for name, value in given.value.items() if name != "id"}
    old_id = _object_of(dead_letter.body).get("id")
    if isinstance(old_id, str):
        document["causationid"] = old_id
    checked = check(publisher, Document(dict(document), given.problems))
    if checked.event is None:
        return checked
    document["id"] = str(uuid5(NAMESPACE, f"{dead_letter.id}|{content_hash(document)}"))
    return check(publisher, document)


def difference(dead_letter: DeadLetter, corrected: CompleteEvent) -> list[str]:
    """The lines of a unified diff from the event as received to the corrected one."""
    received: object = _object_of(dead_letter.body)
    before = json.dumps(received, indent=2) if received else dead_letter.body
    after = json.dumps(corrected.event, indent=2)
    sides = before.splitlines(), after.splitlines()
    return list(difflib.unified_diff(*sides, "as received", "corrected", lineterm="", n=2))


def publish_correction(
    store: Store,
    publisher: Publisher,
    dead_letter: DeadLetter,
    corrected: CompleteEvent,
    actor: str,
) -> None:
    """Publish a corrected event, then remove the dead letter; one that failed again stays.

    Raises:
        PublishFailed: the event could not be written to the journal; the dead letter stays.
    """
    publisher.write([corrected])
    now_ms = store.records.now_ms()
    store.dead_letters.settle(dead_letter, "edited", actor, now_ms, event=corrected.id)


def _object_of(text: str) -> dict[str, Any]:
    """The JSON object of an event; empty if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _settle(store: Store, dead_letter: DeadLetter, actor: str, **more: object) -> str:
    now_ms = store.records.now_ms()
    done = store.dead_letters.settle(dead_letter, "retried", actor, now_ms, **more)
    return "" if done else _CHANGED
