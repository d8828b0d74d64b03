"""Turns what went wrong on the way to a router into our own errors; nothing else does."""

import re
import ssl
from collections.abc import Collection, Sequence
from http.client import HTTPException, RemoteDisconnected
from pathlib import Path
from typing import Final, Literal

from librouteros.exceptions import FatalError, LibRouterosError, ProtocolError

from worker.core.entry.entry import EntryKind
from worker.errors import OutcomeUnknown, RouterBlocked, RouterUnreachable
from worker.ports import Refusal

FOREIGN: Final = (LibRouterosError, HTTPException, OSError, EOFError)
"""The errors of sockets, TLS, librouteros's codec and the standard library's HTTP parser."""

PERMISSION_ADVICE: Final = (
    "Give the group of this user the policies read, write and api, with transport rest also "
    "rest-api (/user/group)"
)

# RouterOS has no error codes, only these texts; the first one found decides.
_KINDS: Final[tuple[tuple[str, Literal["stale", "waiting", "refused", "not-permitted"]], ...]] = (
    # of an address list; seen on 7.23.7
    ("already have such entry", "stale"),
    # of a queue: recorded without a category
    ("already have such name", "stale"),
    ("-max-limit less than", "refused"),
    # `(4)` stands behind it on the API; seen from 6.x on
    ("no such item", "stale"),
    # seen on 7.24.4: the row was made static, or came back as a dynamic one, since our read
    ("can not change dynamic lease", "stale"),
    # assumed, after those of leases; a binding of this client or of this prefix
    ("can not change dynamic binding", "stale"),
    ("already have static binding", "stale"),
    # of a binding; recorded without a category
    ("Invalid DUID", "refused"),
    # `… of server`, of a pool, of an option: manual's sample, and 7.23.7
    ("input does not match any value of", "waiting"),
    # 7.x and 6.x; `(9)` stands behind it
    ("not enough permissions", "not-permitted"),
    ("not allowed (9)", "not-permitted"),
    ("invalid value", "refused"),
    ("out of range", "refused"),
    # 7.23.7: a field that this version does not have
    ("unknown parameter", "refused"),
    ("missing =", "refused"),
)

# `(6)` follows the first from 6.43 on; the second is older; the third is all that REST says.
_BAD_LOGIN: Final = re.compile(
    r"invalid user name or password|cannot log in|^unauthorized$", re.IGNORECASE
)

# OpenSSL's reasons that another try will not change: a service without a certificate offers
# only anonymous ciphers.
_NO_COMMON_CIPHER: Final = re.compile("HANDSHAKE_FAILURE|NO_SHARED_CIPHER|NO_CIPHERS")
_PLAIN: Final = re.compile("WRONG_VERSION_NUMBER|UNEXPECTED_EOF|RECORD_LAYER_FAILURE")
"""OpenSSL's reasons where the other side does not speak TLS."""
_PLAIN_PORT: Final = "; check that this is the TLS port and that the service has a certificate"


