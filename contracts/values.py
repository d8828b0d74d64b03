"""The scalar values of the contract, kept in normal form.

Messages say what is wrong and what to do. They never contain the rejected value, except for a time,
which they show in the right format.
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
NO_SEPARATORS: Final = str.maketrans("", "", ":-.")

_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}")
_LOOPBACK: Final = 127
_FIRST_MULTICAST: Final = 224  # and reserved ones from 240 on


class NormalText(str):
    """Text in normal form: the constructor parses it, or raises `ValueError`."""

    __slots__ = ()
    _schema: ClassVar[dict[str, str]]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read any accepted spelling.

        Raises:
            ValueError: says what is wrong, without the value; its `.type` is the problem's code.
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


class Mac48(NormalText):
    """A 48-bit MAC address of one device: `AA:BB:CC:DD:EE:FF`.

    Accepts pairs with colons or dashes, `0000.5e00.5301`, `0000-5e00-5301` and 12 hex digits
    without separators, with spaces around. Refuses group addresses, zero and EUI-64. The worker's
    policy decides about locally administered addresses.
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
    digits = text.upper().translate(NO_SEPARATORS)
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


class Ipv4(NormalText):
    """An IPv4 address of a host, such as `198.51.100.10`.

    Refuses 0.0.0.0/8, loopback, link-local, multicast and reserved addresses. Private and shared
    addresses (10.0.0.0/8, 100.64.0.0/10) are normal. The worker checks whether it is a network or
    broadcast address, because that depends on the router.
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
                "address-not-usable", "cannot be the address of a device; give another"
            )
        return super().__new__(cls, text)


_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_time(value: object) -> datetime:
    """Read an RFC 3339 time with offset, or a `datetime` with a time zone; return it in UTC.

    Digits after microseconds are dropped.

    Raises:
        ValueError: it is something else, such as a number or a time without offset.
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
"""A time: RFC 3339 with offset in JSON, in UTC here."""

ServiceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
"""The BSS's id of a service; its events are ordered for each service."""

CustomerId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/#-]{1,64}$")]
"""The BSS's id of a customer; never a person's name or e-mail address."""

RouterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Name of a router in the inventory; not a host name or address."""

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
"""A code from an open list, such as a reason or a plan."""

# Python, Rust and ECMA 262 understand these escapes; none of them supports all of `\p{Cf}`.
_INVISIBLE: Final = (
    r"\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
)


def _printable(text: str) -> str:
    # A printable text has none of these, which is quick to find out.
    if not text.isprintable() and any(
        unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in text
    ):
        raise PydanticCustomError("control-character", "contains an invisible character; remove it")
    return text


Name = Annotated[str, Field(pattern=rf"^[^{_INVISIBLE}]{{1,64}}$"), AfterValidator(_printable)]
"""One line of 1 to 64 characters: a name in RouterOS or by an operator."""

_like_ipv4: Final = re.compile(r"\d+(?:\.\d+){3}").fullmatch


def _not_like_an_address(name: str) -> str:
    if _like_ipv4(name):
        raise PydanticCustomError(
            "pool-like-address",
            "looks like an IPv4 address, and a router would read it as one; use mode static, or "
            "rename the pool",
        )
    return name


PoolName = Annotated[
    Name,
    AfterValidator(_not_like_an_address),
    Field(description="Name of the pool; must not look like an IPv4 address."),
]
"""Name of an address pool in RouterOS, used in the same place as an address."""

AssignedPoolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
"""Name of a pool of Leasewire: a key of `[pools]` in the inventory, or its `known_as`."""

_SEALED: Final = re.compile(r"sealed:[0-9a-f]{8}:[A-Za-z0-9_-]{64,1024}=*")
_LONGEST_PASSWORD: Final = 128


def _password(text: str) -> str:
    if text.startswith("sealed:") and not _SEALED.fullmatch(text):
        raise PydanticCustomError("seal-format", "begins with sealed:, which no password may")
    if len(text) > _LONGEST_PASSWORD and not text.startswith("sealed:"):
        raise PydanticCustomError("too-long", "must have at most 128 characters")
    return text


Password = Annotated[
    str,
    Field(
        pattern=rf"^[^{_INVISIBLE}]{{1,1056}}$",
        description="At most 128 characters; sealed before it is stored.",
        json_schema_extra={"writeOnly": True},
    ),
    AfterValidator(_printable),
    AfterValidator(_password),
]
"""What a device logs in with: in clear, or as `contracts/sealing.py` seals it."""

AgentId = Annotated[str, Field(pattern=rf"^[^{_INVISIBLE}]{{1,255}}$"), AfterValidator(_printable)]
"""Id that an access node adds to a device's requests (DHCP option 82): text, or `0x` and hex digits
where it has other bytes."""

Revision = Annotated[int, Field(strict=True, ge=1, le=2**53 - 1)]
"""The BSS's counter of changes of a service; small enough for any JSON reader."""

Iaid = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
"""A DHCPv6 identity association id: which of its prefixes or addresses a device asks for."""

Kbps = Annotated[int, Field(strict=True, ge=1, le=10**9)]
"""A rate in kilobits (1000 bits) per second."""

OptionCode = Annotated[int, Field(strict=True, ge=1, le=254)]
"""Number of a DHCP option."""

Hex = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2}){1,255}$"), AfterValidator(str.lower)]
"""1 to 255 bytes as pairs of hex digits; lower case here."""
