"""DHCP packets as bytes (RFC 2131, RFC 2132). No socket, no lease."""

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address

_FIXED = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")
_COOKIE = b"\x63\x82\x53\x63"
_BROADCAST = 0x8000
_PAD, _END = 0, 255
_SHORTEST = 300  # bytes of a packet (RFC 1542)


class MessageType(IntEnum):
    """Option 53."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class PacketError(Exception):
    """Bytes that are no DHCP request over Ethernet."""


@dataclass(slots=True)
class Packet:
    """One packet.

    Attributes:
        kind: what it says.
        xid: the client's number for this exchange.
        mac: the client's, upper case with `:`.
        ciaddr: address the client has; 0.0.0.0 is none.
        yiaddr: address given.
        giaddr: the relay's.
        secs: seconds since the client began.
        broadcast: whether the client cannot hear unicast yet.
        options: raw values by code, without 53.
    """

    kind: MessageType
    xid: int
    mac: str
    ciaddr: str = "0.0.0.0"  # noqa: S104 - "none" on the wire
    yiaddr: str = "0.0.0.0"  # noqa: S104 - as above
    giaddr: str = "0.0.0.0"  # noqa: S104 - as above
    siaddr: str = "0.0.0.0"  # noqa: S104 - as above
    secs: int = 0
    broadcast: bool = False
    options: dict[int, bytes] = field(default_factory=dict)

    def address(self, code: int) -> str:
        """Give an option that is one address; empty when it is not there."""
        raw = self.options.get(code, b"")
        return str(IPv4Address(raw)) if len(raw) == 4 else ""  # noqa: PLR2004 - bytes of an address


def read_packet(data: bytes) -> Packet:
    """Read what a client sent.

    Raises:
        PacketError: it is none.
    """
    if len(data) < _FIXED.size or data[_FIXED.size - 4 : _FIXED.size] != _COOKIE:
        raise PacketError("no DHCP packet")
    op, htype, hlen, _, xid, secs, flags, ci, yi, si, gi, chaddr, _, _, _ = _FIXED.unpack_from(data)
    if (op, htype, hlen) != (1, 1, 6):
        raise PacketError("no request over Ethernet")
    options = _read_options(data[_FIXED.size :])
    raw_kind = options.pop(53, b"")
    try:
        kind = MessageType(raw_kind[0])
    except (IndexError, ValueError):
        raise PacketError("no DHCP message type") from None
    return Packet(
        kind,
        xid,
        mac=chaddr[:6].hex(":").upper(),
        ciaddr=str(IPv4Address(ci)),
        yiaddr=str(IPv4Address(yi)),
        giaddr=str(IPv4Address(gi)),
        siaddr=str(IPv4Address(si)),
        secs=secs,
        broadcast=bool(flags & _BROADCAST),
        options=options,
    )


def _read_options(data: bytes) -> dict[int, bytes]:
    options: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != _END:
        code = data[at]
        if code == _PAD:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            raise PacketError("options that run over the end")
        value = data[at + 2 : at + 2 + data[at + 1]]
        options[code] = options.get(code, b"") + value  # parts belong together (RFC 3396)
        at += 2 + len(value)
    return options


def parts_of(option: bytes) -> dict[int, bytes]:
    """Give the parts of an option such as 82; broken ones are left out."""
    parts: dict[int, bytes] = {}
    at = 0
    while at + 1 < len(option) and at + 2 + option[at + 1] <= len(option):
        parts[option[at]] = option[at + 2 : at + 2 + option[at + 1]]
        at += 2 + option[at + 1]
    return parts


def write_reply(reply: Packet) -> bytes:
    """Write a server's answer."""
    addresses = (reply.ciaddr, reply.yiaddr, reply.siaddr, reply.giaddr)
    head = _FIXED.pack(
        2,
        1,
        6,
        0,
        reply.xid,
        0,
        _BROADCAST if reply.broadcast else 0,
        *(IPv4Address(text).packed for text in addresses),
        bytes.fromhex(reply.mac.replace(":", "")),
        b"",
        b"",
        _COOKIE,
    )
    options = bytes((53, 1, reply.kind))
    for code, value in reply.options.items():
        for at in range(0, max(1, len(value)), 255):
            part = value[at : at + 255]
            options += bytes((code, len(part))) + part
    return (head + options + bytes((_END,))).ljust(_SHORTEST, b"\0")
