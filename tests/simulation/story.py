"""Tells what happened in a history that fails."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_BEGINNING: Final = 10
_END: Final = 40
"""Lines of a story; what is between is left out."""
_POINTS: Final = 6
_NUMBER: Final = re.compile(r"\b[0-9a-f.]*\d[0-9a-f.]*\b")
_ROUNDS: Final = 4
"""Of a history that does not come to rest so many are told."""
NO_REST: Final = "it does not come to rest"
_TRACEBACK: Final = 12
"""Its last lines."""


def _once(lines: Sequence[str]) -> list[str]:
    """Of lines that differ in numbers alone, as in rounds where nothing gets on, the last one."""
    kept: dict[str, str] = {}
    for line in reversed(lines):
        kept.setdefault(_NUMBER.sub("", line), line)
    return [*reversed(kept.values())]


def _without_rounds(lines: Sequence[str]) -> list[str]:
    """Without lines of a kind that was told often before."""
    told_of: Counter[str] = Counter()
    kept = []
    for line in lines:
        kind = _NUMBER.sub("", line)
        told_of[kind] += 1
        if told_of[kind] <= _ROUNDS:
            kept.append(line)
    left_out = len(lines) - len(kept)
    return [*kept, f"          ({left_out} lines of further rounds)"] if left_out else kept


def told(said: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a story, from what a player says of a history."""
    yield f"Seed {said['seed']}, {said['points']} points: seconds since it began, who did what."
    story = said["story"]
    if said["problem"].startswith(NO_REST):
        story = _without_rounds(story)
    if len(story) > _BEGINNING + _END:
        left_out = len(story) - _BEGINNING - _END
        story = [*story[:_BEGINNING], f"          ({left_out} lines)", *story[-_END:]]
    yield from story
    yield "The state then:"
    yield from (f"  {line}" for line in said["state"])
    yield "The last points:"
    yield from (f"  {line[:160]}" for line in _once(said["last"])[-_POINTS:])
    first, *rest = said["problem"].rstrip().split("\n")
    yield f"FAILED: {first}"
    yield from rest[-_TRACEBACK:]
    yield f"Again: make simulate SEED={said['seed']} SCALE='{json.dumps(said['scale'])}'"


def in_words(event: Mapping[str, Any]) -> str:
    """An event in a story."""
    data = event["data"]
    if "service_id" not in data:
        listed = ", ".join(each["service_id"] for each in data["services"])
        return f"manifest {event['id']} {data['missing']} ({listed})"
    block = data.get("service") or data
    device, access = block.get("device") or data, block.get("access") or {}
    values = (device.get("mac"), (block.get("address") or {}).get("ipv4"), access.get("router"))
    words = " ".join(value for value in values if value)
    name = f"{data['service_id']} {event['type'].split('.')[-2]} {data.get('revision', '')}".strip()
    return f"{name} ({words})" if words else name
