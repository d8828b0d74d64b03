"""RADIUS (RFC 2865, 2869) as far as a DHCP server and User Manager speak it: packets of one kind.

Attributes are named as User Manager names them; what else is in a packet is passed over.
"""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Final, Literal, NamedTuple

REQUEST: Final = 1
ACCEPT: Final = 2
REJECT: Final = 3
_VENDOR_SPECIFIC: Final = 26
_MIKROTIK: Final = 14_988
_PASSWORD: Final = "User-Password"  # noqa: S105 - an attribute
_AUTHENTICATOR: Final = "Message-Authenticator"
_HEADER: Final = struct.Struct("!BBH16s")
_LONGEST: Final = 4096
_DIGEST: Final = 16

Form = Literal["text", "ip", "number", "bytes"]


class _Attribute(NamedTuple):
    """Where an attribute stands: its number, and that of its vendor; 0: of the RFC."""

    number: int
    form: Form
    vendor: int = 0


ATTRIBUTES: Final[dict[str, _Attribute]] = {
    "User-Name": _Attribute(1, "text"),
    _PASSWORD: _Attribute(2, "bytes"),
    "NAS-IP-Address": _Attribute(4, "ip"),
    "Framed-IP-Address": _Attribute(8, "ip"),
    "Session-Timeout": _Attribute(27, "number"),
    "Called-Station-Id": _Attribute(30, "text"),
    "Calling-Station-Id": _Attribute(31, "text"),
    "NAS-Identifier": _Attribute(32, "text"),
    "NAS-Port-Type": _Attribute(61, "number"),
    _AUTHENTICATOR: _Attribute(80, "bytes"),
    "NAS-Port-Id": _Attribute(87, "text"),
    "Framed-Pool": _Attribute(88, "text"),
    "Mikrotik-Rate-Limit": _Attribute(8, "text", _MIKROTIK),
    "Mikrotik-Address-List": _Attribute(19, "text", _MIKROTIK),
    "Mikrotik-DHCP-Option-Set": _Attribute(23, "text", _MIKROTIK),
}
_BY_NUMBER: Final = {(at.vendor, at.number): (name, at.form) for name, at in ATTRIBUTES.items()}


class RadiusError(Exception):
    """It is no packet, or not of who knows the secret."""


class Packet(NamedTuple):
    """One packet.

    Attributes:
        code: `REQUEST`, `ACCEPT` or `REJECT`.
        number: by which an answer finds its request.
        authenticator: 16 bytes.
        values: attributes by name, as text.
        raw: as it was read.
        signed_at: where its Message-Authenticator is; 0: it has none.
    """

    code: int
    number: int
    authenticator: bytes
    values: Mapping[str, str]
    raw: bytes = b""
    signed_at: int = 0


def request(number: int, values: Mapping[str, str], password: str, secret: str) -> bytes:
    """Write a request; its authenticator is bytes 4 to 20."""
    authenticator = secrets.token_bytes(_DIGEST)
    hidden = _hidden(password.encode(), authenticator, secret)
    body = b"".join((_attributes(values), _one(_PASSWORD, hidden)))
    return _signed(REQUEST, number, authenticator, body, secret)


def answer(code: int, asked: Packet, values: Mapping[str, str], secret: str) -> bytes:
    """Write the answer to a request."""
    signed = _signed(code, asked.number, asked.authenticator, _attributes(values), secret)
    digest = hashlib.md5(signed + secret.encode()).digest()  # noqa: S324 - of RFC 2865
    return signed[:4] + digest + signed[20:]


def read(data: bytes) -> Packet:
    """Read a packet.

    Raises:
        RadiusError: it is no RADIUS packet.
    """
    if not _HEADER.size <= len(data) <= _LONGEST:
        raise RadiusError("no packet has this length")
    code, number, length, authenticator = _HEADER.unpack_from(data)
    if not _HEADER.size <= length <= len(data):
        raise RadiusError("its length is wrong")
    values: dict[str, str] = {}
    signed_at = 0
    for name, form, at, value in _found(data[:length]):
        if name == _AUTHENTICATOR:
            signed_at = at
        else:
            values[name] = _text(form, value)
    return Packet(code, number, authenticator, values, data[:length], signed_at)


def check_request(packet: Packet, secret: str) -> str:
    """Check who sent a request; returns the password in it.

    Raises:
        RadiusError: it is not signed with this secret.
    """
    _check_signature(packet, packet.authenticator, secret)
    hidden = bytes.fromhex(packet.values.get(_PASSWORD, ""))
    return _shown(hidden, packet.authenticator, secret).rstrip(b"\0").decode("utf-8", "replace")


