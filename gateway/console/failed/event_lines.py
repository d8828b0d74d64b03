"""An event as lines of text, each problem beside the field that has it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from contracts.parse import encode, pointer
from worker.admin.json_fields import clean

MOST_LINES: Final = 250
"""Lines that are shown. Of a longer event those around problems come first."""
_AROUND: Final = 8
_DEEPEST: Final = 40
"""Deeper than any event may be."""
_LONGEST: Final = 160
"""Characters of a line that are shown."""


class EventLine(NamedTuple):
    """A line of an event.

    Attributes:
        number: from 1 on; 0: some lines are left out here.
        text: with its indentation, printable.
        problems: what is wrong with its field.
    """

    number: int
    text: str
    problems: tuple[str, ...] = ()


def event_lines(event: object, problems: Sequence[Mapping[str, Any]]) -> list[EventLine]:
    """The lines of an event, a bounded number.

    Args:
        event: the object that was read from its JSON, or its text if it is no JSON.
        problems: each with `pointer` and `message`. One of a missing field stands at the object
            that should have it.
    """
    placed = list(_lines_of_text(event) if isinstance(event, str) else _lines(event, "", 0, ""))
    at = {place: number for number, (place, _) in reversed(list(enumerate(placed)))}
    found: dict[int, list[str]] = {}
    for problem in problems:
        place = str(problem["pointer"])
        while place not in at and place:
            place = place.rpartition("/")[0]
        message = f"{problem['pointer'] or 'The event'} {problem['message']}"
        found.setdefault(at.get(place, 0), []).append(clean(message))
    lines = [
        EventLine(number + 1, text, tuple(found.get(number, ())))
        for number, (_, text) in enumerate(placed)
    ]
    return [line._replace(text=_short(line.text)) for line in _chosen(lines)]


def _lines(
    value: object, place: str, depth: int, name: str, end: str = ""
) -> Iterator[tuple[str, str]]:
    """Each line with its JSON pointer; as `json.dumps` with an indentation of two."""
    indent = "  " * depth
    if depth > _DEEPEST:
        yield place, f"{indent}{name}…{end}"
        return
    inner: list[tuple[str | int, str, object]]
    if isinstance(value, dict) and value:
        inner = [(key, f"{encode(key)}: ", child) for key, child in value.items()]
        start, stop = "{", "}"
    elif isinstance(value, list) and value:
        inner = [(number, "", child) for number, child in enumerate(value)]
        start, stop = "[", "]"
    else:
        yield place, f"{indent}{name}{encode(value)}{end}"
        return
    yield place, f"{indent}{name}{start}"
    for number, (step, child_name, child) in enumerate(inner, start=1):
        comma = "," if number < len(inner) else ""
        yield from _lines(child, f"{place}{pointer(step)}", depth + 1, child_name, comma)
    yield f"end of {place}", f"{indent}{stop}{end}"


def _lines_of_text(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines()):
        yield ("" if number == 0 else f"{number}"), line


def _short(text: str) -> str:
    return clean(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …")


def _chosen(lines: Sequence[EventLine]) -> Iterator[EventLine]:
    if len(lines) <= MOST_LINES:
        yield from lines
        return
    wanted = {
        near
        for number, line in enumerate(lines)
        if line.problems
        for near in range(number - _AROUND, number + _AROUND + 1)
    } or set(range(MOST_LINES))
    shown, before = 0, -1
    for number, line in enumerate(lines):
        if number in wanted and shown < MOST_LINES:
            if number != before + 1:
                yield EventLine(0, "")
            yield line
            shown, before = shown + 1, number
    if before + 1 < len(lines):
        yield EventLine(0, "")
