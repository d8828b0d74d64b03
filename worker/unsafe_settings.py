"""What is unsafe about settings that are allowed all the same."""

import ipaddress
import stat
from pathlib import Path
from urllib.parse import parse_qs

from contracts.broker import sentinel_place, split_url
from worker.settings import PREFIX, Settings


def unsafe(settings: Settings) -> list[str]:
    """Return what is unsafe about the connection to Redis, one line each, without secrets."""
    found = []
    url, file = split_url(settings.redis_url), settings.redis_password_file
    place = sentinel_place(settings.redis_url)
    hosts = [url.hostname] if place is None else [host for host, _ in place.sentinels]
    is_plain = url.scheme in ("redis", "sentinel") and not all(map(_is_here, hosts))
    if file and is_plain and not settings.redis_trusted_network:
        tls = "rediss://" if place is None else "sentinels://"
        found.append(
            f"{PREFIX}REDIS_URL: the password is sent to {hosts[0]} unencrypted; use "
            f"{tls}, or {PREFIX}REDIS_TRUSTED_NETWORK=true if nobody can listen in between"
        )
    if parse_qs(url.query).get("ssl_cert_reqs", ["required"]) != ["required"]:
        found.append(
            f"{PREFIX}REDIS_URL: ssl_cert_reqs disables the check of Redis's certificate; "
            f"leave it out, and name its authority in {PREFIX}REDIS_CA_FILE"
        )
    for name, secret in (
        ("REDIS_PASSWORD_FILE", file),
        ("SECRET_KEYS_FILE", settings.secret_keys_file),
    ):
        if secret and is_open_to_others(secret):
            found.append(f"{PREFIX}{name}: every user can read {secret}; chmod o= it")
    return found


def is_open_to_others(file: Path) -> bool:
    """Whether every user of this host may read a file that holds a secret."""
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:  # reported where the file is read
        return False


def _is_here(host: str | None) -> bool:
    try:
        return host in (None, "localhost") or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
