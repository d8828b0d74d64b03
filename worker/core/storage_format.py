"""How texts are stored in Redis: JSON that is short and still readable.

Each text names its format: an array begins with its number, an object has it as `format`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from pydantic_core import PydanticSerializationError
from pydantic_core import to_json as encode

from worker.errors import LeasewireError

_Kept = TypeVar("_Kept")

FIRST_STORE_FORMAT: Final = 1
"""Of version 0.1.0, and of a store that names none."""
_LONGEST: Final = 500
"""Characters of an error that are kept."""
_BEFORE: Final = "leasewire.service."
_AFTER: Final = ".v1"

_strict = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def to_json(value: object) -> str:
    """Write a value in ASCII and without spaces, as `json` does in five times as much time.

    Bytes from a router that are not UTF-8 (surrogates) survive.

    Raises:
        ValueError: a number is none of JSON's: infinite, or not a number.
    """
    try:
        text = encode(value, ensure_ascii=True, inf_nan_mode="constants").decode()
    except PydanticSerializationError:
        return _strict(value)
    return _strict(value) if "NaN" in text or "Infinity" in text else text


def object_in(text: str) -> dict[str, Any]:
    """Return the JSON object in a text, whatever it is; empty if it has none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def printable(text: str) -> str:
    """Return the text with an escape for each byte of a router that is not UTF-8 (a surrogate).

    Texts and names are stored so: neither Redis nor its scripts take such bytes.
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def rfc3339(ms: int) -> str:
    """Return milliseconds since 1970 as RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def in_a_line(error: BaseException | None) -> str:
    """Describe an exception in one line."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return printable(message)[:_LONGEST]


def known_part(kind: Callable[..., _Kept], values: Sequence[Any] | Mapping[str, Any]) -> _Kept:
    """Make a value from the stored fields; those that a newer version added are dropped.

    `kind` is a NamedTuple, or a dataclass where the values have names.
    """
    fields: Any = kind
    known = fields.__match_args__
    if isinstance(values, Mapping):
        return kind(**{k: v for k, v in values.items() if k in known})
    return kind(*values[: len(known)])


class UnknownFormatError(LeasewireError):
    """A text was written by a newer version of Leasewire, in a format that this one cannot read."""

    def __init__(self, what: str, found: object, newest: int) -> None:
        super().__init__(
            f"the {what} has format {found!r}, this version reads up to {newest}: it was written "
            "by a newer version, so run that one everywhere"
        )
        self.found = found


def check_format(what: str, raw: Any, newest: int) -> None:  # noqa: ANN401 - any value of JSON
    """Make sure that a stored text has the one format that this version reads.

    Raises:
        UnknownFormatError: it has another format.
    """
    found = raw.get("format") if isinstance(raw, dict) else raw[0]
    if found != newest:
        raise UnknownFormatError(what, found, newest)


def short_type(type_: str) -> str:
    """Return `resumed` for `leasewire.service.resumed.v1`; other forms stay recognisable."""
    if type_.startswith(_BEFORE) and type_.endswith(_AFTER):
        short = type_[len(_BEFORE) : -len(_AFTER)]
        if short and "." not in short and short[0] != "=":
            return short
    return type_ if not type_ or ("." in type_ and type_[0] != "=") else f"={type_}"


def full_type(short: str) -> str:
    """Reverse `short_type`."""
    if not short or "." in short or short[0] == "=":
        return short[1:] if short[:1] == "=" else short
    return f"{_BEFORE}{short}{_AFTER}"


def without_end(values: list[Any]) -> list[Any]:
    """Remove the empty values at the end of a list: empty texts, 0 and false."""
    while values and not values[-1]:
        values.pop()
    return values
