"""Standard input in the place of a file (`-`), for commands that read it more than once."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from worker.errors import ConfigurationError


@contextmanager
def as_file(path: Path, name: str) -> Iterator[Path]:
    """The path itself; for `-` a copy of standard input in a directory of its own, for a while.

    The copy is as old as the file that was given; what came through a pipe is of 1970.

    Args:
        path: as it was given.
        name: of the copy.

    Raises:
        ConfigurationError: there is no room for the copy.
    """
    if str(path) != "-":
        yield path
        return
    with TemporaryDirectory(prefix="leasewire-") as directory:
        copy = Path(directory) / name
        try:
            with copy.open("wb") as sink:
                shutil.copyfileobj(sys.stdin.buffer, sink)
        except OSError as error:
            problem = f"standard input cannot be kept in {directory}: {error.strerror}"
            raise ConfigurationError([f"{problem}; name another folder in TMPDIR"]) from error
        given = os.fstat(sys.stdin.fileno())
        changed = given.st_mtime_ns if stat.S_ISREG(given.st_mode) else 0
        os.utime(copy, ns=(changed, changed))
        yield copy
