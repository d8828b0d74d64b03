"""The version of this program, as every part says it."""

import re
from importlib import metadata


def installed_version() -> str:
    """The version of the installed package; `unknown` in a checkout that is not installed."""
    try:
        return metadata.version("leasewire")
    except metadata.PackageNotFoundError:
        return "unknown"


def release_of(version: str) -> tuple[int, ...]:
    """The numbers of a release, such as (0, 1, 0): of two versions the newer has the greater."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
