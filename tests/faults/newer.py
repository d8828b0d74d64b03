"""A newer version beside the one of now: it writes records of the next format, and reads both.

`python -m tests.faults.newer leasewire …` runs the command as that version.
"""

import sys
from collections.abc import Callable
from typing import Final

from leasewire import cli
from worker.core.service import record_format

_NOW: Final = int(record_format.RECORD_FORMAT)
_NEXT: Final = int(record_format.SHORT_LEASE_FORMAT) + 1


class _Newer(int):
    """The number of the next format; a text of the one of now can be read too."""

    def __eq__(self, other: object) -> bool:
        return other in (_NOW, _NEXT)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__


def be_newer() -> Callable[[], None]:
    """Read and write records as a newer version does; returns what ends that."""
    before = record_format.RECORD_FORMAT
    record_format.RECORD_FORMAT = _Newer(_NEXT)  # type: ignore[misc]

    def be_of_now() -> None:
        record_format.RECORD_FORMAT = before  # type: ignore[misc]

    return be_of_now


if __name__ == "__main__":
    be_newer()
    sys.argv = sys.argv[1:]
    cli.main()
