"""Histories that once showed a bug, or that show a broken build: `corpus.jsonl`, a line each."""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

FILE: Final = Path(__file__).with_name("corpus.jsonl")


class Kept(NamedTuple):
    """One of them.

    Attributes:
        seed: of the history.
        scale: its size as a whole; what later versions add has the seed's choice.
        found: the bug or the broken build that it showed.
        commit: with which it did: it may be another history since the simulation changed.
    """

    seed: int
    scale: dict[str, Any]
    found: str
    commit: str


def corpus() -> list[Kept]:
    """All of them."""
    return [Kept(**json.loads(line)) for line in FILE.read_text().splitlines()]


def keep(kept: Kept) -> None:
    """Add one."""
    with FILE.open("a") as file:
        file.write(json.dumps(kept._asdict()) + "\n")
