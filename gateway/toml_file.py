"""Reads the gateway's TOML files, and the secrets that they name."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.errors import ConfigurationError


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; empty if there is no such file.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise ConfigurationError([f"{path}: is not valid TOML: {error}"]) from None


def read_secret(
    variable: str | None, file: str | None, folder: Path, environ: Mapping[str, str]
) -> tuple[str, str]:
    """Read a secret from a variable, or else from a file; empty if it cannot be read.

    Args:
        variable: its name in `environ`; None: the secret is in `file`.
        file: relative to `folder`.
        folder: of the configuration file.
        environ: the variables.

    Returns:
        The secret, and where it is.
    """
    if variable is not None:
        return environ.get(variable, "").strip(), f"the variable {variable}"
    path = folder / (file or "")
    try:
        return path.read_text("utf-8").strip(), f"the file {path}"
    except (OSError, UnicodeDecodeError):
        return "", f"the file {path}"
