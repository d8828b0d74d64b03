"""Reads the JSON of an event more strictly than the `json` module does.

It refuses JSON that two readers may understand differently (repeated keys, NaN, half a surrogate
pair), and documents that are too large or too deep, each with a JSON pointer.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from contracts.errors import ContractViolation, Problem

MAX_EVENT_BYTES: Final = 64 * 1024
"""The size up to which every CloudEvents intermediary must forward events."""
MAX_DEPTH: Final = 32
"""Nested objects and lists; our own events need five levels."""


class _Repeated(dict[str, object]):
    """An object in which some keys occur more than once; the last value counts."""

    repeated_keys: list[str]


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
