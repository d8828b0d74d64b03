"""Settings of Python for processes that compute in some threads and must answer in others."""

import gc
import sys
from typing import Final

COLLECT_AFTER: Final = (50_000, 20, 50)
"""Thresholds of Python's search for reference cycles. A batch makes many objects without cycles:
with Python's own 700 the search took a third of the CPU time of a full read (decision 0050)."""

_SWITCH_AFTER_S: Final = 0.0005
"""How long a computing thread may keep others waiting. With Python's own 5 ms a live pass would
wait that long after each answer that arrives beside a bulk pass (decision 0064)."""


def answer_while_computing() -> None:
    """Set both for this process."""
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(_SWITCH_AFTER_S)
