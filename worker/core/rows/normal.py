"""The normal form of each kind of value, in which two spellings of one value are the same text.

RouterOS accepts every normal form.
"""

import re
from ipaddress import IPv6Network
from typing import Final

_UNITS_S: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION: Final = re.compile(
    r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+):(\d+):(\d+))?"
)
_BOOLEANS: Final = {"true": "yes", "false": "no"}
YES: Final = frozenset({"true", "yes"})
"""How versions say that a flag is on."""
_RATE: Final = re.compile(r"(\d+)([kKmMgG]?)")
_RATE_UNITS: Final = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_ADDRESS: Final = re.compile(r"\d+(?:\.\d+){3}")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_PAIRS: Final = 4
"""Rate, burst rate, burst threshold and burst time are pairs; what follows them is not."""


def mac(value: str) -> str:
    """Return upper case with colons; RouterOS accepts other spellings but stores this one."""
    return value.replace("-", ":").upper()


def boolean(value: str) -> str:
    """Return `yes` or `no`: every version accepts both spellings and answers `true` or `false`."""
    return _BOOLEANS.get(value, value)


def host(value: str) -> str:
    """Return an address without the `/32` that some versions append."""
    return value.removesuffix("/32")


def prefix6(value: str) -> str:
    """Return an IPv6 prefix in the usual short form, a single address with `/128`."""
    if ":" not in value:
        return value
    try:
        return str(IPv6Network(value, strict=False))
    except ValueError:
        return value


def duid(value: str) -> str:
    """Return a DUID as RouterOS 7 takes it: `0x` and lower case; older ones leave out the `0x`."""
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    return f"0x{digits.lower()}" if _HEX.fullmatch(digits) else value


def prefixes(value: str) -> str:
    """Return targets of a queue in alphabetical order, a single address with its length."""
    targets = {target.strip() for target in value.split(",")} - {""}
    return ",".join(sorted(f"{t}/32" if _ADDRESS.fullmatch(t) else prefix6(t) for t in targets))


def agent_id(value: str) -> str:
    """Return an id of option 82 as hex digits in lower case, also where it is shown as text."""
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    if not digits or _HEX.fullmatch(digits):
        return digits.lower()
    return value.encode("utf-8", "surrogateescape").hex()


def hexadecimal(value: str) -> str:
    """Return hex digits after `0x` in lower case; other values stay unchanged."""
    return value.lower() if value[:2].lower() == "0x" else value


def comma_list(value: str) -> str:
    """Return names in alphabetical order, each once: RouterOS ignores their order."""
    if "," not in value:
        return value.strip()
    return ",".join(sorted({name.strip() for name in value.split(",")} - {""}))


def seconds(value: str) -> int | None:
    """Return the seconds of `1d5m57s`, `2d14:40:26` or `1800`; None for another text."""
    if value.isascii() and value.isdecimal():
        return int(value)
    match = _DURATION.fullmatch(value) if value else None
    if match is None:
        return None
    *units, hours, minutes, rest = (int(part or 0) for part in match.groups())
    whole = sum(count * unit for count, unit in zip(units, _UNITS_S.values(), strict=True))
    return whole + hours * 3_600 + minutes * 60 + rest


def duration(value: str) -> str:
    """Return a duration with units, as RouterOS prints it: `30m` for `00:30:00` and `1800s`."""
    left = seconds(value)
    if left is None:
        return value
    parts = []
    for unit, length in _UNITS_S.items():
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def rate_limit(value: str) -> str:
    """Return a lease's rate limit, each number with the greatest unit that keeps it whole.

    It is `rx/tx`, where rx is what the client sends, followed by bursts; a missing tx equals rx.
    So `10M` and `10000000/10000k` are the same.
    """
    words = value.split()
    return " ".join(_pair(word, doubled=place < _PAIRS) for place, word in enumerate(words))


def rates(value: str) -> str:
    """Return the rates of a queue, `upload/download`, as `rate_limit` has them."""
    return _pair(value, doubled=True)


def durations(value: str) -> str:
    """Return the times of a queue, `upload/download`; one alone is both."""
    times = value.split("/")
    return "/".join(map(duration, times * 2 if len(times) == 1 else times))


def _pair(word: str, *, doubled: bool) -> str:
    parts = word.split("/")
    if doubled and _RATE.fullmatch(word):
        parts *= 2
    return "/".join(_rate(part) for part in parts)


def _rate(word: str) -> str:
    match = _RATE.fullmatch(word)
    if match is None:
        return word
    bits = int(match[1]) * _RATE_UNITS[match[2].lower()]
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 1_000)):
        if bits and bits % size == 0:
            return f"{bits // size}{unit}"
    return str(bits)
