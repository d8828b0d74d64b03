"""A newer version beside the one of now: it has a store format more, with another text of records.

`python -m tests.faults.newer MODULE …` runs a module as that version.
"""

import runpy
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Final

import pytest

from worker import version
from worker.core.service import record_format
from worker.core.service.formats import STORE_FORMATS, RecordFormats
from worker.store.store_format import StoreFormat

VERSION: Final = "99.0.0"
FORMAT: Final = max(STORE_FORMATS) + 1
_NUMBER: Final = max(map(max, STORE_FORMATS.values())) + 1
_COUNTS_MS: Final = 4_000
"""Workers of these tests are killed all the time: nobody waits for them for long."""
_SETTLES_S: Final = 2.0


def be_newer() -> Callable[[], None]:
    """Read and write records as a newer version does; returns what ends that."""
    patch = pytest.MonkeyPatch()
    patch.setitem(STORE_FORMATS, FORMAT, RecordFormats(*[_NUMBER] * len(RecordFormats._fields)))
    patch.setattr(record_format, "RECORD_FORMATS", record_format.RECORD_FORMATS | {_NUMBER})
    patch.setattr(version, "metadata", SimpleNamespace(version=lambda _: VERSION))
    patch.setattr(StoreFormat, "COUNTS_MS", _COUNTS_MS)
    patch.setattr(StoreFormat, "SETTLES_S", _SETTLES_S)
    return patch.undo


if __name__ == "__main__":
    be_newer()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=False)
