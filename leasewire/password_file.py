"""Passwords and keys for commands: from a file, as others can read the command line."""

import sys
from pathlib import Path
from typing import Final

from leasewire.answer import bad_input
from worker.log_setup import hide_secret

_MOST_BYTES: Final = 4096


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
