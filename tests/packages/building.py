"""Builds the packages from a copy of the checkout, and installs them into fresh environments."""

import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from uv import find_uv_bin

from tests.needs import missing

ROOT = Path(__file__).parents[2]
FOLDERS = ("contracts", "producers", "worker", "gateway", "simulator", "leasewire")
FILES = ("*.toml", "*.py", "*.md", "MANIFEST.in", "LICENSE", "requirements.lock")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
EXTRAS = "embedded,console,alerts,metrics,outbox"


def copied(folder: Path) -> Path:
    """Copy what is built: what an earlier build left in the checkout stays out."""
    left = ("__pycache__", "*.pyc", ".*", "build", "*.egg-info", "leasewire_client")
    ignored = shutil.ignore_patterns(*left)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for pattern in FILES:
        for path in ROOT.glob(pattern):
            shutil.copy(path, folder)
    shutil.copytree(ROOT / "clients", folder / "clients", ignore=ignored)
    return folder


def built(project: Path, out: Path, *kinds: str) -> Path:
    """Build a project, by default its sdist and of that its wheel; returns the wheel."""
    flags = ("--quiet", "--no-build-isolation", "--python", sys.executable, "-o", str(out))
    _run(find_uv_bin(), "build", *flags, *kinds, str(project))
    name = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    [wheel] = out.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


def interpreter(version: str) -> str | None:
    """The Python of that version on the path, if it runs."""
    found = shutil.which(f"python{version}")
    return found if found is not None and not tried(found, "-c", "").returncode else None


def environment(
    folder: Path, python: str, wheel: Path, extras: str, lock: Path, *flags: str
) -> Path:
    """Make an environment with a wheel and what it needs, by the lock's hashes.

    Args:
        folder: of the environment.
        python: its interpreter.
        wheel: what to install.
        extras: of the wheel, in brackets.
        lock: versions and hashes.
        flags: further ones of `uv pip install`.

    Returns:
        The folder of its programs.
    """
    _run(find_uv_bin(), "venv", "--quiet", "--python", python, str(folder))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    name = wheel.name.partition("-")[0]
    wanted = f"{name}{extras} @ {wheel.as_uri()}#sha256={digest}"
    pinned = ("--quiet", "--python", str(folder), "--require-hashes", "-c", str(lock))
    result = tried(find_uv_bin(), "pip", "install", *pinned, *flags, wanted)
    if result.returncode:
        if "error resolving DNS" in result.stderr or "Failed to fetch" in result.stderr:
            missing(f"no package index: {result.stderr}")
        raise AssertionError(result.stderr)
    return folder / "bin"


def tried(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _run(*command: str) -> None:
    result = tried(*command)
    assert result.returncode == 0, f"{command}: {result.stderr}"
