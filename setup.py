"""Builds the wheel: one top-level package, `leasewire`, with the folders beside it inside.

`worker` and `contracts` are names that other packages may have too. So `worker/store` is installed
as `leasewire.worker.store`, and each `import worker…` of an installed module gets the prefix. An
editable install keeps the folders as they are.
"""

import ast
import shutil
from collections.abc import Collection
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

PACKAGE = "leasewire"
MOVED = ("contracts", "producers", "worker", "gateway", "simulator")


def moved(source: bytes, package: str, names: Collection[str] = MOVED) -> bytes:
    """Return a module's source with its imports of `names` leading below `package`.

    Imports are found by the syntax tree; nothing else changes, and no line is added.

    Raises:
        ValueError: an import that binds a name that is gone, such as `import worker.store`.
    """
    lines = source.splitlines(keepends=True)
    places: list[tuple[int, int, str]] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), level=0) if _root(module) in names:
                column = node.col_offset + len("from ")
                places.append((node.lineno, column, f"{package}."))
                _check(lines[node.lineno - 1], column, module)
            case ast.Import(names=[ast.alias(name, as_name) as alias]) if _root(name) in names:
                if "." not in name:  # `from leasewire import worker` binds the same name
                    places.append((node.lineno, node.col_offset, f"from {package} "))
                elif as_name is not None:
                    places.append((alias.lineno, alias.col_offset, f"{package}."))
                else:
                    message = f"line {node.lineno}: import {name}: write from … import …, or … as …"
                    raise ValueError(message)
            case ast.Import() if any(_root(alias.name) in names for alias in node.names):
                raise ValueError(f"line {node.lineno}: import each of our packages by a line")
    for line, column, prefix in sorted(places, reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + prefix.encode() + text[column:]
    return b"".join(lines)


def _root(module: str) -> str:
    return module.partition(".")[0]


def _check(line: bytes, column: int, module: str) -> None:
    if not line[column:].startswith(module.encode()):
        raise ValueError(f"from {module} import: write it on one line, with single spaces")


class BuildMoved(build_py):
    """Copies modules with their imports moved."""

    def run(self) -> None:
        """Build into an empty folder: a module that is gone must not be in the next wheel."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()

    def build_module(
        self, module: str, module_file: str, package: str | list[str] | tuple[str, ...]
    ) -> tuple[str, bool]:
        """Write one module; returns its place in the build."""
        outfile, copied = super().build_module(module, module_file, package)
        try:
            Path(outfile).write_bytes(moved(Path(module_file).read_bytes(), PACKAGE))
        except ValueError as error:
            raise ValueError(f"{module_file}: {error}") from None
        return outfile, copied


class EditableFolders(editable_wheel):
    """Finds the folders of the checkout under the names that they have there."""

    def finalize_options(self) -> None:
        """Undo the move before the folders are read."""
        self.distribution.packages = found
        self.distribution.package_dir = {}
        super().finalize_options()


if __name__ == "__main__":
    # Folders of data are packages too, without an `__init__.py`.
    found = find_namespace_packages(include=[f"{name}*" for name in (PACKAGE, *MOVED)])
    setup(
        packages=[name if _root(name) == PACKAGE else f"{PACKAGE}.{name}" for name in found],
        package_dir={f"{PACKAGE}.{name}": name for name in MOVED},
        cmdclass={"build_py": BuildMoved, "editable_wheel": EditableFolders},
    )
