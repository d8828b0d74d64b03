"""Tasks and their processes, and how one ends before its time."""

from dataclasses import dataclass
from random import Random

from greenlet import greenlet

from tests.simulation.odds import Fate


class Killed(BaseException):
    """The process of this task is no more; nothing that it does from now on has any effect."""


class CutOff(Exception):  # noqa: N818 - it is wanted
    """As many points were passed as were asked for."""


class Violation(AssertionError):  # noqa: N818 - what a history shows
    """Something that must hold at each step does not."""


@dataclass(eq=False)
class Process:
    """One process: what it runs ends with it.

    Attributes:
        name: with a number that grows at each start.
        alive: no SIGKILL came.
        frozen_until: it gets no turn before that moment.
    """

    name: str
    alive: bool = True
    frozen_until: float = 0.0


@dataclass(eq=False)
class Task:
    """What a process does, in turns with others; its process ends it."""

    name: str
    process: Process
    run: greenlet
    fate: Fate
    chance: Random
    wakes_at: float = 0.0
    waits_for: str = ""
    waits_since: int = 0
    wrote: bool = False

    @property
    def due_at(self) -> float:
        """When it gets its next turn, as things are."""
        return max(self.wakes_at, self.process.frozen_until)
