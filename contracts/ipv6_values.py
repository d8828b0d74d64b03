"""The values of IPv6 in the contract, kept in normal form: addresses, prefixes and client ids."""

import re
from ipaddress import IPv6Address, IPv6Network
from typing import ClassVar, Final, Self

from pydantic_core import PydanticCustomError

from contracts.values import NO_SEPARATORS, NormalText

_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]+")
_PREFIX: Final = re.compile(r"([0-9A-Fa-f:.]+)/([0-9]{1,3})")
_LENGTHS: Final = range(16, 65)


def _usable(address: IPv6Address) -> bool:
    """Whether an address, or a prefix of at least 16 bits, has no special use.

    ::/8 is reserved: it has the unspecified address, loopback, and IPv4 in IPv6.
    """
    return not (address.is_multicast or address.is_link_local or address.packed[0] == 0)


class Ipv6Address(NormalText):
    """An IPv6 address of a host, in the form of RFC 5952, such as `2001:db8::10`.

    Refuses link-local and multicast addresses and all of ::/8, such as loopback. Unique local
    addresses (fc00::/7) are normal.
    """

    __slots__ = ()
    _schema: ClassVar = {"format": "ipv6"}

    def __new__(cls, text: str) -> Self:
        """Read any spelling; zone ids are refused."""
        try:
            # `IPv6Address` would take a zone id.
            address = IPv6Address(text if _IPV6.fullmatch(text) else "")
        except ValueError:
            raise PydanticCustomError(
                "address-format", "is not an IPv6 address; write it like 2001:db8::10"
            ) from None
        if not _usable(address):
            raise PydanticCustomError(
                "address-not-usable", "cannot be the address of a device; give another"
            )
        return super().__new__(cls, str(address))


class Ipv6Prefix(NormalText):
    """An IPv6 prefix of a service, /16 to /64, in the form of RFC 5952: `2001:db8:1:100::/56`.

    Refuses what `Ipv6Address` refuses, and bits behind the prefix length.
    """

    __slots__ = ()
    _schema: ClassVar = {"pattern": "^[0-9A-Fa-f:.]+/(1[6-9]|[2-5][0-9]|6[0-4])$"}

    def __new__(cls, text: str) -> Self:
        """Read any spelling of the address part."""
        parts = _PREFIX.fullmatch(text)
        try:
            address = IPv6Address(parts[1] if parts else "")
        except ValueError:
            raise PydanticCustomError(
                "prefix-format", "is not an IPv6 prefix; write it like 2001:db8:1:100::/56"
            ) from None
        length = int(parts[2]) if parts else 0
        if length not in _LENGTHS:
            raise PydanticCustomError(
                "prefix-length", "must have a prefix length from /16 to /64; give such a prefix"
            )
        network = IPv6Network((address, length), strict=False)
        if network.network_address != address:
            raise PydanticCustomError(
                "prefix-host-bits",
                "has bits set behind its prefix length; set them to zero, or correct the length",
            )
        if not _usable(address):
            raise PydanticCustomError(
                "address-not-usable", "cannot be the prefix of a service; give another"
            )
        return super().__new__(cls, str(network))


_DUID: Final = "(0[xX])?[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){0,129}"
_DUID_FORMAT: Final = re.compile(_DUID)


class Duid(NormalText):
    """A DHCPv6 unique identifier of a device: 1 to 130 bytes as hex digits, lower case.

    Accepts `0x` before it, and colons or dashes between its bytes.
    """

    __slots__ = ()
    _schema: ClassVar = {"pattern": f"^{_DUID}$"}

    def __new__(cls, text: str) -> Self:
        """Read any accepted spelling."""
        if not _DUID_FORMAT.fullmatch(text):
            raise PydanticCustomError(
                "duid-format",
                "is not a DUID; write its 1 to 130 bytes in hex, like 0003000100005e005301",
            )
        return super().__new__(cls, text.lower().removeprefix("0x").translate(NO_SEPARATORS))
