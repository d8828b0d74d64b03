"""Kinds of IPv6 values, and what a DUID and a link-local address say of a device.

Nobody has recorded how RouterOS reads these values, but for what a comment names. *Assumed*:
prefixes are kept without host bits, a single address with `/128`, hexadecimal in lower case.
"""

from ipaddress import IPv6Address, IPv6Network, summarize_address_range

from simulator.errors import RouterError, invalid_value
from simulator.values import Kind, Names

INVALID_DUID = "failure: Invalid DUID!"  # recorded (id 30129963075), also for one without `0x`
_LONGEST_DUID = 130  # bytes (RFC 8415, 11.1)
_LINK_LAYER_TIME, _LINK_LAYER, _ETHERNET = 1, 3, 1  # RFC 8415, 11.2 and 11.4
_MAC_AT = {_LINK_LAYER_TIME: 8, _LINK_LAYER: 4}


class Ip6(Kind):
    """An IPv6 address; with `empty`, the empty text too."""

    def __init__(self, *, empty: bool = False) -> None:
        self.empty = empty

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Write it in its short form."""
        if not text and self.empty:
            return text
        return str(parse_ip6(text, name))


class Prefix6(Kind):
    """An IPv6 prefix; a single address is `/128`; with `empty`, the empty text too."""

    def __init__(self, *, empty: bool = False) -> None:
        self.empty = empty

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Write it in its short form."""
        if not text and self.empty:
            return text
        try:
            return str(IPv6Network(text, strict=False))
        except ValueError:
            raise invalid_value(name) from None


class InterfaceAddress6(Kind):
    """An address of an interface with the length of its network; `/64` where none is given."""

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Keep the host's part."""
        address, slash, length = text.partition("/")
        try:
            network = IPv6Network(f"{address}/{length if slash else 64}", strict=False)
        except ValueError:
            raise invalid_value(name) from None
        return f"{parse_ip6(address, name)}/{network.prefixlen}"


class ListAddress6(Kind):
    """An address, range, prefix or host name; single addresses read with `/128` (NTC)."""

    def parse(self, text: str, name: str, _names: Names, /) -> str:
        """Write prefixes without host bits, and ranges that are one as such; the rest is a name."""
        if not text:
            raise invalid_value(name)
        first, dash, last = text.partition("-")
        try:
            if not dash:
                return str(IPv6Network(text, strict=False))
            nets = list(summarize_address_range(IPv6Address(first), IPv6Address(last)))
        except ValueError:
            return text
        return str(nets[0]) if len(nets) == 1 else text


class Duid(Kind):
    """A device's DUID: `0x` and hexadecimal digits."""

    def parse(self, text: str, _name: str, _names: Names, /) -> str:
        """Refuse what is none with the recorded text."""
        try:
            raw = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            raise RouterError(INVALID_DUID) from None
        if not text.startswith("0x") or not 0 < len(raw) <= _LONGEST_DUID:
            raise RouterError(INVALID_DUID)
        return "0x" + raw.hex()


def parse_ip6(text: str, name: str) -> IPv6Address:
    """Read an address without a zone.

    Raises:
        RouterError: it is none.
    """
    try:
        address = IPv6Address(text)
    except ValueError:
        raise invalid_value(name) from None
    if address.scope_id:
        raise invalid_value(name)
    return address


def mac_in_duid(duid: str) -> str:
    """Give the MAC that a DUID-LL or DUID-LLT over Ethernet holds; empty: it holds none."""
    raw = bytes.fromhex(duid.removeprefix("0x"))
    at = _MAC_AT.get(int.from_bytes(raw[:2]))
    if at is None or int.from_bytes(raw[2:4]) != _ETHERNET or len(raw) != at + 6:
        return ""
    return raw[at:].hex(":").upper()


def duid_of(mac: str) -> str:
    """Give the DUID-LL of a device."""
    return f"0x{_LINK_LAYER:04x}{_ETHERNET:04x}{mac.replace(':', '').lower()}"


def link_local_of(mac: str) -> str:
    """Give the link-local address that a device forms of its MAC (EUI-64)."""
    raw = bytearray.fromhex(mac.replace(":", ""))
    raw[0] ^= 2
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + raw[:3] + b"\xff\xfe" + raw[3:]))
