"""Checks the signature of a webhook over its raw bytes. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from contracts.webhook_signature import SignatureRefused, verify
from gateway.hooks.config import Hook


def check_signature(hook: Hook, headers: Mapping[str, str], body: bytes, now_s: float) -> None:
    """Check that a request is signed as the hook requires.

    Args:
        hook: the hook of the request.
        headers: by lower-case name.
        body: the raw bytes.
        now_s: seconds since 1970.

    Raises:
        SignatureRefused: it is not.
    """
    signature, secret = hook.signature, hook.signing_secret
    if signature is None or secret is None:
        return
    key = secret.get_secret_value()
    if signature.scheme == "standard-webhooks":
        verify(key, headers, body, now_s)
        return
    given = headers.get(signature.header.lower(), "").removeprefix(signature.prefix)
    if signature.scheme == "token":
        wanted = key
    else:
        digest = hmac.digest(key.encode(), body, getattr(hashlib, signature.algorithm))
        hexadecimal = signature.encoding == "hex"
        wanted = digest.hex() if hexadecimal else base64.b64encode(digest).decode()
        given = given.strip().lower() if hexadecimal else given.strip()
    if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogateescape")):
        message = f"the header {signature.header} does not match: check the secret on both sides"
        raise SignatureRefused("bad-signature", message)
