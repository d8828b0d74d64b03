"""The version of this program, as every part says it."""

from importlib import metadata


def installed_version() -> str:
    """The version of the installed package; `unknown` in a checkout that is not installed."""
    try:
        return metadata.version("leasewire")
    except metadata.PackageNotFoundError:
        return "unknown"
