"""`leasewire redis-logins`: passwords for the logins of Redis, and its file of users."""

import hashlib
import os
import re
import secrets
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from leasewire.answer import clean
from worker.core.texts import did_you_mean
from worker.errors import ConfigurationError

_USERS: Final = files("leasewire") / "files" / "redis" / "users.acl"
_HASH: Final = "PASSWORD_SHA256"
_PASSWORD_BYTES: Final = 32
"""As many as the hash has: Redis hashes only once, which is safe for random passwords alone."""
_SERVER: Final = "server"


def redis_logins_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Target; created if missing.")],
    logins: Annotated[
        list[str] | None,
        typer.Argument(metavar="LOGIN…", help="Only these logins of deploy/redis/users.acl."),
    ] = None,
) -> None:
    """Create a password for each login of Redis, and the file of users for the server.

    DIR/LOGIN/password is for LEASEWIRE_REDIS_PASSWORD_FILE; each login has its own directory, so
    its user sees no other password. DIR/server/users.acl is for the server's aclfile and holds only
    hashes. Existing passwords are kept; to change one, delete it and run this again.

    Example: leasewire redis-logins /etc/leasewire/redis leasewire leasewire-gateway
    """
    users = _USERS.read_text(encoding="utf-8").splitlines(keepends=True)
    known = [
        found[1] for line in users if _HASH in line and (found := re.match(r"user (\S+)", line))
    ]
    wanted = logins or known
    for login in wanted:
        if login not in known:
            hint = did_you_mean(login, known) or f"logins: {', '.join(known)}"
            raise ConfigurationError([f"there is no login {login}: {hint}"])
    made, text = [], ""
    try:
        passwords = {}
        for login in wanted:
            passwords[login], is_new = _password(directory / login / "password")
            made += [login] * is_new
        for line in users:
            login = line.split(maxsplit=2)[1]
            if login in passwords:
                text += line.replace(_HASH, hashlib.sha256(passwords[login].encode()).hexdigest())
            elif _HASH not in line:
                text += line
        _write(directory / _SERVER / "users.acl", text, 0o644)
    except OSError as error:
        problem = f"{error.filename}: cannot be read or written: {error.strerror}"
        raise ConfigurationError([problem]) from error
    kept = [login for login in wanted if login not in made]
    typer.echo(
        clean(
            f"Passwords created: {', '.join(made) or 'none'}; kept: {', '.join(kept) or 'none'}. "
            f"Redis reads {directory / _SERVER / 'users.acl'}."
        )
    )


def _password(path: Path) -> tuple[str, bool]:
    """The password in this file, and whether it is new."""
    if path.exists() and (found := path.read_text("utf-8").strip()):
        return found, False
    made = secrets.token_urlsafe(_PASSWORD_BYTES)
    _write(path, f"{made}\n", 0o600)
    return made, True


def _write(path: Path, text: str, mode: int) -> None:
    """Replace a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(mode)
    new.replace(path)
