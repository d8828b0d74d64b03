"""How IPv6 values are read, and what a DUID and a link-local address say of a device.

Nobody has recorded how RouterOS reads these values, but for what a comment names. *Assumed*:
prefixes are kept without host bits, a single address with `/128`, hexadecimal in lower case.
"""

from ipaddress import IPv6Address, IPv6Network

from simulator.errors import RouterError
from simulator.values import Form

INVALID_DUID = "failure: Invalid DUID!"  # recorded (id 30129963075), also for one without `0x`
_LONGEST_DUID = 130  # bytes (RFC 8415, 11.1)
_LINK_LAYER_TIME, _LINK_LAYER, _ETHERNET = 1, 3, 1  # RFC 8415, 11.2 and 11.4
_MAC_AT = {_LINK_LAYER_TIME: 8, _LINK_LAYER: 4}


def read_ip6(text: str) -> str:
    """Read an address without a zone; its short form."""
    address = IPv6Address(text)
    if address.scope_id:
        raise ValueError(text)
    return str(address)


def read_prefix6(text: str) -> str:
    """Read a prefix; a single address is `/128`."""
    return str(IPv6Network(text, strict=False))


def read_interface_address6(text: str) -> str:
    """Read an address with the length of its network; `/64` where none is given."""
    address, slash, length = text.partition("/")
    network = IPv6Network(f"{address}/{length if slash else 64}", strict=False)
    return f"{read_ip6(address)}/{network.prefixlen}"


def read_duid(text: str) -> str:
    """Read a DUID: `0x` and hexadecimal digits; what is none is refused with the recorded text."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise RouterError(INVALID_DUID) from None
    if not text.startswith("0x") or not 0 < len(raw) <= _LONGEST_DUID:
        raise RouterError(INVALID_DUID)
    return "0x" + raw.hex()


PREFIX6 = Form(read_prefix6)


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
