"""The tables `[alerts.NAME]` of `routers.toml`: where alerts are sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from worker.core.alerting.alerts import AlertKind, Severity
from worker.errors import ConfigurationError
from worker.inventory.policy_keys import Text, TomlTable


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTarget:
    """One target of alerts, such as a mailbox or a chat.

    Its URL is in a variable or in a file. It gets alerts of `severity` or worse; no kinds: all.
    """

    name: str
    url_env: str | None = None
    url_file: Path | None = None
    severity: Severity = "warning"
    kinds: frozenset[AlertKind] = frozenset()
    _environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    _on_secret: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    def url(self) -> SecretStr:
        """Look the URL up; it contains a password or a token.

        Raises:
            ConfigurationError: there is none.
        """
        where, found = look_up(self.url_env, self.url_file, self._environ)
        if not found.strip():
            problem = f"alerts.{self.name}: {where} is empty or cannot be read: put its URL there"
            raise ConfigurationError([problem])
        self._on_secret(found.strip())
        return SecretStr(found.strip())


def look_up(
    variable: str | None, file: Path | None, environ: Mapping[str, str], errors: str = "strict"
) -> tuple[str, str]:
    """Return where a secret is, in words, and its text; empty: it cannot be read there.

    Without a variable it is in the file; `errors` is as of `bytes.decode`.
    """
    if variable:
        return f"the variable {variable}", environ.get(variable, "")
    try:
        text = Path(file or "").read_bytes().decode("utf-8", errors)
    except (OSError, ValueError):
        text = ""
    return f"the file {file}", text


class AlertKeys(TomlTable):
    """`[alerts.NAME]`; see `AlertTarget`."""

    url_env: Text | None = None
    url_file: Text | None = None
    severity: Severity = "warning"
    kinds: list[AlertKind] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        if (self.url_env is None) == (self.url_file is None):
            raise ValueError("needs either url_env or url_file: its URL contains a secret")
        return self

    def target(
        self,
        name: str,
        folder: Path,
        environ: Mapping[str, str],
        on_secret: Callable[[str], None],
    ) -> AlertTarget:
        """Return the target."""
        keys = dict(self) | {"kinds": frozenset(self.kinds)}
        keys["url_file"] = folder / self.url_file if self.url_file else None
        return AlertTarget(name=name, **keys, _environ=environ, _on_secret=on_secret)
