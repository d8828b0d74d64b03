"""Builds all packages into build/packages and runs the demo of the wheel: `make packages`.

In a fresh environment for each Python that is on the path, by the hashes of the lock.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from uv import find_uv_bin

from tests.packages.building import (
    EXTRAS,
    PYTHONS,
    ROOT,
    built,
    copied,
    environment,
    interpreter,
    tried,
)


def main() -> int:
    """Returns how many demos failed."""
    out = ROOT / "build" / "packages"
    shutil.rmtree(out, ignore_errors=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="lw-") as folder:
        source = copied(Path(folder, "source"))
        wheel = built(source, out)
        built(source / "clients" / "python", out)
        lock = ROOT / "requirements-dev.lock"
        for version in PYTHONS:
            python = interpreter(version)
            if python is None:
                sys.stdout.write(
                    f"Python {version}: none on the path; {wheels_for(version, folder)}\n"
                )
                continue
            extras, compiled = f"[{EXTRAS}]", "--compile-bytecode"  # as pip and pipx do
            home = Path(folder, version)
            programs = environment(home, python, wheel, extras, lock, compiled)
            demo = subprocess.run([programs / "leasewire", "demo"], check=False, cwd=folder)
            sys.stdout.write(f"Python {version}: the demo ended with {demo.returncode}\n")
            sys.stdout.flush()
            failed += demo.returncode != 0
    for path in sorted(out.iterdir()):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return failed


def wheels_for(version: str, folder: str) -> str:
    """Say whether each package of the lock has a wheel for that Python."""
    flags = ("--dry-run", "--target", folder, "--only-binary", ":all:", "--require-hashes")
    lock = str(ROOT / "requirements.lock")
    asked = ("--python-version", version, "-r", lock)
    result = tried(find_uv_bin(), "pip", "install", *flags, *asked)
    return result.stderr if result.returncode else "each package of the lock has a wheel for it"


if __name__ == "__main__":
    sys.exit(main())
