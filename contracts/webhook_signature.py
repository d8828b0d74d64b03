"""Standard Webhooks 1.0: signs requests and verifies signatures.

Source:
    Standard Webhooks specification 1.0.0, "Symmetric signatures".
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final, Literal

TOLERANCE_S: Final = 300
"""Largest difference between a signature's time and ours."""
PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32  # the specification asks for 24 to 64
_VERSION: Final = "v1"
_DIGITS: Final = 12  # of seconds since 1970, for the next 30,000 years


class SignatureRefused(Exception):  # noqa: N818 - says what happened
    """The request is not signed as its key requires.

    Attributes:
        code: `bad-signature`, or `bad-timestamp` when only its time is wrong.
        message: what is wrong and what to do.
    """

    def __init__(self, code: Literal["bad-signature", "bad-timestamp"], message: str) -> None:
        self.code: Literal["bad-signature", "bad-timestamp"] = code
        self.message = message
        super().__init__(code, message)


def new_secret() -> str:
    """Return a new secret for one key; both sides keep it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Sign a body; returns one `v1,…` of the header `webhook-signature`.

    Args:
        secret: `whsec_` and base64.
        webhook_id: id of the event or batch, without a full stop.
        timestamp: seconds since 1970.
        body: the raw bytes.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX))
    content = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    digest = hmac.digest(key, content, hashlib.sha256)
    return f"{_VERSION},{base64.b64encode(digest).decode()}"


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> str:
    """Check a signed request.

    Args:
        secret: as for `sign`.
        headers: of the request, by lower-case name.
        body: the raw bytes.
        now_s: seconds since 1970.

    Returns:
        The `webhook-id`.

    Raises:
        SignatureRefused: the signature is wrong, or too old or too new.
    """
    webhook_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not (webhook_id and timestamp and given):
        message = "send the headers webhook-id, webhook-timestamp and webhook-signature"
        raise SignatureRefused("bad-signature", message)
    if "." in webhook_id:  # id.timestamp.body could be split elsewhere
        raise SignatureRefused("bad-signature", "webhook-id must not contain a full stop")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _DIGITS):
        raise SignatureRefused("bad-signature", "webhook-timestamp must be seconds since 1970")
    wanted = sign(secret, webhook_id, int(timestamp), body).encode()
    # All candidates are compared, each in constant time, so that timing reveals nothing.
    matches = [hmac.compare_digest(wanted, _bytes(candidate)) for candidate in given.split(" ")]
    if not any(matches):
        message = "no signature matches: sign id.timestamp.body with the secret of this key"
        raise SignatureRefused("bad-signature", message)
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        message = f"was signed more than {TOLERANCE_S} s from now: sign again at each attempt"
        raise SignatureRefused("bad-timestamp", message)
    return webhook_id


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
