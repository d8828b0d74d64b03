"""Which URLs of a settings file are taken."""

import ipaddress
from urllib.parse import urlsplit


def safe_url(value: str) -> str:
    """The URL, if nothing that is sent there goes in clear beyond this host.

    Raises:
        ValueError: why it is not taken, in words.
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
    """Whether a name or address is this host's own, whatever a name server says."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
