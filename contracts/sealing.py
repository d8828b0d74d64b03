"""Passwords in events are encrypted before they are stored: *sealed*.

The cipher is AES-SIV (RFC 5297): the same password of the same name gives the same text, so that an
event that is published again is a duplicate, and a password can be compared without being read.
Whoever has no key learns of a sealed password only how long it and its name are, in steps of 32
bytes.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from copy import deepcopy
from hashlib import sha256
from typing import Any, Final, NamedTuple, Self

from contracts.errors import Problem
from contracts.parse import logins_in

SEALED: Final = "sealed:"
"""How a sealed password begins; no password may begin so."""
_TOKEN: Final = re.compile(rf"{SEALED}([0-9a-f]{{8}}):([A-Za-z0-9_-]{{64,1024}}=*)")
_KEY: Final = re.compile(r"[0-9A-Fa-f]{128}")
_MOST_KEYS: Final = 16
_STEP: Final = 32
_CODEC: Final = ("utf-8", "surrogateescape")


class SealError(Exception):
    """A password cannot be sealed or opened; the message has neither it nor a key."""


class Login(NamedTuple):
    """What a device logs in with, in clear."""

    name: str
    password: str


class Sealer:
    """Seals passwords with the first of its keys, and opens those of any.

    Args:
        keys: of 64 bytes each, at least one.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        # Here, as clients that publish over HTTP need no such library.
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415

        self._ciphers = {sha256(key).hexdigest()[:8]: AESSIV(key) for key in keys}
        self._first = next(iter(self._ciphers))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a file of keys: 128 hex digits on each line; what follows `#` is a comment.

        Raises:
            SealError: there is none, or a line is none.
        """
        lines = [line.partition("#")[0].strip() for line in text.splitlines()]
        for number, line in enumerate(lines, 1):
            if line and not _KEY.fullmatch(line):
                raise SealError(f"line {number} is no key; make one with: openssl rand -hex 64")
        keys = [bytes.fromhex(line) for line in lines if line]
        if not 0 < len(keys) <= _MOST_KEYS:
            raise SealError(f"it has {len(keys)} keys, and must have 1 to {_MOST_KEYS}, one a line")
        return cls(keys)

    def seal(self, login: Login) -> str:
        """Seal a password for its name; an empty one stays as it is."""
        if not login.password:
            return ""
        data = "\0".join(login).encode(*_CODEC)
        padded = data + bytes(-len(data) % _STEP)
        sealed = self._ciphers[self._first].encrypt(padded, None)
        return f"{SEALED}{self._first}:{urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str) -> Login:
        """Return what was sealed.

        Raises:
            SealError: another key sealed it, or it was changed.
        """
        match = _TOKEN.fullmatch(sealed)
        if match is None:
            raise SealError("the password is not sealed as it must be")
        cipher = self._ciphers.get(match[1])
        if cipher is None:
            raise SealError(f"the password was sealed with key {match[1]}, which we do not have")
        try:
            data = cipher.decrypt(urlsafe_b64decode(match[2]), None)
        except Exception as error:  # the library's own kinds, and no base64
            raise SealError("the sealed password was changed") from error
        name, _, password = data.rstrip(b"\0").decode(*_CODEC).partition("\0")
        return Login(name, password)

    def renew(self, sealed: str) -> str:
        """Seal the text of an older key with the first; what cannot be opened stays as it is."""
        if not sealed.startswith(SEALED) or sealed.startswith(f"{SEALED}{self._first}:"):
            return sealed
        try:
            return self.seal(self.open(sealed))
        except SealError:
            return sealed


def is_same_seal(one: str, other: str) -> bool:
    """Return whether two sealed passwords are the same, or cannot be compared: of two keys."""
    key = len(SEALED) + 8
    return one == other or one[:key] != other[:key]


def clear_passwords(event: Mapping[str, Any]) -> list[str]:
    """Return the JSON pointers of passwords in an event that are not sealed."""
    return [
        f"{place}/password"
        for place, login in logins_in(event)
        if not str(login.get("password", "")).startswith(SEALED)
    ]


def sealed_event(
    event: dict[str, Any], sealer: Sealer | None
) -> tuple[dict[str, Any], list[Problem]]:
    """Return a valid event with its passwords sealed, and the problems of those that cannot be.

    Args:
        event: as JSON, in normal form.
        sealer: None: there are no keys.
    """
    if next(logins_in(event), None) is None:
        return event, []
    sealed, problems = deepcopy(event), []
    for place, login in logins_in(sealed):
        is_sealed, found = login["password"].startswith(SEALED), ""
        try:
            if sealer is None:
                found = "" if is_sealed else _NO_KEYS
            elif not is_sealed:
                login["password"] = sealer.seal(Login(login["name"], login["password"]))
            elif sealer.open(login["password"]).name != login["name"]:
                found = "was sealed for another name; give the password itself"
        except SealError as error:
            found = f"cannot be used: {error}; give the password itself"
        if found:
            code = "not-sealed" if sealer is None else "seal-refused"
            problems.append(Problem(f"{place}/password", code, found))
    return sealed, problems


_NO_KEYS: Final = (
    "is a password, and there are no keys to store it with: the operator of Leasewire sets "
    "LEASEWIRE_SECRET_KEYS_FILE"
)


def masked_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event, valid or not, without its passwords, sealed or not."""
    if next(logins_in(event), None) is None:
        return event
    masked = deepcopy(event)
    for _, login in logins_in(masked):
        login.pop("password", None)
    return masked
