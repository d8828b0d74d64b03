"""Runbooks: what to do about a kind of alert, for command and console."""

from functools import cache
from importlib.resources import files


@cache
def runbooks() -> dict[str, str]:
    """All runbooks by name, as Markdown; they are packaged with the command."""
    folder = files("leasewire") / "files" / "runbooks"
    return {
        page.name.removesuffix(".md"): page.read_text(encoding="utf-8")
        for page in sorted(folder.iterdir(), key=lambda page: page.name)
    }
