"""Splits a text into events: one JSON object, a JSON array, or one object a line (NDJSON).

Each event keeps its own text, so that the contract reads it as it was written, with repeated keys.
"""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

from contracts.parse import DECODER, Decoded

_SPACE: Final = " \t\r\n"


class EventText(NamedTuple):
    """One event's text.

    Attributes:
        line: on which it starts, from 1.
        text: of the event.
        decoded: the event, if it was decoded to find its end.
    """

    line: int
    text: str
    decoded: Decoded | None = None


class BrokenText(Exception):  # noqa: N818 - says what it is
    """The text has none of the three forms; the message says where and why."""


def find_events(text: str) -> list[EventText]:
    """Split a text into events, in order.

    A text is NDJSON if its first non-empty line is an object by itself. A broken line of NDJSON
    does not affect the others: it is returned like an event, and the contract refuses it.

    Raises:
        BrokenText: the text is empty, or is an array whose items cannot be separated.
    """
    if not text.strip():
        raise BrokenText("holds no event: give a JSON object, a JSON array or an object a line")
    if text.lstrip()[0] == "[":
        return list(items_of(text))
    # Not splitlines: JSON strings may hold other characters that it takes for line ends.
    split = enumerate(text.split("\n"), 1)
    lines = [EventText(number, line.strip("\r")) for number, line in split if line.strip()]
    first = lines[0].text.strip()
    if first.startswith("{") and first.endswith("}"):
        return lines
    return [EventText(lines[0].line, text)]


def items_of(text: str) -> Iterator[EventText]:
    """Yield the items of a JSON array, one at a time.

    Raises:
        BrokenText: the array is empty, or the next item cannot be separated.
    """
    position = _skip(text, text.index("[") + 1)
    if text[position : position + 1] == "]":
        raise BrokenText("is an empty array: give at least one event")
    while True:
        decoded = None
        try:
            value, end = DECODER.raw_decode(text, position)
            decoded = Decoded(text[position:end], value)
        except json.JSONDecodeError as error:
            raise _broken(error.lineno, error.colno, error.msg) from None
        except (RecursionError, ValueError):
            end = len(text)  # too deep, or a number too long: the contract reports it
        yield EventText(text.count("\n", 0, position) + 1, text[position:end], decoded)
        position = _skip(text, end)
        follows = text[position : position + 1]
        if follows == "]" and not text[position + 1 :].strip(_SPACE):
            return
        if follows != ",":
            line = text.count("\n", 0, position) + 1
            raise _broken(line, position - text.rfind("\n", 0, position), "expecting ',' or ']'")
        position = _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _broken(line: int, column: int, why: str) -> BrokenText:
    return BrokenText(f"is no JSON array (line {line}, column {column}: {why}); correct it")
