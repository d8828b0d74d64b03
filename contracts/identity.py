"""Identity of events: keys and hashes, computed from the event as it was received."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID, uuid5

NAMESPACE: Final = UUID("c1fd626c-e01a-59e3-9b5e-ee6705b482b3")
"""Namespace of `deterministic_id` (uuid5 of `urn:leasewire:event-id`). It must never change."""


class Hashes(NamedTuple):
    """`content_hash` and `version_hash` of an event."""

    content: str
    version: str


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def canonical_json(value: object) -> bytes:
    """Encode a JSON value in canonical form: sorted keys, no spaces, UTF-8."""
    if value is None:  # the time of an event with a revision: very often
        return b"null"
    # Half a surrogate pair is no valid text, but hashing must not fail.
    return _canonical(value).encode("utf-8", "surrogatepass")


def _digest(*values: object) -> str:
    return _digest_of_parts(map(canonical_json, values))


def _digest_of_parts(parts: Iterable[bytes]) -> str:
    return sha256(b"[" + b",".join(parts) + b"]").hexdigest()


def content_hash(raw_event: Mapping[str, object]) -> str:
    """Hash the content of an event: 64 hex characters for type, subject, time and data.

    Of two events with the same source and id, equal hashes mean a duplicate, different hashes a
    reused id. With a `revision` the time is left out, because a publisher may give an event another
    time when it sends it again.
    """
    return hashes(raw_event).content


def version_hash(raw_event: Mapping[str, object]) -> str:
    """Hash type and data: 16 hex characters, the last part of a version.

    It decides between events of the same revision, in the same way on every worker.
    """
    return hashes(raw_event).version


def hashes(raw_event: Mapping[str, object]) -> Hashes:
    """Compute both hashes, and encode the data, most of the event, only once."""
    data = raw_event.get("data")
    has_revision = isinstance(data, Mapping) and data.get("revision") is not None
    time_or_none = None if has_revision else raw_event.get("time")
    content = (raw_event.get("type"), raw_event.get("subject"), time_or_none, data)
    type_, subject, time, encoded = map(canonical_json, content)
    return Hashes(
        _digest_of_parts((type_, subject, time, encoded)),
        _digest_of_parts((type_, encoded))[:16],
    )


def event_key(source: str, event_id: str) -> str:
    """Return the key of an event in the store: 24 hex characters for source and id."""
    return _digest(source, event_id)[:24]


def deterministic_id(raw_event: Mapping[str, object]) -> str:
    """Return an id that is the same when the event is published again.

    With a `revision` it depends on source, type, service and revision; without one also on data and
    time.
    """
    data = raw_event.get("data")
    fields = data if isinstance(data, Mapping) else {}
    revision = fields.get("revision")
    last = _digest(data, raw_event.get("time")) if revision is None else revision
    parts = (raw_event.get("source"), raw_event.get("type"), fields.get("service_id"), last)
    return str(uuid5(NAMESPACE, "|".join(str(part) for part in parts)))
