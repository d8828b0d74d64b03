"""`outcomes.toml`: the targets of outcome webhooks. Secrets are in files or variables.

Targets come from this file alone: no event or request can name one.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)

from contracts.webhook_signature import PREFIX
from gateway.toml_file import read_secret, read_toml
from producers.endpoints import safe_url
from worker.errors import ConfigurationError

_SHORTEST_SECRET: Final = 24  # bytes, as Standard Webhooks asks

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
State = Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,32}$")]
Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Target:
    """One receiver of outcome webhooks.

    Attributes:
        name: of the target.
        url: `https://`; `http://` only to this host.
        sources: it gets outcomes of their events.
        states: it gets only these states; empty: all.
        secret: `whsec_…`, signs each webhook; None: not read, nothing is sent.
        ca_file: certificate authorities to trust; None: those of the system.
        timeout_s: from the connection to the status of the answer.
    """

    name: str
    url: str
    sources: tuple[str, ...]
    states: frozenset[str]
    secret: SecretStr | None
    ca_file: Path | None
    timeout_s: float


class _Target(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: Annotated[str, AfterValidator(safe_url)]
    sources: Annotated[list[Text], Field(min_length=1)]
    states: list[State] = Field(default_factory=list)
    secret_file: Text | None = None
    secret_env: Text | None = None
    ca_file: Text | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 15


class _TargetsFile(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    targets: dict[Name, _Target] = Field(default_factory=dict)


def load_targets(
    path: Path,
    *,
    sources: frozenset[str],
    environ: Mapping[str, str],
    on_secret: Callable[[str], None] = lambda _: None,
    signing: bool = True,
) -> list[Target]:
    """Read the file; without a file there are no targets.

    Args:
        path: of the file; paths in it are relative to its folder.
        sources: of the inventory.
        environ: variables that may have secrets.
        on_secret: called with each secret, so that logs leave it out.
        signing: False: read no secrets, to show only the state of targets.

    Raises:
        ConfigurationError: with every mistake.
    """
    try:
        file = _TargetsFile.model_validate(read_toml(path))
    except ValidationError as error:
        raise ConfigurationError([f"{path}: {_line(found)}" for found in error.errors()]) from None
    problems: list[str] = []
    targets = []
    for name, given in file.targets.items():
        where = f"{path}: targets.{name}"
        unknown = sorted(set(given.sources) - sources)
        problems += [
            f"{where}.sources: {source} is not in [sources] of the inventory" for source in unknown
        ]
        ca_file = path.parent / given.ca_file if given.ca_file else None
        if ca_file is not None and not ca_file.is_file():
            problems.append(f"{where}.ca_file: there is no file {ca_file}")
        secret, wrong = _secret(given, path.parent, environ) if signing else (None, "")
        if wrong:
            problems.append(f"{where}{wrong}")
        if secret is not None:
            on_secret(secret)
        targets.append(
            Target(
                name=name,
                url=given.url,
                sources=tuple(dict.fromkeys(given.sources)),
                states=frozenset(given.states),
                secret=None if secret is None else SecretStr(secret),
                ca_file=ca_file,
                timeout_s=given.timeout_s,
            )
        )
    if problems:
        raise ConfigurationError(problems)
    return targets


def _secret(given: _Target, folder: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """The secret, or what is wrong with it; the other is empty."""
    if (given.secret_file is None) == (given.secret_env is None):
        return "", ": give either secret_file or secret_env"
    secret, where = read_secret(given.secret_env, given.secret_file, folder, environ)
    what = f".{'secret_file' if given.secret_env is None else 'secret_env'}: {where}"
    if not secret:
        return "", f"{what} is empty or cannot be read; `leasewire outcomes secret` makes one"
    try:
        long_enough = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        long_enough = 0
    if not secret.startswith(PREFIX) or long_enough < _SHORTEST_SECRET:
        return (
            "",
            f"{what} is not a secret: `{PREFIX}` and base64 of {_SHORTEST_SECRET} bytes or more",
        )
    return secret, ""


def _line(found: Mapping[str, object]) -> str:
    place = found["loc"]
    assert isinstance(place, tuple)  # noqa: S101 - pydantic's own
    where = ".".join(str(part) for part in place if part != "[key]")
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        message = "is not a key here"
    return f"{where}: {message}"
