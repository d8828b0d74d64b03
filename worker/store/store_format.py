"""The store format: which texts all processes of an installation write.

Each version reads the formats of `STORE_FORMATS`. While processes of two versions run, all write
the format that both read. Once the older ones are gone a worker raises the format, and a record
changes with its next write.
"""

import time
from typing import Final

import structlog

from worker.core.service.formats import STORE_FORMATS
from worker.core.storage_format import FIRST_STORE_FORMAT
from worker.errors import UnreadableStoreError
from worker.store.connection import StorePart
from worker.version import installed_version

log = structlog.get_logger()


class StoreFormat(StorePart):
    """The store format, as this process saw it last.

    Attributes:
        in_use: the format to write; 0: it is not known yet, so `check` it.
    """

    COUNTS_MS: Final = 600_000
    """For so long a process that fell silent counts: it may be cut off, or its host restarts."""
    SETTLES_S: Final = 15.0
    """For so long all must read it: if Redis's clock leaps, all signs look old until the next."""
    in_use = 0
    _all_read_since_s = 0.0

    def check(self) -> int:
        """Read the format; returns it.

        Raises:
            UnreadableStoreError: this version does not read it.
        """
        return self.saw(self.found())

    def found(self) -> int:
        """The format that Redis has now, whether or not this version reads it."""
        return format_of(self._client.get(self._keys.store_format))

    def saw(self, number: int) -> int:
        """Keep the format that Redis has now; returns it.

        It may also be an older one than before: a Redis that lost its last writes.

        Raises:
            UnreadableStoreError: this version does not read it.
        """
        if number not in STORE_FORMATS:
            raise UnreadableStoreError([unreadable(number)])
        self.in_use = number
        return number

    def raise_if_all_read(self) -> None:
        """Raise the format to the newest that all processes read; a worker asks each second."""
        newest, before, now_s = max(STORE_FORMATS), self.in_use or self.check(), time.monotonic()
        if newest <= before:
            return
        since_s = self._all_read_since_s or now_s
        settled = now_s - since_s >= self.SETTLES_S
        common = int(self._scripts.run("raise_format", newest, self.COUNTS_MS, int(settled)))
        self._all_read_since_s = since_s if common > before else 0.0
        if settled and common > before:
            log.warning("store.format_raised", before=before, now=self.saw(common))


def format_of(text: str | None) -> int:
    """The store format, by its text in Redis."""
    return int(text or FIRST_STORE_FORMAT)


def unreadable(number: int) -> str:
    """Say that this version does not read a store format, and what to do."""
    oldest, newest = min(STORE_FORMATS), max(STORE_FORMATS)
    this = f"this is Leasewire {installed_version()}, which reads"
    if number > newest:
        return (
            f"Redis has store format {number}; {this} formats up to {newest}: the other processes "
            "were upgraded, so install their version here (`leasewire upgrade check` names it)"
        )
    return (
        f"Redis has store format {number}; {this} formats from {oldest} on: upgrade all processes "
        "to a version in between first"
    )
