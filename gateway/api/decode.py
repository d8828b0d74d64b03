"""Finds the events in a request: CloudEvents 1.0 over HTTP, structured, binary or batched.

Pure. Each event's own text is kept where there is one, so that the contract's reader sees it as it
was written.

Source:
    CloudEvents 1.0.2, HTTP protocol binding, sections 3.1 to 3.3.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final
from urllib.parse import unquote

from contracts import ContractViolation, Problem
from contracts.document import MAX_EVENT_BYTES, read_document
from contracts.names import MAX_EVENTS_PER_MESSAGE
from gateway.api.problems import Refused
from producers.event_input import BrokenText, items_of

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
PLAIN: Final = "application/json"
MAX_BATCH_BYTES: Final = 1024 * 1024
MAX_BATCH_EVENTS: Final = MAX_EVENTS_PER_MESSAGE

_ATTRIBUTE: Final = "ce-"
_NOT_FILLED_IN: Final = ("specversion", "id", "time")
"""What other ways in fill in. Over HTTP an attempt is repeated by another process, or another day:
a second guess would be another event."""

Given = Mapping[str, object] | str


def media_type(headers: Mapping[str, str]) -> str:
    """The content's type, by lower-case header names.

    Raises:
        Refused: it is none that is taken here.
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
    """How many bytes a body of this type may have."""
    return MAX_BATCH_BYTES if kind == BATCHED else MAX_EVENT_BYTES


def events_in(headers: Mapping[str, str], body: bytes) -> list[Given]:
    """Find the events of a request, in order; what each says is not looked at.

    Args:
        headers: by lower-case name.
        body: the raw bytes.

    Raises:
        Refused: nothing can be found in it, or too much.
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
    return [text]


def problems_of(given: Given, index: int) -> Iterator[tuple[int, Problem]]:
    """Tell what is missing that no one may guess; the rest is the contract's to judge."""
    try:
        document, _ = read_document(given)
    except ContractViolation:
        return
    for name in _NOT_FILLED_IN:
        if name not in document:
            yield index, Problem(f"/{name}", "missing", "is missing")


def _batch(text: str) -> Iterator[str]:
    if not text.lstrip().startswith("["):
        raise Refused("malformed", "a batch is a JSON array of events")
    try:
        found = list(islice(items_of(text), MAX_BATCH_EVENTS + 1))
    except BrokenText as error:
        raise Refused("malformed", f"the batch {error}") from None
    if len(found) > MAX_BATCH_EVENTS:
        raise Refused("too-large", f"a batch holds at most {MAX_BATCH_EVENTS} events: send several")
    for each in found:
        yield each.text


def _binary(headers: Mapping[str, str], text: str) -> Mapping[str, object]:
    event: dict[str, object] = {
        name.removeprefix(_ATTRIBUTE): _attribute(value)
        for name, value in headers.items()
        if name.startswith(_ATTRIBUTE)
    }
    event["datacontenttype"] = PLAIN
    try:
        # By the strict reader, as an event's data: repeated keys and NaN are found there too.
        document, problems = read_document(f'{{"data":{text}}}')
        json.loads(text)  # no closing bracket in it may end what was opened here
    except (ContractViolation, ValueError, RecursionError):
        raise Refused("malformed", "the body of a binary event is the JSON of its data") from None
    if problems:
        raise Refused("malformed", f"the body {problems[0].message}: {problems[0].pointer}")
    return event | {"data": document["data"]}


def _attribute(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return unquote(value)
