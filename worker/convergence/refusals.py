"""What the router refused for good during a pass: a service's own fault, or the router's?

Called by `round`. A refusal is held back until the pass knows how many were told the same words:
when they are many, it is the router that refuses us, and no service is given up for it.
"""

from typing import Final, NamedTuple

from worker.convergence.endings import Look

MASS_REFUSAL: Final = "mass-refusal"
"""Why such a router is blocked."""
MASS_MORE_THAN: Final = 5
MASS_SHARE: Final = 0.02
"""More services than this and more than this share of the pass, with the same words."""
PROBE: Final = 2 * MASS_MORE_THAN
"""Services with which a router is tried again that refused so many."""


class Refused(NamedTuple):
    """One service whose write was refused; `known`: in words that say that it can never work."""

    look: Look
    words: str
    known: bool


class Refusals:
    """Of one pass."""

    def __init__(self) -> None:
        self._by_words: dict[str, dict[str, Refused]] = {}

    def hold_back(self, refused: Refused) -> None:
        """Keep one until it is clear whose fault it is."""
        self._by_words.setdefault(refused.words, {})[refused.look.mark.service_id] = refused

    def mass(self, services: int) -> tuple[str, int] | None:
        """The words with which too many of so many services were refused, and how many."""
        for words, refused in self._by_words.items():
            if len(refused) > max(MASS_MORE_THAN, services * MASS_SHARE):
                return words, len(refused)
        return None

    def take(self) -> list[Refused]:
        """All that were held back; they are forgotten here."""
        found = [each for refused in self._by_words.values() for each in refused.values()]
        self._by_words.clear()
        return found
