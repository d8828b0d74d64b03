"""The text of a line of a service's history: what happened to it, when, and the rest by name."""

import json
from collections.abc import Mapping
from typing import Any, Final

from worker.core.service.record_format import registers_of, short_registers
from worker.core.storage_format import UnknownFormatError, full_type, short_type, to_json

LINE_FORMAT: Final = 2
"""Number of a line's text format: an array that begins with it; the first was an object."""

_AT: Final = ("router", "reason", "detail")
_SYNC: Final = ("router", "wrote", "applied")
_SHAPES: Final[Mapping[str, tuple[str, ...]]] = {
    "accepted": ("event", "type", "changed"),
    "in sync": _SYNC,
    "removed": _SYNC,
    "waiting": _AT,
    "failed": _AT,
    "observed": _AT,
}
"""What is said each time of the things that happen often: kept without its names."""


def line_to_json(at_ms: int, what: str, more: Mapping[str, Any]) -> str:
    """One line: `[2, at_ms, what, …, {the rest}]`, where `…` is what such a line always says.

    Args:
        at_ms: when, in milliseconds since 1970.
        what: happened, such as `accepted` or `in sync`.
        more: the rest; `changed` are registers, `type` the type of an event.
    """
    said = dict(more)
    if "type" in said:
        said["type"] = short_type(said["type"])
    if "changed" in said:
        said["changed"] = short_registers(said["changed"])
    shape = _SHAPES.get(what, ())
    values: list[Any] = [LINE_FORMAT, at_ms, what]
    try:
        values += [said[name] for name in shape]
    except KeyError:  # such a line of another kind: all of it by name
        shape = ()
    if len(said) > len(shape):
        values.append({name: value for name, value in said.items() if name not in shape})
    return to_json(values)


def line_from_json(text: str | bytes) -> dict[str, Any]:
    """What `line_to_json` was given, by name.

    Raises:
        UnknownFormatError: it has another format number.
    """
    raw = json.loads(text)
    if isinstance(raw, dict):  # the first format, as it stands
        return raw
    if raw[0] != LINE_FORMAT:
        raise UnknownFormatError("line of a history", raw[0], LINE_FORMAT)
    _, at_ms, what, *values = raw
    line: dict[str, Any] = {"at_ms": at_ms, "what": what}
    shape = _SHAPES.get(what, ())
    if len(values) >= len(shape):
        line |= zip(shape, values, strict=False)
        values = values[len(shape) :]
    for rest in values:
        line |= rest
    if "type" in line:
        line["type"] = full_type(line["type"])
    if "changed" in line:
        line["changed"] = registers_of(line["changed"])
    return line
