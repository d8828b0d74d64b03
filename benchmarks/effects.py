"""When each kind of change acts on each kind of router: what was claimed, and when it was so.

Run: `.venv/bin/python -m benchmarks.effects`. It plays on simulated routers, each with every value
of the switches that no source decides, and prints the table of `docs/effect.md`. Exit 1: a change
was said to act while it did not.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import structlog

from benchmarks.effect_scene import KINDS, MOMENTS, NEVER, RouterKind, Scene, Seen

ROUTERS: Final[Mapping[str, RouterKind]] = {
    "6.48": RouterKind("6.48.6"),
    "7.11": RouterKind("7.11.3"),
    "7.11, FastTrack": RouterKind("7.11.3", fasttrack=True),
    "7.19, reconfigure": RouterKind("7.19.6", reconfigure=True),
    "7.11, reply-only": RouterKind("7.11.3", reply_only=True),
}


def cell(seen: Sequence[Seen]) -> str:
    """What is shown of one kind of change on one kind of router, for all values of the switches."""
    rungs = " / ".join(dict.fromkeys(effect.rung for effect in seen))
    stages = [stage_of(effect) for effect in seen]
    return f"`{rungs}`: {' / '.join(stages[:1] if len(set(stages)) == 1 else stages)}"


def stage_of(seen: Seen) -> str:
    """When a change was so; in parentheses when it was said, where that was later."""
    if seen.too_early:
        return f"**{seen.acted}, said {seen.said}**"
    later = f" ({seen.said or 'never'})" if seen.said != seen.acted else ""
    return (seen.acted + later).replace(f"{NEVER} (never)", NEVER)


def table(found: Mapping[str, Sequence[Mapping[str, Seen]]]) -> Iterator[str]:
    """The table as Markdown: a row for each kind of change, a column for each kind of router."""
    yield "| change | " + " | ".join(found) + " |"
    yield "| --- |" + " --- |" * len(found)
    for kind in KINDS:
        cells = (cell([scene[kind] for scene in scenes]) for scenes in found.values())
        yield f"| {kind} | " + " | ".join(cells) + " |"


def main() -> int:
    """Play all scenes and print the table; 1 where something was said to act too early."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    found = {
        name: [Scene(kind, moment).play() for moment in MOMENTS] for name, kind in ROUTERS.items()
    }
    print("\n".join(table(found)))  # noqa: T201 - what it is for
    return int(any(seen.too_early for s in found.values() for one in s for seen in one.values()))


if __name__ == "__main__":
    sys.exit(main())
