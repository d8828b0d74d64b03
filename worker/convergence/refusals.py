"""What the router refused for good during a pass: a service's own fault, or the router's?

A refusal is held back until the pass knows how many were told the same words: when they are many,
it is the router that refuses us, and no service is given up for it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from worker.convergence.conclude import TRIED_IN_VAIN, BatchItem
from worker.core.rows.operations import Operation, Remove, Waiting
from worker.core.rows.rows import MenuPath

MASS_REFUSAL: Final = "mass-refusal"
"""Why such a router is blocked."""
MASS_MORE_THAN: Final = 5
MASS_SHARE: Final = 0.02
"""More services than this and more than this share of the router's, with the same words."""
PROBE: Final = 2 * MASS_MORE_THAN
"""Services with which a router is tried again that refused so many. So one service whose row it
takes speaks for as many that are refused: of a probe, that these are wrong themselves."""


class Refused(NamedTuple):
    """One service whose write was refused; `known`: in words that say that it can never work."""

    item: BatchItem
    menu: MenuPath
    message: str
    known: bool


class Refusals:
    """Of one pass."""

    def __init__(self) -> None:
        self._held_back: dict[str, Refused] = {}
        self._through: dict[MenuPath, set[str]] = {}

    def __len__(self) -> int:
        return len(self._held_back)

    def hold_back(self, refused: Refused) -> None:
        """Keep one until it is clear whose fault it is."""
        service_id = refused.item.work_item.service_id
        if service_id in self._held_back:  # it is looked at again, for the sake of others
            refused.item.before = self._held_back[service_id].item.before
        self._held_back[service_id] = refused

    def why_not(self, item: BatchItem) -> Waiting | None:
        """Why a service is not tried for the sake of those in whose way its row is.

        Its write would be refused again while they wait for it: its row is to give way instead.
        """
        held_back = self._held_back.get(item.work_item.service_id)
        if held_back is not None:
            return Waiting("router-says", held_back.message)
        before = item.before or {}
        if before.get("reason") in TRIED_IN_VAIN:
            return Waiting(before["reason"], before["detail"])
        return None

    def gave_way(self, item: BatchItem) -> bool:
        """Whether one that gave way was refused in this pass: then its newest look is kept."""
        held_back = self._held_back.get(item.work_item.service_id)
        if held_back is not None:
            self.hold_back(held_back._replace(item=item))
        return held_back is not None

    def went_through(self, applied: Mapping[str, Sequence[Operation]]) -> None:
        """Writes of these services were confirmed."""
        for service_id, operations in applied.items():
            for each in operations:
                if not isinstance(each, Remove):  # a router that is full takes those
                    self._through.setdefault(each.menu, set()).add(service_id)

    def mass(self, services: Callable[[], int]) -> tuple[str, int] | None:
        """The words with which too many services were refused in one menu, and how many.

        Args:
            services: how many the router has; asked only where it matters.
        """
        counted = Counter((each.menu, each.message) for each in self._held_back.values())
        for (menu, message), count in counted.items():
            is_many = count > max(MASS_MORE_THAN, PROBE * len(self._through.get(menu, ())))
            if is_many and count > services() * MASS_SHARE:
                return message, count
        return None

    def take(self) -> list[Refused]:
        """All that were held back; they are forgotten here."""
        found = list(self._held_back.values())
        self._held_back.clear()
        return found
