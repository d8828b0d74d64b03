"""DHCPv6 packets as bytes (RFC 8415). No socket, no binding."""

import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv6Network
from typing import Literal

CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS, ASKED, PREFERENCE = 1, 2, 3, 5, 6, 7
AUTHENTICATION, STATUS, RAPID_COMMIT = 11, 13, 14
RECONFIGURE_MESSAGE, RECONFIGURE_ACCEPT, IA_PD, IA_PREFIX = 19, 20, 25, 26
_SINGLE = 128
_KEY_PROTOCOL, _HMAC_MD5, _COUNTER = 3, 1, 0  # RFC 8415, 20.4
_KEY, _DIGEST = 1, 2
_DIGEST_BYTES = 16
_HELD = {IA_ADDRESS: struct.Struct("!16sII"), IA_PREFIX: struct.Struct("!IIB16s")}


class Message6(IntEnum):
    """What a packet says."""

    SOLICIT = 1
    ADVERTISE = 2
    REQUEST = 3
    CONFIRM = 4
    RENEW = 5
    REBIND = 6
    REPLY = 7
    RELEASE = 8
    DECLINE = 9
    RECONFIGURE = 10
    INFORMATION_REQUEST = 11


class Code6(IntEnum):
    """Status codes."""

    SUCCESS = 0
    NO_ADDRESS = 2
    NO_BINDING = 3
    NOT_ON_LINK = 4
    NO_PREFIX = 6


class Packet6Error(Exception):
    """Bytes that are no DHCPv6 message between a client and a server."""


@dataclass(frozen=True, slots=True)
class Given6:
    """A prefix, or an address as `/128`, with its lifetimes in seconds."""

    prefix: str
    preferred_s: int = 0
    valid_s: int = 0


@dataclass(frozen=True, slots=True)
class Association6:
    """One identity association.

    Attributes:
        ia: prefixes (`pd`) or addresses (`na`).
        iaid: the client's number for it.
        given: what it holds, or would like.
        t1_s, t2_s: when to renew, to rebind.
        status: None is success.
    """

    ia: Literal["pd", "na"]
    iaid: int
    given: tuple[Given6, ...] = ()
    t1_s: int = 0
    t2_s: int = 0
    status: Code6 | None = None


@dataclass(slots=True)
class Packet6:
    """One packet.

    Attributes:
        kind: what it says.
        xid: the client's number for this exchange.
        client_id, server_id: DUIDs; empty: not given.
        associations: in order.
        options: raw values of all other options by code.
    """

    kind: Message6
    xid: int
    client_id: bytes = b""
    server_id: bytes = b""
    associations: list[Association6] = field(default_factory=list)
    options: dict[int, bytes] = field(default_factory=dict)

    def asked(self) -> frozenset[int]:
        """Give the options that the client would like; empty: it did not say."""
        raw = self.options.get(ASKED, b"")
        return frozenset(struct.unpack(f"!{len(raw) // 2}H", raw[: len(raw) // 2 * 2]))


def read_packet6(data: bytes) -> Packet6:
    """Read a message of a client or a server.

    Raises:
        Packet6Error: it is none.
    """
    try:
        head = int.from_bytes(data[:4])
        packet = Packet6(Message6(head >> 24), head & 0xFFFFFF)
        for code, value in _options(data[4:]):
            if code == CLIENT_ID:
                packet.client_id = value
            elif code == SERVER_ID:
                packet.server_id = value
            elif code in (IA_NA, IA_PD):
                packet.associations.append(_read_association(code, value))
            else:
                packet.options[code] = value
    except (struct.error, ValueError) as error:
        raise Packet6Error(str(error)) from None
    return packet


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        code, length = struct.unpack_from("!HH", data, at)
        value = data[at + 4 : at + 4 + length]
        if len(value) < length:
            raise Packet6Error("an option that runs over the end")
        yield code, value
        at += 4 + length


def _read_association(code: int, value: bytes) -> Association6:
    iaid, t1_s, t2_s = struct.unpack_from("!III", value)
    given, status = [], None
    for inner, text in _options(value[12:]):
        if inner == IA_ADDRESS:
            address, preferred_s, valid_s = _HELD[inner].unpack_from(text)
            prefix = IPv6Network((address, _SINGLE))
        elif inner == IA_PREFIX:
            preferred_s, valid_s, length, address = _HELD[inner].unpack_from(text)
            prefix = IPv6Network((address, length), strict=False)
        else:
            status = Code6(int.from_bytes(text[:2])) if inner == STATUS else status
            continue
        if not prefix.network_address.is_unspecified:  # `::/56` only asks for a length
            given.append(Given6(str(prefix), preferred_s, valid_s))
    return Association6("pd" if code == IA_PD else "na", iaid, tuple(given), t1_s, t2_s, status)


def write_packet6(packet: Packet6) -> bytes:
    """Write a message."""
    data = (packet.kind << 24 | packet.xid).to_bytes(4)
    for code, value in ((CLIENT_ID, packet.client_id), (SERVER_ID, packet.server_id)):
        data += _option(code, value) if value else b""
    for association in packet.associations:
        data += _write_association(association)
    return data + b"".join(_option(code, value) for code, value in packet.options.items())


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("!HH", code, len(value)) + value


def _write_association(association: Association6) -> bytes:
    value = struct.pack("!III", association.iaid, association.t1_s, association.t2_s)
    for given in association.given:
        net = IPv6Network(given.prefix)
        packed, lives = net.network_address.packed, (given.preferred_s, given.valid_s)
        if association.ia == "pd":
            inner = _HELD[IA_PREFIX].pack(*lives, net.prefixlen, packed)
            value += _option(IA_PREFIX, inner)
        else:
            value += _option(IA_ADDRESS, _HELD[IA_ADDRESS].pack(packed, *lives))
    if association.status is not None:
        value += _option(STATUS, status_value(association.status))
    return _option(IA_PD if association.ia == "pd" else IA_NA, value)


def status_value(code: Code6) -> bytes:
    """Write the value of a status option."""
    return code.to_bytes(2) + code.name.lower().replace("_", " ").encode()


# --- the reconfigure key protocol (RFC 8415, 20.4) -------------------------------------------


def key_value(key: bytes) -> bytes:
    """Write the authentication option that gives a client its key."""
    return struct.pack("!BBBQB", _KEY_PROTOCOL, _HMAC_MD5, _COUNTER, 0, _KEY) + key


def write_reconfigure(
    client_id: bytes, server_id: bytes, message: int, key: bytes, count: int
) -> bytes:
    """Write a Reconfigure message, signed with the client's key of 16 bytes.

    It says what the client is to send: 5 Renew, 6 Rebind, 11 Information-request. The count grows
    with each message to the client.
    """
    packet = Packet6(Message6.RECONFIGURE, 0, client_id, server_id)
    head = struct.pack("!BBBQB", _KEY_PROTOCOL, _HMAC_MD5, _COUNTER, count, _DIGEST)
    packet.options = {
        RECONFIGURE_MESSAGE: bytes((message,)),
        AUTHENTICATION: head + bytes(_DIGEST_BYTES),
    }
    unsigned = write_packet6(packet)  # the option that holds the digest is the last
    return unsigned[:-_DIGEST_BYTES] + hmac.digest(key, unsigned, "md5")
