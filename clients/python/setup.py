"""Builds `leasewire-client` of Leasewire's own modules: those that its two fronts need.

In the repository it writes the package `leasewire_client` first; an sdist has it already.
"""

import ast
import runpy
import shutil
import tomllib
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PACKAGE = "leasewire_client"
NAMES = ("contracts", "producers")
FRONTS = {HERE / "exports.py": "__init__.py", HERE / "models.py": "contracts/__init__.py"}


def write_package() -> None:
    """Write the package: its fronts, and the modules that they import, no others."""
    moved = runpy.run_path(str(REPOSITORY / "setup.py"))["moved"]
    target = HERE / PACKAGE
    shutil.rmtree(target, ignore_errors=True)
    waiting, done = [*FRONTS], set()
    while waiting:
        path = waiting.pop()
        if path not in done:
            done.add(path)
            waiting += imported_by(path)
    for name in NAMES:
        (target / name).mkdir(parents=True)
        (target / name / "__init__.py").touch()
    (target / "py.typed").touch()
    for path in done:
        place = target / FRONTS.get(path, path.relative_to(REPOSITORY))
        place.write_bytes(moved(path.read_bytes(), PACKAGE, NAMES))


def imported_by(path: Path) -> Iterator[Path]:
    """The files of our modules that a module imports.

    `from contracts import names` is the module `names`; of any other name, the package itself.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if (
                module.partition(".")[0] in NAMES
            ):
                folder = REPOSITORY / module.replace(".", "/")
                if not folder.is_dir():
                    yield folder.with_suffix(".py")
                    continue
                for name in names:
                    file = folder / f"{name.name}.py"
                    yield file if file.is_file() else folder / "__init__.py"


def version() -> str:
    """Leasewire's version."""
    if is_in_repository:
        return str(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"])
    return str(message_from_bytes((HERE / "PKG-INFO").read_bytes())["Version"])


is_in_repository = (REPOSITORY / "contracts").is_dir()
if is_in_repository:
    write_package()
setup(version=version())
