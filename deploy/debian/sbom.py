"""Writes deploy/sbom.cdx.json: the libraries of requirements.lock as the image has them.

`make sbom` runs it. Links to pages of the libraries stay out: they change without us, and nobody
checks them.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
SBOM: Final = ROOT / "deploy" / "sbom.cdx.json"
PYTHON: Final = "3.13"
"""As in deploy/Dockerfile and in Debian 13."""


def main() -> None:
    """Install the lock into an environment of its own, and list what is there."""
    uv = (sys.executable, "-m", "uv")
    with tempfile.TemporaryDirectory(prefix="leasewire-sbom-") as folder:
        lock = ("--require-hashes", "-r", ROOT / "requirements.lock")
        _run(*uv, "venv", "--quiet", "--python", PYTHON, folder)
        _run(*uv, "pip", "install", "--quiet", "--python", folder, *lock)
        project = ("--pyproject", ROOT / "pyproject.toml", "--mc-type", "application")
        listed = Path(folder) / "listed.json"
        tool = (sys.executable, "-m", "cyclonedx_py", "environment", *project)
        _run(*tool, "--output-reproducible", "--output-file", listed, folder)
        found = _without_links(json.loads(listed.read_text("utf-8")))
    SBOM.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _without_links(value: Any) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case dict():
            kept = {name: inner for name, inner in value.items() if name != "externalReferences"}
            return {name: _without_links(inner) for name, inner in kept.items()}
        case list():
            return [_without_links(inner) for inner in value]
        case _:
            return value


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    main()
