"""Builds all packages into build/packages and runs the demo of the wheel: `make packages`.

In a fresh environment for each Python that is on the path, by the hashes of the lock.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.packages.building import (
    EXTRAS,
    PYTHONS,
    ROOT,
    built,
    copied,
    environment,
    interpreter,
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
                sys.stdout.write(f"Python {version}: none on the path, not tried\n")
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


if __name__ == "__main__":
    sys.exit(main())
