"""`outcomes.toml`: where outcome webhooks go. Secrets stand elsewhere, in a file or variable.

A target comes from this file alone: no event and no request can name one.
"""

import base64
import binascii
import tomllib
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
from producers.endpoints import safe_url

_SHORTEST_SECRET: Final = 24  # bytes, as Standard Webhooks asks

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
State = Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,32}$")]
Text = Annotated[str, Field(min_length=1)]


class TargetsError(Exception):
    """`outcomes.toml` cannot be used; `problems` has a line for every mistake."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True)
class Target:
    """One receiver of outcome webhooks.

    Attributes:
        name: as people call it.
        url: `https://`; `http://` only to this host.
        sources: of whose events it is told.
        states: of which it is told; empty: all.
        secret: `whsec_…`, with which each webhook is signed; None: not read, as nothing is sent.
        ca_file: authorities that its certificate may come from; None: the system's.
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


class _File(BaseModel):
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
    """Read the file; without one there are no targets.

    Args:
        path: of it; files that it names are relative to its folder.
        sources: that the inventory knows.
        environ: where secrets are looked up.
        on_secret: told each secret, so that logs leave it out.
        signing: False: read no secret, for who only looks at how targets are doing.

    Raises:
        TargetsError: with every mistake.
    """
    if not path.exists():
        return []
    try:
        file = _File.model_validate(tomllib.loads(path.read_text("utf-8-sig")))
    except OSError as error:
        raise TargetsError([f"{path}: cannot be read: {error.strerror}"]) from error
    except ValidationError as error:
        raise TargetsError([f"{path}: {_line(each)}" for each in error.errors()]) from None
    except ValueError as error:
        raise TargetsError([f"{path}: is not valid TOML: {error}"]) from None
    problems: list[str] = []
    targets = []
    for name, said in file.targets.items():
        where = f"{path}: targets.{name}"
        unknown = sorted(set(said.sources) - sources)
        problems += [
            f"{where}.sources: {each} is in no [sources] of the inventory" for each in unknown
        ]
        ca_file = path.parent / said.ca_file if said.ca_file else None
        if ca_file is not None and not ca_file.is_file():
            problems.append(f"{where}.ca_file: there is no file {ca_file}")
        secret, wrong = _secret(said, path.parent, environ) if signing else (None, "")
        if wrong:
            problems.append(f"{where}{wrong}")
        if secret is not None:
            on_secret(secret)
        targets.append(
            Target(
                name=name,
                url=said.url,
                sources=tuple(dict.fromkeys(said.sources)),
                states=frozenset(said.states),
                secret=None if secret is None else SecretStr(secret),
                ca_file=ca_file,
                timeout_s=said.timeout_s,
            )
        )
    if problems:
        raise TargetsError(problems)
    return targets


def _secret(said: _Target, folder: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """The secret, and what is wrong with it."""
    if (said.secret_file is None) == (said.secret_env is None):
        return "", ": name either secret_file or secret_env"
    if said.secret_env is not None:
        what, found = f".secret_env: the variable {said.secret_env}", environ.get(said.secret_env)
    else:
        what = f".secret_file: the file {folder / (said.secret_file or '')}"
        try:
            found = (folder / (said.secret_file or "")).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            found = None
    secret = (found or "").strip()
    if not secret:
        return "", f"{what} is empty or cannot be read; `leasewire outcomes secret` makes one"
    try:
        long_enough = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        long_enough = 0
    if not secret.startswith(PREFIX) or long_enough < _SHORTEST_SECRET:
        return (
            "",
            f"{what} holds no secret: `{PREFIX}` and base64 of {_SHORTEST_SECRET} bytes or more",
        )
    return secret, ""


def _line(found: Mapping[str, object]) -> str:
    place = found["loc"]
    assert isinstance(place, tuple)  # noqa: S101 - pydantic's own
    where = ".".join(str(part) for part in place if part != "[key]")
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        message = "is no key"
    return f"{where}: {message}"
