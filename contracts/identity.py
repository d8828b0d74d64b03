"""What makes two events the same: hashes and names computed from an event as it was received.

Pure functions of JSON values.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID, uuid5

NAMESPACE: Final = UUID("c1fd626c-e01a-59e3-9b5e-ee6705b482b3")
"""Of the ids that `deterministic_id` gives (uuid5 of `urn:leasewire:event-id`). Never to change."""


class Hashes(NamedTuple):
    """What `content_hash` and `version_hash` say of an event."""

    content: str
    version: str


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def canonical_json(value: object) -> bytes:
    """Encode a JSON value in one way only: sorted keys, no spaces, UTF-8."""
    if value is None:  # the time of an event that is counted, each time
        return b"null"
    # Half a surrogate pair is no text, but a hash must not fail on what it is given.
    return _canonical(value).encode("utf-8", "surrogatepass")


def _digest(*values: object) -> str:
    return _digest_of_parts(map(canonical_json, values))


def _digest_of_parts(parts: Iterable[bytes]) -> str:
    return sha256(b"[" + b",".join(parts) + b"]").hexdigest()


def content_hash(raw_event: Mapping[str, object]) -> str:
    """Hash what an event says: 64 hex characters over its type, subject, time and data.

    Two events of one (source, id): the same hash is a duplicate, another one an id used twice.
    With a `revision`, which orders it, the time is left out: a publisher that sends the event
    again may stamp it anew.
    """
    return hashes(raw_event).content


def version_hash(raw_event: Mapping[str, object]) -> str:
    """Hash type and data: 16 hex characters, the last part of a version.

    It decides between events of equal revision in the same way on every worker.
    """
    return hashes(raw_event).version


def hashes(raw_event: Mapping[str, object]) -> Hashes:
    """Both at once: the data, most of an event, is encoded once."""
    data = raw_event.get("data")
    counted = isinstance(data, Mapping) and data.get("revision") is not None
    time = None if counted else raw_event.get("time")
    said = (raw_event.get("type"), raw_event.get("subject"), time, data)
    type_, subject, moment, encoded = map(canonical_json, said)
    return Hashes(
        _digest_of_parts((type_, subject, moment, encoded)),
        _digest_of_parts((type_, encoded))[:16],
    )


def event_key(source: str, event_id: str) -> str:
    """Name an event in the store: 24 hex characters over its source and id."""
    return _digest(source, event_id)[:24]


def deterministic_id(raw_event: Mapping[str, object]) -> str:
    """Give an event that has no id one that a second attempt to publish it gets again.

    With a `revision` the id depends on source, type, service and revision; without one on data
    and time too.
    """
    data = raw_event.get("data")
    fields = data if isinstance(data, Mapping) else {}
    revision = fields.get("revision")
    last = _digest(data, raw_event.get("time")) if revision is None else revision
    parts = (raw_event.get("source"), raw_event.get("type"), fields.get("service_id"), last)
    return str(uuid5(NAMESPACE, "|".join(str(part) for part in parts)))
