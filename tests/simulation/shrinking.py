"""Makes a history that fails smaller, as long as it fails in the same way.

Each task has its own chance and fate: what is left goes on as before.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import combinations
from time import process_time
from typing import Any, Final

from tests.simulation.judging import is_refused
from tests.simulation.oracle import wanted_rows
from tests.simulation.scale import Scale
from tests.simulation.world import Result, said_in

_LONGEST_S: Final = 60.0
"""Of a processor."""
_LONGER: Final = 1.1
"""A history that has less in it may have so many times as many points."""
_IN_DETAIL: Final = re.compile(r"[0-9a-f:.]*\d[0-9a-f:.]*")
_COMPARED: Final = 40
_STAY: Final = ("routers", "services", "events", "workers", "points", "displaced_by")
"""Numbers of a scale that do not say how often something happens."""
_WHOLE: Final = ("activated", "snapshot")
"""Events that say all of a service."""


def shrink(
    failing: Result,
    scale: Scale,
    again: Callable[[int, Scale], Result],
    ends: Callable[[], int] = lambda: 0,
) -> tuple[Result, Scale]:
    """Leave out what does not matter.

    Args:
        failing: what became of the history.
        scale: its size.
        again: plays a seed with a size.
        ends: whether to stop trying.

    Returns:
        The smallest that fails, and its size.
    """
    kind, until_s = kind_of(failing.problem), process_time() + _LONGEST_S
    tried: set[Scale] = set()
    before = None
    while scale != before:
        before, parts = scale, [_with_fewer_faults, _with_fewer_events, _with_less_else]
        while parts:
            for candidate in parts[0](scale, failing):
                if ends() or process_time() > until_s:
                    return failing, scale
                if candidate in tried:
                    continue
                tried.add(candidate)
                every = said_in(failing.seed, candidate)
                if not _is_legal(every, {*candidate.left_out}, candidate):
                    continue  # with other features a BSS says other things
                result = again(failing.seed, candidate)
                fails = bool(result.problem) and kind_of(result.problem) == kind
                if fails and result.points <= failing.points * _LONGER:
                    failing, scale = result, candidate
                    break
            else:
                del parts[0]
    return failing, scale


def kind_of(problem: str) -> str:
    """What two problems have in common that have one cause: of an exception its last line."""
    text = problem.strip().rpartition("\n")[2]
    return _IN_DETAIL.sub("", text)[:_COMPARED]


def _with_fewer_faults(scale: Scale, failing: Result) -> Iterator[Scale]:
    for some in _without_some(failing.faults):
        yield replace(scale, faults=tuple(some))


def _with_fewer_events(scale: Scale, failing: Result) -> Iterator[Scale]:
    every = said_in(failing.seed, scale)
    kept = [number for number in range(len(every)) if number not in scale.left_out]
    services = sorted({_service(every[number]) for number in kept} - {""})
    for service in services:
        yield from _leaving_out(scale, every, {n for n in kept if _service(every[n]) == service})
    for some in _without_some(kept):
        yield from _leaving_out(scale, every, {*kept} - {*some})


def _leaving_out(scale: Scale, every: Sequence[Any], more: set[int]) -> Iterator[Scale]:
    left_out = {*scale.left_out, *more}
    if _is_legal(every, left_out, scale):
        yield replace(scale, left_out=tuple(sorted(left_out)))


def _is_legal(every: Sequence[Any], left_out: set[int], scale: Scale) -> bool:
    """Whether a BSS could say what is left.

    Nobody shares a MAC or an address who did not before, and who is changed was activated.
    """
    whole: list[Any] = []
    kept: list[Any] = []
    is_on: set[str] = set()
    for number, event in enumerate(every):
        if not _service(event) or is_refused(event):  # a manifest, or another source
            continue
        whole.append(event)
        if number not in left_out:
            kept.append(event)
            name = event["type"].split(".")[-2]
            if name in _WHOLE:
                is_on.add(_service(event))
            elif _service(event) not in is_on:
                return False
            elif name == "cancelled" and "effective_at" not in event["data"]:
                is_on.remove(_service(event))
        if _shared(kept, scale) - _shared(whole, scale):
            return False
    return True


def _shared(events: Sequence[Any], scale: Scale) -> set[tuple[str, str, str]]:
    found = set()
    for router, rows in wanted_rows(events, scale.features).items():
        for (one, its), (other, others) in combinations(sorted(rows.items()), 2):
            if its.device == others.device or (
                "." in its.address and its.address == others.address
            ):
                found.add((router, one, other))
    return found


def _service(event: Any) -> str:
    name: str = event["data"].get("service_id", "")
    return name


def _with_less_else(scale: Scale, _: Result) -> Iterator[Scale]:
    for field in fields(scale):
        value = getattr(scale, field.name)
        if field.name not in _STAY and isinstance(value, int | float) and value:
            if field.name.endswith("_s"):
                continue
            yield replace(scale, **{field.name: 0})
    if scale.workers > 1:
        yield replace(scale, workers=1)
    for feature in scale.features:
        yield replace(scale, features=tuple(each for each in scale.features if each != feature))
    if scale.redis != "alone":
        yield replace(scale, redis="alone")
    yield replace(scale, displaced_by=0)
    yield replace(scale, odds=replace(scale.odds, stays=0.99))
    for pace_s in (60.0, 20.0):
        if pace_s > scale.pace_s:
            yield replace(scale, pace_s=pace_s)
    if scale.over_s > 1:
        yield replace(scale, over_s=1.0)


def _without_some(every: Sequence[Any]) -> Iterator[list[Any]]:
    """All but some of them: without all, without either half, and so on."""
    size = len(every)
    while size:
        for start in range(0, len(every), size):
            yield [*every[:start], *every[start + size :]]
        size //= 2
