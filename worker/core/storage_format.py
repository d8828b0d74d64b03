"""How texts that are kept in Redis are spelt: JSON as short as it may be and still be read.

Each text tells its format: an array begins with its number; an object has it as `format`, or is of
the first one.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from worker.errors import LeasewireError

_Kept = TypeVar("_Kept")

_LONGEST: Final = 500
"""Of what an error says."""
_BEFORE: Final = "leasewire.service."
_AFTER: Final = ".v1"

to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""Writes values with no space between them. Bytes that a router gave (surrogates) survive."""


def printable(text: str) -> str:
    """The text with an escape in place of each byte of a router that is no UTF-8 (a surrogate).

    People's words and names in Redis are kept so: neither Redis nor its scripts take such bytes.
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def in_a_line(error: BaseException | None) -> str:
    """What was raised, for people."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return printable(message)[:_LONGEST]


def known_part(kind: Callable[..., _Kept], values: Sequence[Any] | Mapping[str, Any]) -> _Kept:
    """One of the fields of which it was written; those that a newer version added are dropped.

    Args:
        kind: a NamedTuple, or a dataclass where the values have names.
        values: as JSON gives them.
    """
    if isinstance(values, Mapping):
        known: Any = kind
        return kind(**{k: v for k, v in values.items() if k in known.__match_args__})
    fields: Any = kind
    return kind(*values[: len(fields.__match_args__)])


class UnknownFormatError(LeasewireError):
    """A text was written by a version of Leasewire that this one cannot read."""

    def __init__(self, what: str, found: object, newest: int) -> None:
        super().__init__(
            f"the {what} has format {found!r}, this version reads up to {newest}: it was written "
            "by a newer version, so run that one everywhere"
        )
        self.found = found


def short_type(type_: str) -> str:
    """`resumed` of `leasewire.service.resumed.v1`; what has another form stays told apart."""
    if type_.startswith(_BEFORE) and type_.endswith(_AFTER):
        short = type_[len(_BEFORE) : -len(_AFTER)]
        if short and "." not in short and short[0] != "=":
            return short
    return type_ if not type_ or ("." in type_ and type_[0] != "=") else f"={type_}"


def full_type(short: str) -> str:
    """The reverse of `short_type`."""
    if not short or "." in short or short[0] == "=":
        return short[1:] if short[:1] == "=" else short
    return f"{_BEFORE}{short}{_AFTER}"


def without_end(values: list[Any]) -> list[Any]:
    """The list up to its last value that says something: no empty text, no 0, not false."""
    while values and not values[-1]:
        values.pop()
    return values
