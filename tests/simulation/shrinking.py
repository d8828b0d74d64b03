"""Makes a history that fails smaller, as long as it fails."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from tests.simulation.scale import Scale
from tests.simulation.scheduler import Odds
from tests.simulation.world import Result


def shrink(failing: Result, scale: Scale, again: Callable[[Scale], Result]) -> tuple[Result, Scale]:
    """Try smaller ones until none of them fails.

    Args:
        failing: what became of the history.
        scale: its size.
        again: plays it with another size.

    Returns:
        The smallest that fails, and its size.
    """
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(scale):
            result = again(candidate)
            if result.problem:
                failing, scale, smaller = result, candidate, True
                break
    return failing, scale


def _smaller(scale: Scale) -> Iterator[Scale]:
    for name, least in (("events", 1), ("services", 1), ("routers", 1), ("workers", 1)):
        number = getattr(scale, name)
        for fewer in {number // 2, number - 1}:
            if fewer >= least:
                yield replace(scale, **{name: fewer})
    for name in ("rollbacks", "reboots", "absences", "lost_messages", "doubled_messages"):
        if getattr(scale, name):
            yield replace(scale, **{name: 0})
    for odd in fields(Odds):
        if getattr(scale.odds, odd.name):
            yield replace(scale, odds=replace(scale.odds, **{odd.name: 0.0}))
