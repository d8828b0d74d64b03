"""How long to leave a way in alone that refused us."""

import random
from dataclasses import dataclass
from typing import Final

_LONGEST_ASKED_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double, with jitter, so that callers do not come back all at once.

    Attributes:
        first_s: least wait, and the first.
        cap_s: longest wait.
    """

    first_s: float = 1.0
    cap_s: float = 300.0

    def wait_s(self, failures: int, asked_s: float | None = None) -> float:
        """Give a wait.

        Args:
            failures: in a row, from 1.
            asked_s: what `Retry-After` said: it is waited for, up to an hour.
        """
        top = min(self.cap_s, self.first_s * 2 ** min(failures - 1, 30))
        drawn = random.uniform(self.first_s, top)  # noqa: S311 - spreads callers, keeps no secret
        return max(drawn, min(asked_s or 0.0, _LONGEST_ASKED_S))
