"""The scalar values of the contract: parsed once, in normal form ever after.

Messages say what is wrong and what to do, and never hold the rejected value; of a date they hold
the same in our form.
"""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from contracts.moments import advice

_PAIR = "[0-9A-Fa-f]{2}"
_QUAD = "[0-9A-Fa-f]{4}"
_MAC_FORMATS: Final = (
    rf"{_PAIR}(?::{_PAIR}){{5}}",
    rf"{_PAIR}(?:-{_PAIR}){{5}}",
    rf"{_QUAD}\.{_QUAD}\.{_QUAD}",
    rf"{_QUAD}-{_QUAD}-{_QUAD}",
    r"[0-9A-Fa-f]{12}",
)
_MAC: Final = re.compile("|".join(_MAC_FORMATS))
_NORMAL_MAC: Final = re.compile("[0-9A-F]{2}(?::[0-9A-F]{2}){5}")
_EUI64: Final = re.compile(
    rf"{_PAIR}(?::{_PAIR}){{7}}|{_PAIR}(?:-{_PAIR}){{7}}|{_QUAD}(?:[.:-]{_QUAD}){{3}}|[0-9A-Fa-f]{{16}}"
)
_NO_SEPARATORS: Final = str.maketrans("", "", ":-.")

_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}")
_LOOPBACK: Final = 127
_FIRST_MULTICAST: Final = 224  # and reserved ones from 240 on


class _Text(str):
    """Text that exists only in normal form: making one parses, or raises `ValueError`."""

    __slots__ = ()
    _schema: ClassVar[dict[str, str]]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read any accepted spelling.

        Raises:
            ValueError: of which the text says what is wrong, without the value (with `.type`, the
                problem's code).
        """
        return cls(text)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(strict=True)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), **cls._schema}


class Mac48(_Text):
    """A 48-bit MAC address of one device: `AA:BB:CC:DD:EE:FF`.

    Accepts colon or dash pairs, `0000.5e00.5301`, `0000-5e00-5301` and 12 bare hex digits, with
    spaces around. Refuses group addresses, zero and EUI-64. Whether locally administered
    addresses are welcome is the worker's policy.
    """

    __slots__ = ()
    _schema: ClassVar = {"pattern": f"^ *({'|'.join(_MAC_FORMATS)}) *$"}

    def __new__(cls, text: str) -> Self:
        """Read any accepted spelling."""
        if not _NORMAL_MAC.fullmatch(text):
            text = _normal_mac(text)
        if text == "00:00:00:00:00:00":
            raise PydanticCustomError("mac-zero", "is all zero; give the MAC address of the device")
        if int(text[:2], 16) & 1:
            raise PydanticCustomError(
                "mac-group", "is a multicast or broadcast MAC address; give the device's own"
            )
        return super().__new__(cls, text)


def _normal_mac(text: str) -> str:
    text = text.strip(" ")
    if not _MAC.fullmatch(text):
        if _EUI64.fullmatch(text):
            raise PydanticCustomError("mac-eui64", "is an EUI-64; give the 48-bit MAC address")
        raise PydanticCustomError(
            "mac-format", "is not a MAC address; write it like 00:00:5E:00:53:01"
        )
    digits = text.upper().translate(_NO_SEPARATORS)
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


class Ipv4(_Text):
    """An IPv4 address that a host can have, in dotted text: `198.51.100.10`.

    Refuses 0.0.0.0/8, loopback, link-local, multicast and reserved addresses. Private and shared
    ones (10.0.0.0/8, 100.64.0.0/10) are the normal case. Whether it is the network's or the
    broadcast address depends on the router and is the worker's question.
    """

    __slots__ = ()
    _schema: ClassVar = {"format": "ipv4"}

    def __new__(cls, text: str) -> Self:
        """Read dotted decimal text; leading zeros are refused."""
        octets = _IPV4.fullmatch(text)
        if octets is None:
            raise PydanticCustomError(
                "address-format", "is not an IPv4 address; write it like 198.51.100.10"
            )
        first = int(octets[1])
        if first in (0, _LOOPBACK) or first >= _FIRST_MULTICAST or text.startswith("169.254."):
            raise PydanticCustomError(
                "address-not-usable", "is no address that a device can have; give another"
            )
        return super().__new__(cls, text)


_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_time(value: object) -> datetime:
    """Read an RFC 3339 date and time with offset, or take an aware `datetime`; give it in UTC.

    Digits beyond microseconds are dropped.

    Raises:
        ValueError: anything else, a number or a time without offset too.
    """
    try:
        if isinstance(value, str) and _RFC3339.fullmatch(value):
            value = datetime.fromisoformat(value.upper())
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("time-format", "is not a time; {advice}", {"advice": advice(value)})


Time = Annotated[datetime, BeforeValidator(parse_time)]
"""A moment: RFC 3339 with offset on the wire, aware and in UTC here."""

ServiceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
"""The BSS's name of a service; the ordering key of its events."""

CustomerId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/#-]{1,64}$")]
"""The BSS's name of a customer: opaque, never a person's name or e-mail address."""

RouterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""The inventory's name of a router, never a host name or an address."""

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
"""A machine word of an open list: a reason, a plan."""

# Python, Rust and ECMA 262 read such escapes alike; none of them knows all of `\p{Cf}`.
_INVISIBLE: Final = (
    r"\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
)


def _shown(text: str) -> str:
    # Printable is what has none of these: that is looked up at once.
    if not text.isprintable() and any(
        unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in text
    ):
        raise PydanticCustomError(
            "control-character", "holds a character that cannot be seen; leave it out"
        )
    return text


Name = Annotated[str, Field(pattern=rf"^[^{_INVISIBLE}]{{1,64}}$"), AfterValidator(_shown)]
"""One line of 1 to 64 characters: what RouterOS or an operator calls something."""

_like_ipv4: Final = re.compile(r"\d+(?:\.\d+){3}").fullmatch


def _not_like_an_address(name: str) -> str:
    if _like_ipv4(name):
        raise PydanticCustomError(
            "pool-like-address",
            "looks like an IPv4 address, for which a router would take it; give mode static, or "
            "the pool another name",
        )
    return name


PoolName = Annotated[
    Name, AfterValidator(_not_like_an_address), Field(description="Not like an IPv4 address.")
]
"""What RouterOS calls an address pool; it stands where an address may stand as well."""

AgentId = Annotated[str, Field(pattern=rf"^[^{_INVISIBLE}]{{1,255}}$"), AfterValidator(_shown)]
"""What an access node adds to a device's requests (DHCP option 82)."""

Revision = Annotated[int, Field(strict=True, ge=1, le=2**53 - 1)]
"""The BSS's counter of changes of one service; any JSON reader holds it exactly."""

Kbps = Annotated[int, Field(strict=True, ge=1, le=10**9)]
"""A rate in kilobits (1000 bits) a second."""

OptionCode = Annotated[int, Field(strict=True, ge=1, le=254)]
"""A DHCP option's number."""

Hex = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2}){1,255}$"), AfterValidator(str.lower)]
"""1 to 255 bytes as pairs of hex digits; lower case here."""
