"""The version of this program, as every part says it."""

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final

_PROJECT: Final = Path(__file__).parents[1] / "pyproject.toml"


def installed_version() -> str:
    """The version of the installed package, or of a checkout or image that is not installed."""
    try:
        return metadata.version("leasewire")
    except metadata.PackageNotFoundError:
        return str(tomllib.loads(_PROJECT.read_text("utf-8"))["project"]["version"])


def release_of(version: str) -> tuple[int, ...]:
    """The numbers of a release, such as (0, 1, 0): of two versions the newer has the greater."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
