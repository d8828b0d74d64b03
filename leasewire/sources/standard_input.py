"""Standard input in place of a file (`-`)."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PosixPath
from tempfile import TemporaryDirectory

from worker.errors import ConfigurationError


class _Copy(PosixPath):
    """A copy of standard input, which errors call so."""

    def __str__(self) -> str:
        return "standard input"

    def __fspath__(self) -> str:
        return super().__str__()


def text_in(path: Path) -> str:
    """The whole text of a file; `-` is standard input.

    Raises:
        ConfigurationError: it cannot be read, or is no UTF-8.
    """
    from_input = str(path) == "-"
    name = "standard input" if from_input else str(path)
    try:
        raw = sys.stdin.buffer.read() if from_input else path.read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError([f"{name}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{name}: is not UTF-8 text; encode it as UTF-8"]) from error


@contextmanager
def as_file(path: Path, name: str) -> Iterator[Path]:
    """The path itself; for `-` a temporary copy of standard input, which can be read twice.

    The copy has the modification time of the file behind standard input, 1970 for a pipe.

    Raises:
        ConfigurationError: the copy cannot be written.
    """
    if str(path) != "-":
        yield path
        return
    with TemporaryDirectory(prefix="leasewire-") as directory:
        copy = _Copy(directory, name)
        try:
            with copy.open("wb") as sink:
                shutil.copyfileobj(sys.stdin.buffer, sink)
        except OSError as error:
            problem = f"standard input cannot be copied to {directory}: {error.strerror}"
            raise ConfigurationError([f"{problem}; set TMPDIR to another directory"]) from error
        given = os.fstat(sys.stdin.fileno())
        changed = given.st_mtime_ns if stat.S_ISREG(given.st_mode) else 0
        os.utime(copy, ns=(changed, changed))
        yield copy
