"""The file of `leasewire backup`: gzip over JSON lines.

A head (format, installation, time), an entry for each key (`worker/store/backup.py`), and an end
with their number and the SHA-256 of all lines before it. It holds customers' data and hashes of API
keys, so only its owner may read it.
"""

import contextlib
import gzip
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from worker.core.storage_format import FIRST_STORE_FORMAT
from worker.errors import LeasewireError
from worker.store.backup import BackupEntry
from worker.store.keys import Keys

FORMAT: Final = 1
"""Increased when older versions would misread the file."""
_LEVEL: Final = 6
_STORE_FORMAT: Final = Keys("").store_format


class BackupError(LeasewireError):
    """A backup cannot be made or restored; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a backup.

    Attributes:
        installation: id of the installation.
        at_ms: time of the backup, by Redis's clock.
        written_by: version of Leasewire.
        entries: number of entries; 0 before they are read.
        store_format: of the records in it, once the entries were read.
    """

    installation: str
    at_ms: int
    written_by: str
    entries: int = 0
    store_format: int = FIRST_STORE_FORMAT


def write(file: Path, head: Head, entries: Iterable[BackupEntry]) -> int:
    """Write a backup; an existing file is replaced when the new one is complete and on the disk.

    `-` is standard output; a backup that is cut short has no end, and `check` refuses it.

    Returns:
        The number of entries.

    Raises:
        BackupError: the file cannot be written.
    """
    digest = hashlib.sha256()
    count = 0
    with _standard_output() if str(file) == "-" else _whole(file) as sink:

        def put(document: object) -> None:
            line = json.dumps(document, separators=(",", ":")) + "\n"
            digest.update(line.encode())
            sink.write(line)

        about = {"written_by": head.written_by, "installation": head.installation}
        put({"leasewire_backup": FORMAT} | about | {"at_ms": head.at_ms})
        for entry in entries:
            put(entry)
            count += 1
        put({"end": count, "sha256": digest.hexdigest()})
    return count


def check(file: Path, on_entry: Callable[[], None] = lambda: None) -> Head:
    """Read a whole backup and check it.

    Raises:
        BackupError: it is no backup, of a newer version, cut or changed.
    """
    digest = hashlib.sha256()
    head: dict[str, Any] = {}
    end: dict[str, Any] = {}
    count, store_format = 0, FIRST_STORE_FORMAT
    for text in _lines(file):
        found = _json(file, text)
        if not head:
            head = _head(file, found)
        elif isinstance(found, dict):
            end = found
            break
        else:
            count += 1
            on_entry()
            # A later entry of a key replaces an earlier one.
            if isinstance(found, list) and found[0] == _STORE_FORMAT:
                store_format = int(found[2])
        digest.update(text.encode())
    if not head or end.get("end") != count or end.get("sha256") != digest.hexdigest():
        raise BackupError(f"{file} is incomplete or was changed; use another backup")
    return Head(head["installation"], head["at_ms"], head["written_by"], count, store_format)


def entries(file: Path) -> Iterator[BackupEntry]:
    """The entries of a backup that was checked."""
    for text in _lines(file):
        found = json.loads(text)
        if isinstance(found, list):
            yield BackupEntry(*found)


def _head(file: Path, found: object) -> dict[str, Any]:
    kinds = {"leasewire_backup": int, "written_by": str, "installation": str, "at_ms": int}
    if not isinstance(found, dict) or any(
        not isinstance(found.get(name), kind) for name, kind in kinds.items()
    ):
        raise BackupError(f"{file} is no backup of Leasewire")
    if found["leasewire_backup"] > FORMAT:
        raise BackupError(
            f"{file} has format {found['leasewire_backup']}, this version reads {FORMAT}: restore "
            f"it with Leasewire {found['written_by']} or a newer one"
        )
    return found


def _json(file: Path, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BackupError(f"{file} is no backup of Leasewire, or was changed") from error


def _lines(file: Path) -> Iterator[str]:
    try:
        with gzip.open(file, "rt", encoding="ascii", newline="\n") as source:
            yield from source
    except (EOFError, zlib.error) as error:
        raise BackupError(f"{file} is incomplete or was changed; use another backup") from error
    except (gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise BackupError(f"{file} is no backup of Leasewire, or was changed") from error
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror}") from error


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    if sys.stdout.isatty():
        raise BackupError("standard output is a terminal: redirect it to a file, as in `- > FILE`")
    try:
        output = sys.stdout.buffer
        with gzip.open(output, "wt", _LEVEL, encoding="ascii", newline="\n") as sink:
            yield sink
        output.flush()
    except OSError as error:
        raise BackupError(f"standard output cannot be written: {error.strerror}") from error


@contextmanager
def _whole(file: Path) -> Iterator[TextIO]:
    """A text file that gets its name when it is complete, and is removed after a failure."""
    part = file.with_name(f"{file.name}.part-{os.getpid()}")
    try:
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as disk:
                with gzip.open(disk, "wt", _LEVEL, encoding="ascii", newline="\n") as sink:
                    yield sink
                disk.flush()
                os.fsync(disk.fileno())
            part.replace(file)
        except OSError as error:
            raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
