"""Tells what happened in a history that fails."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

_BEGINNING: Final = 10
_END: Final = 40
"""Lines of a story; what is between is left out."""
_TRACEBACK: Final = 12
"""Its last lines."""


def told(said: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a story, from what a player says of a history."""
    yield f"Seed {said['seed']}, {said['points']} points: seconds since it began, who did what."
    story = said["story"]
    if len(story) > _BEGINNING + _END:
        left_out = len(story) - _BEGINNING - _END
        story = [*story[:_BEGINNING], f"          ({left_out} lines)", *story[-_END:]]
    yield from story
    yield "The state then:"
    yield from (f"  {line}" for line in said["state"])
    yield "The last points:"
    yield from (f"  {line[:160]}" for line in said["last"][-6:])
    first, *rest = said["problem"].rstrip().split("\n")
    yield f"FAILED: {first}"
    yield from rest[-_TRACEBACK:]
    yield f"Again: make simulate SEED={said['seed']} SCALE='{json.dumps(said['scale'])}'"
