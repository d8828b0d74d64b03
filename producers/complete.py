"""Completes events: fills in what follows from the rest, checks them and writes the normal form."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from pydantic_core import to_json as encode

from contracts import (
    ContractViolation,
    Event,
    Problem,
    deterministic_id,
    event_key,
    parse_document,
    to_json,
)
from contracts.envelope import Attributes
from contracts.operator_proof import with_proof
from contracts.parse import MAX_EVENT_BYTES, Document, logins_in, read_document
from contracts.sealing import Sealer, masked_event, sealed_event

GivenEvent = Mapping[str, object] | str | bytes | Event | Document
"""An event as a caller may give it: a mapping, JSON text, a model, or a document that was read."""

_ID_LATER: Final = "id-later"
"""Stands for the id while the event is checked; the id follows from the checked content."""


class CompleteEvent(NamedTuple):
    """An event ready to be sent: complete, valid, in normal form.

    Attributes:
        key: its key in the store.
        event: the JSON object.
        body: the same as text.
    """

    key: str
    event: dict[str, object]
    body: str

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.event["id"])

    @property
    def source(self) -> str:
        """The event's source."""
        return str(self.event["source"])


def proven_event(event: CompleteEvent, secret: str) -> CompleteEvent:
    """Add the proof that its publisher may speak for operators."""
    proven = with_proof(event.event, secret)
    return event._replace(event=proven, body=encode(proven).decode())


def complete_event(
    given: GivenEvent, now: datetime, *, sealer: Sealer | None = None, is_stored: bool = False
) -> CompleteEvent:
    """Fill in what is missing, check the event strictly and write it in normal form.

    `specversion` and `datacontenttype` have one possible value, `subject` follows from the service,
    `time` is now, and `id` follows from the content (`contracts.deterministic_id`). To be able to
    publish again after a failure, give an id, a revision or the time.

    Args:
        given: the event.
        now: the time.
        sealer: seals its passwords.
        is_stored: it is stored as it is now, so its passwords must be sealed.

    Raises:
        ContractViolation: with every problem.
    """
    raw = to_json(given) if isinstance(given, Attributes) else given
    document, problems = read_document(raw)
    document.setdefault("specversion", "1.0")
    document.setdefault("datacontenttype", "application/json")
    if "time" not in document:
        document["time"] = now.isoformat()
    data = document.get("data")
    if "subject" not in document and isinstance(data, dict) and "service_id" in data:
        document["subject"] = f"service/{data['service_id']}"
    elif "subject" not in document and isinstance(data, dict) and "manifest_id" in data:
        document["subject"] = f"inventory/{data['manifest_id']}"
    has_id = "id" in document
    document.setdefault("id", _ID_LATER)
    event = to_json(parse_document(document, problems, now=now))
    has_login = next(logins_in(event), None) is not None
    if not has_id:  # an id tells nothing of a password
        event["id"] = deterministic_id(masked_event(event) if has_login else event)
    if has_login and (sealer is not None or is_stored):
        event, problems = sealed_event(event, sealer)
        if problems:
            raise ContractViolation(problems)
    body = encode(event)
    if len(body) > MAX_EVENT_BYTES:
        message = f"is larger than {MAX_EVENT_BYTES} bytes when complete; send less in one event"
        raise ContractViolation([Problem("", "too-large", message)])
    return CompleteEvent(event_key(str(event["source"]), str(event["id"])), event, body.decode())
