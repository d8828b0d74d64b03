"""Reads events and reports all their problems; writes events in normal form.

It makes the checks that a model cannot: between envelope and data, and against the current time.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.envelope import Envelope
from contracts.errors import ContractViolation, Problem
from contracts.events import EVENT_TYPES, AnyEvent
from contracts.values import parse_time

MAX_CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours a source's clock may be."""
HORIZON: Final = timedelta(days=400)
"""How far ahead an event may be scheduled."""


def parse_event(
    raw: bytes | str | Mapping[str, object], *, strict: bool = True, now: datetime | None = None
) -> AnyEvent:
    """Read an event.

    Args:
        raw: the event as JSON text, or as the mapping read from it.
        strict: refuse unknown fields of `data`, as gateway and publisher do. The worker ignores
            them, so that it can run together with a newer publisher.
        now: with a time zone; `time` and `effective_at` are checked against it if given.

    Raises:
        ContractViolation: with every problem.
    """
    document, problems = read_document(raw)
    return parse_document(document, problems, strict=strict, now=now)


def parse_document(
    document: dict[str, object],
    problems: Iterable[Problem] = (),
    *,
    strict: bool = True,
    now: datetime | None = None,
) -> AnyEvent:
    """Read an event from the JSON object that `read_document` returned, as `parse_event` does.

    Args:
        document: made of JSON types only.
        problems: found in it before.
        strict: as for `parse_event`.
        now: as for `parse_event`.
    """
    problems = list(problems)
    type_ = document.get("type")
    model = EVENT_TYPES.get(type_) if isinstance(type_, str) else None
    event: AnyEvent | None = None
    try:
        if model is None:
            problems.extend(_of_unsupported_type(document))
        else:
            event = model.model_validate(document, extra=None if strict else "ignore")
    except ValidationError as error:
        problems.extend(_problem(details) for details in error.errors())
    problems.extend(_disagreements(document))
    if now is not None:
        problems.extend(_against_time(document, event, now))
    if event is None or problems:
        raise ContractViolation(problems)
    return event


def to_json(event: AnyEvent) -> dict[str, object]:
    """Return an event as a JSON object in normal form.

    MAC addresses, IP addresses and times have one spelling, null fields are left out, and unknown
    extension attributes are kept.
    """
    return event.model_dump(mode="json", exclude_none=True)


def _of_unsupported_type(document: dict[str, object]) -> Iterator[Problem]:
    """Check the envelope, and report the type."""
    try:
        Envelope.model_validate(document, extra="ignore")
    except ValidationError as error:
        for problem in map(_problem, error.errors()):
            if not problem.pointer.startswith("/data/"):
                yield problem
    if isinstance(document.get("type"), str):
        known = ", ".join(EVENT_TYPES)
        yield Problem("/type", "unsupported-type", f"is not a supported type; supported: {known}")


def _disagreements(document: dict[str, object]) -> Iterator[Problem]:
    subject, data = document.get("subject"), document.get("data")
    service_id = data.get("service_id") if isinstance(data, dict) else None
    both_given = isinstance(subject, str) and isinstance(service_id, str)
    if both_given and subject != f"service/{service_id}":
        message = "must be service/ followed by data.service_id"
        yield Problem("/subject", "subject-disagrees", message)
    manifest_id = data.get("manifest_id") if isinstance(data, dict) else None
    of_manifest = isinstance(subject, str) and isinstance(manifest_id, str) and service_id is None
    if of_manifest and subject != f"inventory/{manifest_id}":
        message = "must be inventory/ followed by data.manifest_id"
        yield Problem("/subject", "subject-disagrees", message)


def _against_time(
    document: dict[str, object], event: AnyEvent | None, now: datetime
) -> Iterator[Problem]:
    time = _time_or_none(document.get("time")) if event is None else event.time
    if time is not None and time > now + MAX_CLOCK_SKEW:
        message = "is more than 5 minutes in the future; correct the clock or the time zone"
        yield Problem("/time", "time-in-future", message)
    data = document.get("data")
    effective_at = _time_or_none(data.get("effective_at")) if isinstance(data, dict) else None
    if effective_at is not None and effective_at > now + HORIZON:
        message = "is more than 400 days ahead; correct it, or send the event later"
        yield Problem("/data/effective_at", "beyond-horizon", message)


def _time_or_none(value: object) -> datetime | None:
    try:
        return None if value is None else parse_time(value)
    except ValueError:
        return None  # the model reports it


_MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "missing": ("missing", "is missing"),
    "union_tag_not_found": ("missing", "is missing"),
    "device_missing": ("missing", "is missing; or give circuit_id or remote_id (option 82)"),
    "extra_forbidden": (
        "unknown-field",
        "is not a field of this event; remove it or correct its name",
    ),
    "none_required": ("not-allowed", "is not allowed in this event; remove it"),
    "literal_error": ("not-allowed", "must be {expected}"),
    "union_tag_invalid": ("not-allowed", "must be {expected_tags}"),
    "string_type": ("wrong-type", "must be text"),
    "int_type": ("wrong-type", "must be a whole number"),
    "tuple_type": ("wrong-type", "must be a list"),
    "model_type": ("wrong-type", "must be an object"),
    "model_attributes_type": ("wrong-type", "must be an object"),
    "string_pattern_mismatch": ("wrong-format", "must match {pattern}"),
    "string_too_short": ("too-short", "must have at least {min_length} characters"),
    "string_too_long": ("too-long", "must have at most {max_length} characters"),
    "too_long": ("too-long", "must have at most {max_length} items"),
    "greater_than_equal": ("out-of-range", "must be at least {ge}"),
    "less_than_equal": ("out-of-range", "must be at most {le}"),
}
"""Code and message for what pydantic finds. Its own messages may show the rejected value."""


