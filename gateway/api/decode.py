"""Reads the events of a request: CloudEvents 1.0 over HTTP, structured, binary or batched.

Pure. The body is decoded once.

Source:
    CloudEvents 1.0.2, HTTP protocol binding, sections 3.1 to 3.3.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final
from urllib.parse import unquote

from contracts.errors import ContractViolation, Problem
from contracts.names import MAX_EVENTS_PER_MESSAGE
from contracts.parse import (
    DECODER,
    MAX_EVENT_BYTES,
    Decoded,
    Document,
    encode,
    read_document,
)
from gateway.api.problems import Refused
from producers.event_input import BrokenText, items_of
from producers.publisher import GivenEvent

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
PLAIN: Final = "application/json"
MAX_BATCH_BYTES: Final = 1024 * 1024
MAX_BATCH_EVENTS: Final = MAX_EVENTS_PER_MESSAGE

_ATTRIBUTE: Final = "ce-"
_REQUIRED: Final = ("specversion", "id", "time")
"""Filled in by other ways to publish. Over HTTP a request is repeated by another process or on
another day: filled in again, it would be another event."""

Given = Document | str
"""An event that was read; its text if it could not be."""


def media_type(headers: Mapping[str, str]) -> str:
    """The content's type, by lower-case header names.

    Raises:
        Refused: it is not supported.
    """
    kind, _, parameters = headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    charset = parameters.strip().lower().replace('"', "")
    plain = headers.get("content-encoding", "identity").strip().lower() == "identity"
    if kind not in {STRUCTURED, BATCHED, PLAIN} or charset not in {"", "charset=utf-8"}:
        message = f"send {STRUCTURED}, {BATCHED} or {PLAIN}, in UTF-8"
        raise Refused("unsupported-media-type", message)
    if not plain:
        raise Refused("unsupported-media-type", "send the body without a content-encoding")
    return kind


def largest(kind: str) -> int:
    """The most bytes that a body of this type may have."""
    return MAX_BATCH_BYTES if kind == BATCHED else MAX_EVENT_BYTES


def events_in(headers: Mapping[str, str], body: bytes) -> list[Given]:
    """Read the events of a request in order; their content is not checked.

    Args:
        headers: by lower-case name.
        body: the raw bytes.

    Raises:
        Refused: there are no events in it, or too many.
    """
    kind = media_type(headers)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Refused("malformed", f"the body is not UTF-8 at byte {error.start}") from None
    if kind == BATCHED:
        return list(_batch(text))
    if kind == PLAIN and "ce-specversion" in headers:
        return [_binary(headers, text)]
    return [_read(text, None)]


def missing_fields(given: GivenEvent, index: int) -> Iterator[tuple[int, Problem]]:
    """The missing fields that nobody may fill in; the contract checks the rest."""
    if not isinstance(given, Document):
        return
    for name in _REQUIRED:
        if name not in given.value:
            yield index, Problem(f"/{name}", "missing", "is missing")


def _read(text: str, decoded: Decoded | None) -> Given:
    try:
        return read_document(decoded or text)
    except ContractViolation:
        return text


def _batch(text: str) -> Iterator[Given]:
    if not text.lstrip().startswith("["):
        raise Refused("malformed", "a batch is a JSON array of events")
    try:
        found = list(islice(items_of(text), MAX_BATCH_EVENTS + 1))
    except BrokenText as error:
        raise Refused("malformed", f"the batch {error}") from None
    if len(found) > MAX_BATCH_EVENTS:
        message = f"a batch has at most {MAX_BATCH_EVENTS} events: send several batches"
        raise Refused("too-large", message)
    for item in found:
        yield _read(item.text, item.decoded)


def _binary(headers: Mapping[str, str], text: str) -> Given:
    event: dict[str, object] = {
        name.removeprefix(_ATTRIBUTE): _attribute(value)
        for name, value in headers.items()
        if name.startswith(_ATTRIBUTE)
    }
    event["datacontenttype"] = PLAIN
    try:
        # By the strict reader, as an event's data: it finds repeated keys and NaN.
        data = read_document(Decoded(text, {"data": DECODER.decode(text)}))
    except (ContractViolation, ValueError, RecursionError):
        raise Refused("malformed", "the body of a binary event is the JSON of its data") from None
    if data.problems:
        problem = data.problems[0]
        raise Refused("malformed", f"the body {problem.message}: {problem.pointer}")
    event |= data.value
    event_text = encode(event)
    return _read(event_text, Decoded(event_text, event))


def _attribute(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return unquote(value)
