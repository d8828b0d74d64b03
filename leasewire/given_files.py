"""Files that are named on the command line; `-` is standard input."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PosixPath
from tempfile import TemporaryDirectory
from typing import Final

from leasewire.answer import bad_input
from worker.errors import ConfigurationError
from worker.log_setup import hide_secret

_MOST_BYTES: Final = 4096


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


# Passwords and keys are in files, as others can read the command line.
def password_in(file: Path) -> str:
    """Return the first line of a file; `-` is standard input.

    Raises:
        typer.Exit: 2: it cannot be read, is no text, or is empty.
    """
    name = "standard input" if str(file) == "-" else str(file)
    try:
        if str(file) == "-":
            line = sys.stdin.buffer.readline(_MOST_BYTES + 1)
        else:
            with file.open("rb") as lines:
                line = lines.readline(_MOST_BYTES + 1)
        password = line.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        bad_input(f"{name}: cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        bad_input(f"{name}: is not UTF-8 text")
    if len(line) > _MOST_BYTES:
        bad_input(f"{name}: its first line is longer than {_MOST_BYTES} bytes")
    if not password:
        bad_input(f"{name}: its first line is empty")
    hide_secret(password)
    return password


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
