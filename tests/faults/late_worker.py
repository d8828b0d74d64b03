"""A worker of now that was away while the others were upgraded, and does not notice it.

`python -m tests.faults.late_worker KIND`. It meets the store in a format that it does not read, as
one does that was frozen, until its next sign of life.
"""

from tests.faults import odd_worker
from worker.core.storage_format import FIRST_STORE_FORMAT
from worker.store.store_format import StoreFormat


def _saw(store_format: StoreFormat, _number: int) -> int:
    store_format.in_use = FIRST_STORE_FORMAT
    return FIRST_STORE_FORMAT


if __name__ == "__main__":
    StoreFormat.saw = _saw  # type: ignore[method-assign]
    odd_worker.run()
