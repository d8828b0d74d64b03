"""Install the public clients written in Python: `install.py FOLDER LOCK`, standard library only.

They get an environment of their own, so that what they need meets nothing of ours. Of the package
`ansible` only one collection is taken out: the whole of it is half a gigabyte and half a minute.
"""

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

COLLECTION = "ansible_collections/community/routeros/"
PIP_FLAGS = ("--quiet", "--disable-pip-version-check", "--no-deps")


def install(folder: Path, lock: Path) -> None:
    """Make the environment anew; its stamp `.ready` comes last.

    Raises:
        subprocess.CalledProcessError: pip failed, and has said why.
    """
    venv.create(folder, clear=True, with_pip=True)
    pip, wheels = (str(folder / "bin/python"), "-m", "pip"), folder / "wheels"
    pinned = ("--require-hashes", "--only-binary=:all:", "-r", str(lock))
    subprocess.run(
        [*pip, "download", *PIP_FLAGS, "--retries=1", *pinned, "-d", str(wheels)], check=True
    )
    (bundle,) = wheels.glob("ansible-[0-9]*.whl")
    with zipfile.ZipFile(bundle) as archive:
        members = [name for name in archive.namelist() if name.startswith(COLLECTION)]
        archive.extractall(folder / "collections", members)
    bundle.unlink()
    rest = map(str, wheels.glob("*.whl"))
    subprocess.run([*pip, "install", *PIP_FLAGS, "--no-index", *rest], check=True)
    shutil.rmtree(wheels)
    (folder / ".ready").touch()


if __name__ == "__main__":
    install(Path(sys.argv[1]).absolute(), Path(sys.argv[2]))