def check_answer(packet: Packet, asked: bytes, secret: str) -> None:
    """Check that an answer is to a request, by who knows the secret.

    Raises:
        RadiusError: it is not.
    """
    authenticator = asked[4:20]
    text = packet.raw[:4] + authenticator + packet.raw[20:] + secret.encode()
    digest = hashlib.md5(text).digest()  # noqa: S324 - of RFC 2865
    if packet.number != asked[1] or not hmac.compare_digest(digest, packet.authenticator):
        raise RadiusError("it is no answer to this request")
    _check_signature(packet, authenticator, secret)


def _check_signature(packet: Packet, authenticator: bytes, secret: str) -> None:
    at = packet.signed_at
    if not at:
        raise RadiusError("it has no Message-Authenticator")
    blank = packet.raw[:4] + authenticator + packet.raw[20:at] + bytes(_DIGEST)
    digest = _hmac(blank + packet.raw[at + _DIGEST :], secret)
    if not hmac.compare_digest(digest, packet.raw[at : at + _DIGEST]):
        raise RadiusError("it is signed with another secret")


def _signed(code: int, number: int, authenticator: bytes, body: bytes, secret: str) -> bytes:
    """A packet with a Message-Authenticator over all of it (RFC 2869, 5.14)."""
    head = _HEADER.size + len(body)
    whole = _HEADER.pack(code, number, head + 2 + _DIGEST, authenticator) + body
    blank = whole + _one(_AUTHENTICATOR, bytes(_DIGEST))
    return whole + _one(_AUTHENTICATOR, _hmac(blank, secret))


def _hmac(data: bytes, secret: str) -> bytes:
    return hmac.digest(secret.encode(), data, "md5")


def _hidden(password: bytes, authenticator: bytes, secret: str) -> bytes:
    """Hide a password (RFC 2865, 5.2): in blocks of 16 bytes, one at least."""
    padded = password + bytes(-len(password) % _DIGEST or (0 if password else _DIGEST))
    hidden, last = b"", authenticator
    for at in range(0, len(padded), _DIGEST):
        last = _mixed(padded[at : at + _DIGEST], last, secret)
        hidden += last
    return hidden


def _shown(hidden: bytes, authenticator: bytes, secret: str) -> bytes:
    shown, last = b"", authenticator
    for at in range(0, len(hidden), _DIGEST):
        block = hidden[at : at + _DIGEST]
        shown, last = shown + _mixed(block, last, secret), block
    return shown


def _mixed(block: bytes, last: bytes, secret: str) -> bytes:
    digest = hashlib.md5(secret.encode() + last).digest()  # noqa: S324 - of RFC 2865
    return bytes(a ^ b for a, b in zip(block, digest, strict=False))


def _attributes(values: Mapping[str, str]) -> bytes:
    return b"".join(
        _one(name, _bytes(ATTRIBUTES[name].form, text)) for name, text in values.items()
    )


def _one(name: str, value: bytes) -> bytes:
    at = ATTRIBUTES[name]
    own = struct.pack("!BB", at.number, 2 + len(value)) + value
    if not at.vendor:
        return own
    return struct.pack("!BBI", _VENDOR_SPECIFIC, 6 + len(own), at.vendor) + own


def _bytes(form: Form, text: str) -> bytes:
    match form:
        case "text":
            return text.encode()
        case "ip":
            return IPv4Address(text).packed
        case "number":
            return struct.pack("!I", int(text))
        case "bytes":
            return bytes.fromhex(text)


def _text(form: Form, value: bytes) -> str:
    match form:
        case "text":
            return value.decode("utf-8", "replace")
        case "ip" if len(value) == 4:  # noqa: PLR2004 - IPv4's
            return str(IPv4Address(value))
        case "number" if len(value) == 4:  # noqa: PLR2004 - RFC 2865: 32 bits
            return str(int.from_bytes(value))
        case _:
            return value.hex()


def _found(data: bytes) -> Iterator[tuple[str, Form, int, bytes]]:
    """The attributes that we know, each with the place of its value."""
    at = _HEADER.size
    while at < len(data):
        number, length = data[at], data[at + 1] if at + 1 < len(data) else 0
        value = data[at + 2 : at + length]
        if length < 2 or at + length > len(data):  # noqa: PLR2004 - number and length themselves
            raise RadiusError("an attribute has a wrong length")
        vendor, start = 0, at + 2
        if number == _VENDOR_SPECIFIC and len(value) > 6:  # noqa: PLR2004 - vendor, number, length
            vendor, number, value = int.from_bytes(value[:4]), value[4], value[6 : 4 + value[5]]
            start += 6
        known = _BY_NUMBER.get((vendor, number))
        if known is not None:
            yield (*known, start, value)
        at += length
