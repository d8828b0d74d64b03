"""Which URLs may be used, and TLS with a certificate authority of one's own."""

import ipaddress
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

# From Python 3.13 on, `ssl` rejects authorities without extensions (key usage, key ids) that only
# newer recipes write. Whoever names an authority in a file trusts it; chain, name and dates are
# verified all the same.
REDIS_OPTIONS: Final[dict[str, Any]] = {"ssl_exclude_verify_flags": [ssl.VERIFY_X509_STRICT]}
"""Options of redis-py, beside `ssl_ca_certs`."""


def trusting(ca_file: Path | str | None) -> ssl.SSLContext:
    """Make a client context that trusts the authorities in a file; None: those of the system."""
    context = ssl.create_default_context(cafile=ca_file)
    if ca_file is not None:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def safe_url(value: str) -> str:
    """Return the URL if it is HTTPS, or HTTP to this host.

    Raises:
        ValueError: what is wrong with it.
    """
    try:
        url = urlsplit(value)
        host = url.hostname or ""
        url.port  # noqa: B018 - reading it checks it
    except ValueError:
        raise ValueError("is no URL") from None
    if not host:
        raise ValueError("must be a URL with a host")
    if url.username or url.password:
        raise ValueError("must hold no user and no password")
    if url.scheme == "http" and not is_this_host(host):
        raise ValueError("must begin with https:// where it leaves this host")
    if url.scheme not in {"http", "https"}:
        raise ValueError("must begin with https://")
    return value


def is_this_host(host: str) -> bool:
    """Whether a name or address is this host's own. No name server is asked."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
