"""Kinds of values: what the router accepts as text and how it gives it back.

A kind turns an argument into the stored form (`parse`) and the stored form into what
is read (`show`). References are stored as ids, so that a renamed row is followed and a
removed one leaves a dangling id (LAB 7.23.7).
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Protocol

from simulator.errors import invalid_value, no_match, out_of_range

ZERO_MAC = "00:00:00:00:00:00"
ZERO_IP = "0.0.0.0"  # noqa: S104 - a lease's "any address", nothing is bound to it
_TRUTH = {"yes": "true", "true": "true", "no": "false", "false": "false"}
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:.-]?)(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}")
_CLOCK = re.compile(r"(?:(?P<w>\d+)w)?(?:(?P<d>\d+)d)?(?P<h>\d+):(?P<m>\d+):(?P<s>\d+)")
_UNITS = re.compile(
    r"(?:(?P<w>\d+)w)?(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s?)?"
)
_LONGEST_TIME = 40  # characters
_BITS = {str(bits) for bits in range(33)}
_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}


class Names(Protocol):
    """What references are looked up in: one router's tables."""

    def id_of(self, menu: str, name: str) -> str | None:
        """Give the id of the row of that name."""

    def name_of(self, menu: str, row_id: str) -> str | None:
        """Give the name of the row of that id."""


class Kind:
    """Free text, any bytes: kept as written."""

    refers_to: str | None = None

    def parse(self, text: str, _name: str, _names: Names, /) -> str:
        """Turn an argument into its stored form.

        Raises:
            RouterError: with the router's message.
        """
        return text

    def show(self, stored: str, _names: Names, /) -> str:
        """Turn the stored form into what a client reads."""
        return stored

    def normalise(self, text: str) -> str:
        """Turn the value of a query into the form that rows show."""
        return text


class Bool(Kind):
    """Sent as yes/no or true/false, read as true/false (captures from 6.x and 7.x)."""

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Accept the four words."""
        if text not in _TRUTH:
            raise no_match(name)
        return _TRUTH[text]

    def normalise(self, text: str) -> str:
        """Let `?disabled=no` mean `false` (assumed: clients send both)."""
        return _TRUTH.get(text, text)


class Enum(Kind):
    """One of some words; read back as written."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Accept only these words."""
        if text not in self.words:
            raise no_match(name)
        return text


class Number(Kind):
    """A whole number in a range, or one of some words."""

    def __init__(self, low: int, high: int, *words: str) -> None:
        self.low, self.high, self.words = low, high, words

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Accept decimal digits in the range."""
        if text in self.words:
            return text
        if not (text.isascii() and text.isdigit()):
            raise invalid_value(name)
        if not self.low <= int(text[:20]) <= self.high:
            raise out_of_range(name, self.low, self.high)
        return str(int(text))


class Form(Kind):
    """Text that a function reads; it raises ValueError, or a refusal with words of its own.

    Args:
        read: gives the stored form.
        words: taken as they are, beside it.
    """

    def __init__(self, read: Callable[[str], str], *words: str) -> None:
        self.read, self.words = read, words

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Accept what can be read."""
        if text in self.words:
            return text
        try:
            return self.read(text)
        except ValueError:
            raise invalid_value(name) from None


class Ref(Kind):
    """The name of a row of another menu, or one of some words."""

    def __init__(self, menu: str, *words: str) -> None:
        self.refers_to, self.words = menu, words

    def parse(self, text: str, name: str, names: Names, /) -> str:
        """Accept a name that is there."""
        if text in self.words:
            return text
        row_id = names.id_of(str(self.refers_to), text)
        if row_id is None:
            raise no_match(name)
        return row_id

    def show(self, stored: str, names: Names, /) -> str:
        """Give the name, or the id when nothing has it any more."""
        if not stored.startswith("*"):
            return stored
        return names.name_of(str(self.refers_to), stored) or stored


class RefList(Ref):
    """Names of rows of another menu with commas between, or nothing."""

    def parse(self, text: str, name: str, names: Names, /) -> str:
        """Accept names that are all there."""
        parse_one = super().parse
        return ",".join(parse_one(part, name, names) for part in text.split(",")) if text else ""

    def show(self, stored: str, names: Names, /) -> str:
        """Give the names, and ids for what is gone."""
        show_one = super().show
        return ",".join(show_one(part, names) for part in stored.split(",")) if stored else ""


class IpOrPool(Kind):
    """An IPv4 address or the name of a pool (eworm-de#43, INK), and what an empty text means."""

    def __init__(self, empty: str) -> None:
        self.empty = empty

    def parse(self, text: str, name: str, names: Names, /) -> str:
        """Accept either."""
        if not text:
            return self.empty
        try:
            return read_ip(text)
        except ValueError:
            if names.id_of("/ip/pool", text) is None:
                raise invalid_value(name) from None
            return text


class Words(Kind):
    """Some of a set of words with commas between."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = frozenset(words)

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Accept only these words."""
        if text and not self.words.issuperset(text.split(",")):
            raise no_match(name)
        return text


def read_mac(text: str) -> str:
    """Read a MAC with `:` `-` `.` or nothing between; empty clears it (ANS)."""
    if not text:
        return ZERO_MAC
    if not _MAC.fullmatch(text):
        raise ValueError(text)
    digits = re.sub(r"[:.-]", "", text).upper()
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def read_ip(text: str) -> str:
    """Read a dotted quad."""
    return str(IPv4Address(text))


def _ips(text: str) -> str:
    return ",".join(map(read_ip, text.split(",")))


def read_prefix(text: str) -> str:
    """Read `a.b.c.d/len`; host bits are kept, and without a length it is /32."""
    address, slash, length = text.partition("/")
    bits = length if slash else "32"
    if bits not in _BITS:
        raise ValueError(text)
    return f"{read_ip(address)}/{bits}"


def parse_duration(text: str) -> int:
    """Read `1w2d3h4m5s`, `hh:mm:ss` or a number as seconds.

    Raises:
        ValueError: it is none of these.
    """
    found = _CLOCK.fullmatch(text) or (_UNITS.fullmatch(text) if text else None)
    if found is None or len(text) > _LONGEST_TIME:
        raise ValueError(text)
    return sum(_SECONDS[unit] * int(count) for unit, count in found.groupdict("0").items())


def read_time(text: str) -> str:
    """Read a duration, as RouterOS prints it."""
    return format_duration(parse_duration(text))


def format_duration(seconds: float) -> str:
    """Write seconds as RouterOS prints them: `1w2d3h4m5s`, parts of zero left out."""
    rest = max(0, int(seconds))
    text = ""
    for unit, size in _SECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"


TEXT = Kind()
BOOL = Bool()
MAC = Form(read_mac)
IP = Form(read_ip)
IPS = Form(_ips, "")
TIME = Form(read_time)
