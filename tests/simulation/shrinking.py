"""Makes a history that fails smaller, as long as it fails in the same way."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import process_time
from typing import Final

from tests.simulation.scale import Scale
from tests.simulation.scheduler import FAULTS
from tests.simulation.world import Result

_SEEDS: Final = 10
"""Tried of each smaller size: with another size a seed is another history."""
_LONGEST_S: Final = 60.0
"""Of a processor."""
_IN_DETAIL: Final = re.compile(r"[0-9a-f:.]*\d[0-9a-f:.]*")
_COMPARED: Final = 40


def shrink(
    failing: Result,
    scale: Scale,
    again: Callable[[int, Scale], Result],
    ends: Callable[[], int] = lambda: 0,
) -> tuple[Result, Scale]:
    """Try smaller ones, then the smallest without each of its faults.

    Args:
        failing: what became of the history.
        scale: its size.
        again: plays a seed with a size.
        ends: whether to stop trying.

    Returns:
        The smallest that fails, and its size.
    """
    kind, until_s = kind_of(failing.problem), process_time() + _LONGEST_S

    def fails(seed: int, candidate: Scale) -> Result | None:
        if ends() or process_time() > until_s:
            return None
        result = again(seed, candidate)
        return result if result.problem and kind_of(result.problem) == kind else None

    for smaller in (_smaller, _spared):
        found = True
        while found:
            found = False
            for candidate in smaller(scale, failing):
                seeds = range(_SEEDS) if smaller is _smaller else range(1)
                tried = (fails(failing.seed + n, candidate) for n in seeds)
                result = next((each for each in tried if each is not None), None)
                if result is not None:
                    failing, scale, found = result, candidate, True
                    break
    return failing, scale


def kind_of(problem: str) -> str:
    """What two problems have in common that have one cause: of an exception its last line."""
    text = problem.strip().rpartition("\n")[2]
    return _IN_DETAIL.sub("", text)[:_COMPARED]


def _smaller(scale: Scale, _: Result) -> Iterator[Scale]:
    for share in (2, 4 / 3):
        for name in ("routers", "workers", "services", "events"):
            fewer = int(getattr(scale, name) / share)
            if fewer:
                yield replace(scale, **{name: fewer})
    for name in ("rollbacks", "reboots", "absences", "lost_messages", "doubled_messages"):
        if getattr(scale, name):
            yield replace(scale, **{name: 0})
    for feature in scale.features:
        yield replace(scale, features=tuple(each for each in scale.features if each != feature))
    for odd in FAULTS:
        if getattr(scale.odds, odd):
            yield replace(scale, odds=replace(scale.odds, **{odd: 0.0}))


def _spared(scale: Scale, failing: Result) -> Iterator[Scale]:
    for number in range(failing.faults):
        if number not in scale.spared:
            yield replace(scale, spared=(*scale.spared, number))