def verdict(
    router: str, doing: str, error: Exception, *, writing: bool = False
) -> RouterUnreachable | RouterBlocked:
    """Return the error of ours that a foreign one means.

    `doing` is the step that failed, such as `connecting to 192.0.2.1:8729`. With `writing` a
    command was sent that may have been carried out.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return RouterBlocked(
            router,
            "certificate-invalid",
            f"{doing}: {error.verify_message}",
            "Check ca_file and server_name in the inventory against the router's certificate",
        )
    if isinstance(error, ssl.SSLError) and _NO_COMMON_CIPHER.search(_reason(error)):
        return RouterBlocked(
            router,
            "certificate-invalid",
            f"{doing}: the router accepts none of our ciphers",
            "Give its api-ssl service a certificate (/ip/service set api-ssl certificate=…); for "
            "transport rest, www-ssl",
        )
    kind = OutcomeUnknown if writing else RouterUnreachable
    silent = isinstance(error, TimeoutError) or (
        isinstance(error, ssl.SSLError) and _PLAIN.search(_reason(error))
    )
    hint = _PLAIN_PORT if silent and doing.startswith("TLS with") else ""
    return kind(router, f"{doing}: {_describe(error)}{hint}")


def other_certificate(router: str, pinned: str | None, seen: str) -> RouterBlocked:
    """Return the error for a certificate that is not the pinned one, or where none is pinned."""
    known = "but another one is pinned" if pinned else "and none is pinned"
    return RouterBlocked(
        router,
        "certificate-mismatch" if pinned else "certificate-not-pinned",
        f"its certificate has the fingerprint {seen}, {known}",
        "Compare it with what `/certificate print detail` shows on the router itself; if it is the "
        f'same, write into the inventory: fingerprint = "{seen}"',
    )


def bad_ca_file(router: str, path: Path, error: OSError) -> RouterBlocked:
    """Return the error for certificates of an authority that cannot be loaded."""
    return RouterBlocked(
        router,
        "certificate-invalid",
        f"{path}: {error.strerror or error}",
        "Put the certificate of the authority there, in PEM format",
    )


def _describe(error: Exception) -> str:
    match error:
        case TimeoutError():
            text = "no answer in time"
        case EOFError() | RemoteDisconnected():
            text = "the router closed the connection"
        case ssl.SSLError(library="SYS"):  # Python has lost the number of the socket's error
            text = "the connection broke"
        case ssl.SSLError():
            text = f"TLS failed: {_reason(error)}"
        case FatalError():
            text = f"the router ended the session: {error}"
        case ProtocolError():
            text = f"the answer is not one of the RouterOS API: {error}"
        case HTTPException():
            text = f"the answer is not HTTP: {error!r:.500}"
        case OSError():
            text = error.strerror or str(error)
        case ValueError():
            text = "this is not a host name"
        case _:
            text = str(error)
    return text or type(error).__name__


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason, which an error of Python's own code does not have."""
    return getattr(error, "reason", None) or str(error)


def refusal(traps: Sequence[str], stale: Collection[str] = ()) -> Refusal:
    """Return what the router's texts about one write mean.

    `stale` are parts of texts that mean a stale read, for the kind of entry that was written.
    """
    message = "; ".join(traps)
    if any(text in message for text in stale):
        return Refusal("stale", message)
    for text, kind in _KINDS:
        if text in message:
            return Refusal(kind, message)
    return Refusal("unknown-words", message)


def refused_read(
    router: str, doing: str, traps: Sequence[str]
) -> RouterUnreachable | RouterBlocked:
    """Return the error for a refused read."""
    message = f"{doing}: {'; '.join(traps)}"
    if refusal(traps).kind == "not-permitted":
        return RouterBlocked(router, "not-permitted", message, PERMISSION_ADVICE)
    return RouterUnreachable(router, message)


def refused_login(
    router: str, username: str, traps: Sequence[str]
) -> RouterUnreachable | RouterBlocked:
    """Return the error for a refused login.

    A text that is not that of a bad login, such as of a RADIUS server that is down, is temporary.
    """
    message = "; ".join(traps)
    if _BAD_LOGIN.search(message):
        return RouterBlocked(
            router,
            "login-refused",
            message,
            f"Check the password of user {username} and the addresses from which it may log in",
        )
    return refused_read(router, "logging in", traps)


def no_entry_menu(router: str, kind: EntryKind) -> RouterBlocked:
    """Return the error for a router that lacks the menu of the kind of entry in the inventory."""
    return RouterBlocked(
        router, "no-entry-menu", f"it does not answer {kind.menu.path}", kind.absent_advice
    )


def no_secret_keys(router: str, kind: EntryKind) -> RouterBlocked:
    """Return the error for a router with passwords in a process that has no keys for them."""
    return RouterBlocked(
        router,
        "no-secret-keys",
        f"rows of {kind.menu.path} have passwords, and this process has no keys for them",
        "Set LEASEWIRE_SECRET_KEYS_FILE; make a key with: openssl rand -hex 64",
    )


def old_login(router: str) -> RouterBlocked:
    """Return the error for a router that wants the login of RouterOS before 6.43."""
    return RouterBlocked(
        router,
        "login-refused",
        "it wants the challenge login of RouterOS before 6.43, which is not supported",
        "Update RouterOS on this router",
    )


def no_rest(router: str, status: int) -> RouterBlocked:
    """Return the error for a router that answers HTTPS but has no REST, or has it disabled."""
    return RouterBlocked(
        router,
        "login-refused",
        f"it has no REST (status {status})",
        "Update it to RouterOS 7.1 or later and enable REST there, or use transport api-ssl",
    )
