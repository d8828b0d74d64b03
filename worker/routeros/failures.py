"""The one place where what went wrong on the way to a router becomes a verdict."""

import re
import ssl
from collections.abc import Collection, Sequence
from http.client import HTTPException, RemoteDisconnected
from pathlib import Path
from typing import Final, Literal

from librouteros.exceptions import FatalError, LibRouterosError, ProtocolError

from worker.core.entry.kind import EntryKind
from worker.errors import OutcomeUnknown, RouterBlocked, RouterUnreachable
from worker.ports import Refusal

FOREIGN: Final = (LibRouterosError, HTTPException, OSError, EOFError)
"""What sockets, TLS, librouteros's codec and the standard library's HTTP parser raise."""

PERMISSION_ADVICE: Final = (
    "Give the group of this user the policies read, write and api, with transport rest also "
    "rest-api (/user/group)"
)

# RouterOS has no error codes, only these texts; the first that is found decides.
_KINDS: Final[tuple[tuple[str, Literal["stale", "waiting", "refused", "not-permitted"]], ...]] = (
    # of an address list; seen on 7.23.7
    ("already have such entry", "stale"),
    # `(4)` stands behind it on the API; seen from 6.x on
    ("no such item", "stale"),
    # seen on 7.24.4: the row was made static, or came back as a dynamic one, since our read
    ("can not change dynamic lease", "stale"),
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

# `(6)` stands behind the first from 6.43 on; the second is older; the third is REST's, whole.
_BAD_LOGIN: Final = re.compile(
    r"invalid user name or password|cannot log in|^unauthorized$", re.IGNORECASE
)

# OpenSSL's reason for an alert that another try will not change: a service of RouterOS without a
# certificate offers anonymous ciphers only.
_NO_COMMON_CIPHER: Final = re.compile("HANDSHAKE_FAILURE|NO_SHARED_CIPHER|NO_CIPHERS")
_PLAIN: Final = re.compile("WRONG_VERSION_NUMBER|UNEXPECTED_EOF|RECORD_LAYER_FAILURE")
"""What OpenSSL says where the other side does not speak TLS."""
_PLAIN_PORT: Final = (
    "; is this the port of the API without TLS, or has the service no certificate yet?"
)


def verdict(
    router: str, doing: str, error: Exception, *, writing: bool = False
) -> RouterUnreachable | RouterBlocked:
    """What a foreign error means.

    Args:
        router: its name.
        doing: what we were at, as in `connecting to 192.0.2.1:8729`.
        error: one of `FOREIGN`.
        writing: something was sent that may have been carried out.
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
    return kind(router, f"{doing}: {_words(error)}{hint}")


def other_certificate(router: str, pinned: str | None, seen: str) -> RouterBlocked:
    """The verdict on a router that shows another certificate than the pinned one, or on no pin."""
    known = "and another one is pinned" if pinned else "and none is pinned"
    return RouterBlocked(
        router,
        "certificate-mismatch" if pinned else "certificate-not-pinned",
        f"its certificate has the fingerprint {seen}, {known}",
        "Compare it with what `/certificate print detail` shows on the router itself; if it is the "
        f'same, write into the inventory: fingerprint = "{seen}"',
    )


def bad_ca_file(router: str, path: Path, error: OSError) -> RouterBlocked:
    """The verdict when the certificates of the authority cannot be loaded."""
    return RouterBlocked(
        router,
        "certificate-invalid",
        f"{path}: {error.strerror or error}",
        "Put the certificate of the authority there, as PEM",
    )


def _words(error: Exception) -> str:
    match error:
        case TimeoutError():
            words = "no answer in time"
        case EOFError() | RemoteDisconnected():
            words = "the router closed the connection"
        case ssl.SSLError():
            words = f"TLS failed: {_reason(error)}"
        case FatalError():
            words = f"the router ended the session: {error}"
        case ProtocolError():
            words = f"the answer is none of the RouterOS API: {error}"
        case HTTPException():
            words = f"the answer is no HTTP: {error!r:.500}"
        case OSError():
            words = error.strerror or str(error)
        case ValueError():
            words = "that is no host name"
        case _:
            words = str(error)
    return words or type(error).__name__


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's word for it, which an error made by Python's own code does not have."""
    return getattr(error, "reason", None) or str(error)


def refusal(traps: Sequence[str], stale: Collection[str] = ()) -> Refusal | None:
    """Return what the router's texts about one write mean; None when it did not complain.

    Args:
        traps: the router's texts.
        stale: parts of texts that mean a stale read, for the kind of entry that was written.
    """
    if not traps:
        return None
    words = "; ".join(traps)
    if any(text in words for text in stale):
        return Refusal("stale", words)
    for text, kind in _KINDS:
        if text in words:
            return Refusal(kind, words)
    return Refusal("unknown-words", words)


def refused_read(
    router: str, doing: str, traps: Sequence[str]
) -> RouterUnreachable | RouterBlocked:
    """The verdict on a router that does not let us read."""
    refused = refusal(traps)
    words = f"{doing}: {'; '.join(traps)}"
    if refused and refused.kind == "not-permitted":
        return RouterBlocked(router, "not-permitted", words, PERMISSION_ADVICE)
    return RouterUnreachable(router, words)


def refused_login(
    router: str, username: str, traps: Sequence[str]
) -> RouterUnreachable | RouterBlocked:
    """The verdict on a router that does not let us in.

    Other words than those of a bad login, such as a RADIUS server's that is down, may pass.
    """
    words = "; ".join(traps)
    if _BAD_LOGIN.search(words):
        return RouterBlocked(
            router,
            "login-refused",
            words,
            f"Check the password of user {username} and where the router lets it log in from",
        )
    return refused_read(router, "logging in", traps)


def no_entry_menu(router: str, kind: EntryKind) -> RouterBlocked:
    """The verdict on a router that lacks the menu for the kind of entry in the inventory."""
    return RouterBlocked(
        router, "no-entry-menu", f"it does not answer {kind.menu.path}", kind.absent_advice
    )


def old_login(router: str) -> RouterBlocked:
    """The verdict on a router that asks for the login of RouterOS before 6.43."""
    return RouterBlocked(
        router,
        "login-refused",
        "it asks for the challenge login of RouterOS before 6.43, which we do not speak",
        "Update RouterOS on this router",
    )


def no_rest(router: str, status: int) -> RouterBlocked:
    """The verdict on a router that answers HTTPS and has no REST, or has it switched off."""
    return RouterBlocked(
        router,
        "login-refused",
        f"it has no REST (status {status})",
        "Update it to RouterOS 7.1 or later and enable REST there, or use transport api-ssl",
    )
