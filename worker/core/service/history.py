"""The stored text of one line of a service's history."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from worker.core.service.record_format import REGISTER_CODES, REGISTERS
from worker.core.storage_format import check_format, full_type, short_type, to_json

LINE_FORMAT: Final = 2
"""Number of the format, with which each line begins."""

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
"""The fields of frequent lines, which are stored without their names."""


def line_to_json(at_ms: int, what: str, more: Mapping[str, Any]) -> str:
    """Write one line: `[2, at_ms, what, …, {the rest}]`, where `…` are the fields of `_SHAPES`.

    `more` is the rest: its `changed` are registers, its `type` is the type of an event.
    """
    fields = dict(more)
    if "changed" in fields:
        fields["changed"] = _short(fields["changed"])
    if "type" in fields:
        fields["type"] = short_type(fields["type"])
    shape = _SHAPES.get(what, ())
    values: list[Any] = [LINE_FORMAT, at_ms, what]
    try:
        values += [fields[name] for name in shape]
    except KeyError:  # such a line of another kind: all of it by name
        shape = ()
    if len(fields) > len(shape):
        values.append({name: value for name, value in fields.items() if name not in shape})
    return to_json(values)


def _short(registers: Collection[str]) -> str | list[str]:
    if all(name in REGISTER_CODES for name in registers):
        return "".join(REGISTER_CODES[name] for name in registers)
    return list(registers)


def line_from_json(text: str | bytes) -> dict[str, Any]:
    """Read what `line_to_json` was given, by name.

    Raises:
        UnknownFormatError: it has another format.
    """
    raw = json.loads(text)
    check_format("line of a history", raw, LINE_FORMAT)
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
        changed = line["changed"]
        line["changed"] = (
            [REGISTERS[code] for code in changed] if isinstance(changed, str) else changed
        )
    return line
