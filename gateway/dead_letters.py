"""Retries, corrects and discards dead letters, for commands, API and console.

An event is in the journal before its dead letter goes: a crash in between leaves a dead letter too
many, never an event too few. Retried once more, the event is a duplicate.
"""

import difflib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import uuid5

from contracts.errors import ContractViolation, Problem
from contracts.identity import NAMESPACE, content_hash
from contracts.parse import Document, read_document
from gateway.hooks.inbox import Inbox, retry_dead_letter
from producers.errors import BatchViolation
from producers.publisher import GivenEvent, Publisher
from producers.transport import CompleteEvent
from worker.core.service.outcome import DeadLetter
from worker.store.dead_letters import audit_detail
from worker.store.store import Store

_CHANGED: Final = "it failed again or was settled meanwhile: look at it again"


class CheckResult(NamedTuple):
    """An event ready to be published, or everything that is wrong with it.

    Attributes:
        event: None: it has problems.
        problems: each with its place.
    """

    event: CompleteEvent | None
    problems: tuple[Problem, ...] = ()


def retry(  # noqa: PLR0913 - who does what, and why
    store: Store,
    publisher: Publisher,
    dead_letter: DeadLetter,
    actor: str,
    why: str = "",
    *,
    audit: bool = True,
) -> str:
    """Try a dead letter again.

    Args:
        store: the store.
        publisher: publishes its event.
        dead_letter: as it was read.
        actor: the person who retries it.
        why: in the person's words.
        audit: record it in the audit trail; False: the caller records it, as one of many.

    Returns:
        Why it cannot be retried; empty if it was.

    Raises:
        PublishFailed: the event could not be written to the journal; the dead letter stays.
    """
    settle = partial(_settle, store, dead_letter, "retried", actor, why=why, audit=audit)
    if dead_letter.kind == "service":
        store.routers.add_work(dead_letter.router, [dead_letter.service_id])
        # If the service fails again, it gets a new dead letter. A pass may be done with it by now:
        # then the dead letter has gone, and the retry is recorded here.
        if settle(router=dead_letter.router) and audit:
            detail = audit_detail(dead_letter, why)
            store.audit.record(actor, "dead_letter.retried", dead_letter.id, detail)
        return ""
    if dead_letter.kind == "hook":
        refusal = retry_dead_letter(Inbox(store.client, store.keys.prefix), dead_letter.body)
        return refusal or settle()
    if dead_letter.reason == "event-id-reused":
        return "another event has its id: give it a new one with `dead-letters edit`"
    event, problems = check(publisher, dead_letter.body)
    if event is None:
        return f"it is still invalid, so correct it with `dead-letters edit`: {joined(problems)}"
    publisher.write([event])
    settle(event=event.id)
    return ""


def discard(
    store: Store, dead_letter: DeadLetter, actor: str, why: str = "", *, audit: bool = True
) -> str:
    """Delete a dead letter for good; `audit` is as for `retry`.

    Returns:
        Why it was not deleted; empty if it was.
    """
    return _settle(store, dead_letter, "discarded", actor, why=why, audit=audit)


def check(publisher: Publisher, event: GivenEvent) -> CheckResult:
    """Check an event as it would be published now."""
    try:
        return CheckResult(publisher.check([event])[0])
    except BatchViolation as violation:
        return CheckResult(None, tuple(problem for _, problem in violation.problems))


def joined(problems: Sequence[Problem]) -> str:
    """All problems as one text."""
    return "; ".join(map(str, problems))


def correct(
    publisher: Publisher, dead_letter: DeadLetter, event: str | Mapping[str, object]
) -> CheckResult:
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
        return CheckResult(None, (Problem("", "not-an-event", message),))
    try:
        given = read_document(event)
    except ContractViolation as violation:
        return CheckResult(None, violation.problems)
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


def publish_correction(  # noqa: PLR0913, PLR0917 - as `retry`, and what is published
    store: Store,
    publisher: Publisher,
    dead_letter: DeadLetter,
    corrected: CompleteEvent,
    actor: str,
    why: str = "",
) -> None:
    """Publish a corrected event, then remove the dead letter; one that failed again stays.

    Raises:
        PublishFailed: the event could not be written to the journal; the dead letter stays.
    """
    publisher.write([corrected])
    _settle(store, dead_letter, "edited", actor, why=why, event=corrected.id)


class SettlingStep(NamedTuple):
    """How far one step of settling many dead letters came.

    Attributes:
        done: how many were settled.
        kept: how many could not be.
        message: why the first of those could not be.
        tried: how many were looked at.
    """

    done: int
    kept: int
    message: str
    tried: int


def settle_for_a_while(
    store: Store,
    dead_letters: Sequence[DeadLetter],
    settle: Callable[[DeadLetter], str],
    seconds: float,
) -> SettlingStep:
    """Settle dead letters one by one until the time is over; what failed again meanwhile is left.

    Args:
        store: the store.
        dead_letters: as they were listed.
        settle: settles one; returns why it could not.
        seconds: about how long. At least one is tried.
    """
    ends = time.monotonic() + seconds
    done = kept = tried = 0
    message = ""
    for shown in dead_letters:
        tried += 1
        dead_letter = store.views.dead_letter(shown.id)
        if dead_letter is not None and dead_letter.at_ms == shown.at_ms:
            refusal = settle(dead_letter)
            done += not refusal
            kept += bool(refusal)
            message = message or refusal
        if time.monotonic() >= ends:
            break
    return SettlingStep(done, kept, message, tried)


def _object_of(text: str) -> dict[str, Any]:
    """The JSON object of an event; empty if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _settle(  # noqa: PLR0913 - as `retry`
    store: Store,
    dead_letter: DeadLetter,
    what: str,
    actor: str,
    *,
    why: str,
    audit: bool = True,
    **more: object,
) -> str:
    now_ms = store.records.now_ms()
    more |= {"why": why} if why else {}
    done = store.dead_letters.settle(dead_letter, what, actor, now_ms, audit=audit, **more)
    return "" if done else _CHANGED