_UNIONS: Final = frozenset({"address", "previous_address", "prefix"})
"""Fields whose `mode` selects their model."""


def _problem(details: ErrorDetails) -> Problem:
    path = list(details["loc"])
    # Pydantic adds the chosen member of a union to the path.
    path = [step for before, step in zip(["", *path], path, strict=False) if before not in _UNIONS]
    kind = details["type"]
    if kind.startswith("union_tag_"):
        path.append("mode")
    if kind in _MESSAGES:
        code, message = _MESSAGES[kind]
        message = message.format(**details.get("ctx", {}))
    elif "-" in kind:  # one of our own (contracts/values.py, service.py)
        code, message = kind, details["msg"]
    else:
        code, message = "invalid", "is not valid"
    return Problem(pointer(*path), code, message)


MAX_EVENT_BYTES: Final = 64 * 1024
"""The size up to which every CloudEvents intermediary must forward events."""
MAX_DEPTH: Final = 32
"""Nested objects and lists; our own events need five levels."""


class _Repeated(dict[str, object]):
    """An object in which some keys occur more than once; the last value counts."""

    repeated_keys: list[str]


def logins_in(event: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the logins of devices in an event as JSON, each with its JSON pointer."""
    data = event.get("data")
    service = data.get("service") if isinstance(data, dict) else None
    for place, holder in (("/data", data), ("/data/service", service)):
        login = holder.get("ppp") if isinstance(holder, dict) else None
        if isinstance(login, dict):
            yield f"{place}/ppp", login


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = _Repeated(found)
    counts = Counter(name for name, _ in pairs)
    repeated.repeated_keys = [name for name, count in counts.items() if count > 1]
    return repeated


DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)
"""Keeps which keys of an object were repeated."""
encode: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def pointer(*path: str | int) -> str:
    """Write an RFC 6901 JSON pointer."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


class Decoded(NamedTuple):
    """JSON that `DECODER` has decoded before: its text and its value."""

    text: str
    value: object


class Document(NamedTuple):
    """The JSON object of an event, made of JSON types only, and the problems found in it."""

    value: dict[str, object]
    problems: list[Problem]


def read_document(raw: bytes | str | Mapping[str, object] | Decoded | Document) -> Document:
    """Read the JSON of an event, or take a mapping as if it had been written as JSON.

    What was read or decoded before is not decoded again.

    Raises:
        ContractViolation: it is not a JSON object.
    """
    if isinstance(raw, Document):
        return raw
    try:
        text = raw.text if isinstance(raw, Decoded) else _text(raw)
        if len(text.encode()) > MAX_EVENT_BYTES:
            _refuse("too-large", f"is larger than {MAX_EVENT_BYTES} bytes; send less in one event")
        document = raw.value if isinstance(raw, Decoded) else DECODER.decode(text)
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeError:
        _refuse(
            "malformed-json", "is not UTF-8 or holds half a surrogate pair; correct its encoding"
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}: {error.msg}"
        _refuse("malformed-json", f"is not JSON ({place}); correct it")
    except RecursionError:
        _refuse("too-deep", f"is nested deeper than {MAX_DEPTH} levels; flatten it")
    except (TypeError, ValueError):
        _refuse("malformed-json", "cannot be written or read as JSON; use JSON types only")
    if not isinstance(document, dict):
        _refuse("wrong-type", "must be a JSON object")
    return Document(document, list(_problems(document)))


def _text(raw: bytes | str | Mapping[str, object]) -> str:
    match raw:
        case bytes():
            return raw.decode()
        case str():
            return raw
        case _:
            return encode(dict(raw))


def _refuse(code: str, message: str) -> NoReturn:
    raise ContractViolation([Problem("", code, message)]) from None


_CHECKED: Final = frozenset({dict, list, float, _Repeated})


def _problems(document: dict[str, object]) -> Iterator[Problem]:
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    for path, value in todo:  # grows while it is read: outer levels first
        if isinstance(value, float):
            if not math.isfinite(value):
                yield Problem(pointer(*path), "not-finite", "is not a finite number; correct it")
            continue
        if len(path) == MAX_DEPTH:
            message = f"is nested deeper than {MAX_DEPTH} levels; flatten it"
            yield Problem(pointer(*path), "too-deep", message)
            continue
        if isinstance(value, _Repeated):
            message = "occurs more than once; give it once"
            for name in value.repeated_keys:
                yield Problem(pointer(*path, name), "duplicate-key", message)
        for step, child in value.items() if isinstance(value, dict) else enumerate(value):
            if type(child) in _CHECKED:
                todo.append(((*path, step), child))
