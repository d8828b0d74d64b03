"""A newer version beside the one of now: it writes records of the next format, and reads both.

`python -m tests.faults.newer leasewire …` runs the command as that version.
"""

import sys
from collections.abc import Callable
from typing import Final

from leasewire import cli
from worker.core.service import record_format

_NEXT: Final = record_format.IPV6_FORMAT + 1


def be_newer() -> Callable[[], None]:
    """Read and write records as a newer version does; returns what ends that."""
    names = ("RECORD_FORMAT", "IPV6_FORMAT", "_FORMATS")
    before = {name: getattr(record_format, name) for name in names}
    formats = (*before["_FORMATS"], _NEXT)
    vars(record_format).update(RECORD_FORMAT=_NEXT, IPV6_FORMAT=_NEXT, _FORMATS=formats)

    def be_of_now() -> None:
        vars(record_format).update(before)

    return be_of_now


if __name__ == "__main__":
    be_newer()
    sys.argv = sys.argv[1:]
    cli.main()
