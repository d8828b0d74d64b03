"""Finds the events in a text: one JSON object, a JSON array of them, or one a line (NDJSON).

Each event's own text is kept, so that the contract's reader sees it as it was written, repeated
keys too.
"""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = " \t\r\n"


class Found(NamedTuple):
    """One event's text, and the line on which it starts, from 1."""

    line: int
    text: str


class BrokenText(Exception):  # noqa: N818 - says what it is
    """The text is none of the three forms; where and why is said."""


def find_events(text: str) -> list[Found]:
    """Find the events of a text in order.

    NDJSON is a text of which the first line with something on it is an object by itself. There a
    broken line spoils no other: it is found as an event, for the contract to refuse.

    Raises:
        BrokenText: an array whose items cannot be told apart, or a text with nothing in it.
    """
    if not text.strip():
        raise BrokenText("holds no event: give a JSON object, a JSON array or an object a line")
    if text.lstrip()[0] == "[":
        return list(items_of(text))
    # Not splitlines: JSON texts may hold the other line ends that it knows.
    split = enumerate(text.split("\n"), 1)
    lines = [Found(number, line.strip("\r")) for number, line in split if line.strip()]
    first = lines[0].text.strip()
    if first.startswith("{") and first.endswith("}"):
        return lines
    return [Found(lines[0].line, text)]


def items_of(text: str) -> Iterator[Found]:
    """Find the items of a JSON array, each when it is asked for: a caller can stop early.

    Raises:
        BrokenText: there is none, or the next item cannot be told apart.
    """
    position = _skip(text, text.index("[") + 1)
    if text[position : position + 1] == "]":
        raise BrokenText("is an empty array: give at least one event")
    while True:
        try:
            _, end = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _broken(error.lineno, error.colno, error.msg) from None
        except (RecursionError, ValueError):
            end = len(text)  # too deep, or a number too long: the contract says so
        yield Found(text.count("\n", 0, position) + 1, text[position:end])
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
    return BrokenText(f"is no JSON array (line {line}, column {column}: {why}); mend it")
