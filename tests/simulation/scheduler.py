"""Runs tasks in turns that a seed decides, one step at a time, in one thread.

A task gives way at each call to Redis and each exchange with a router. What happens there to it and
to its message is decided here, and nowhere else.
"""

import hashlib
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from typing import Any, Final

from greenlet import getcurrent, greenlet

from tests.simulation.virtual import CHANCE, CLOCK

_MESSAGE_ID: Final = re.compile(r"\b[0-9a-f]{40}\b")
"""Scripts make it of what differs between two starts of Redis; nobody compares it."""
STEP_S: Final = 0.002
"""A step takes up to so long."""
_STORY: Final = 400
"""Steps that are kept to be told."""


class Killed(BaseException):
    """The process of this task is no more; nothing that it does from now on has any effect."""


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
class _Task:
    name: str
    process: Process
    run: greenlet
    wakes_at: float = 0.0


@dataclass(slots=True)
class Odds:
    """How often what happens at a point: a share of all points, each below 0.1.

    Attributes:
        kill_before, kill_after: the process dies before the call, or after it was done.
        lose_call, lose_answer: the connection breaks before the call, or after it was done.
        freeze: the process gets no turn for some seconds.
    """

    kill_before: float = 0.001
    kill_after: float = 0.001
    lose_call: float = 0.002
    lose_answer: float = 0.002
    freeze: float = 0.001


@dataclass
class Scheduler:
    """The tasks, and whose turn it is.

    Attributes:
        odds: of what goes wrong at points.
        steps: done so far.
        after_step: called after each; it raises `Violation`.
        counts: what went wrong, and how often.
        restarts: called with each process that was killed.
    """

    odds: Odds = field(default_factory=Odds)
    steps: int = 0
    after_step: Callable[[], None] = lambda: None
    counts: Counter[str] = field(default_factory=Counter)
    restarts: Callable[[Process], None] = lambda _: None
    _tasks: list[_Task] = field(default_factory=list)
    _hash: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))
    _story: deque[str] = field(default_factory=lambda: deque(maxlen=_STORY))
    _quiet: bool = False

    def __post_init__(self) -> None:
        """Let `time.sleep` of the program be a pause of its task."""
        CLOCK.sleep = self.sleep
        self._hub = getcurrent()
        self._of_greenlet: dict[greenlet, _Task] = {}

    @property
    def digest(self) -> str:
        """The same for two runs that did the same in the same order."""
        return self._hash.hexdigest()

    def story(self) -> Iterator[str]:
        """The last steps as lines: when, who, what."""
        return iter(self._story)

    def tell(self, text: str) -> None:
        """Add a line to the story, and to the digest."""
        line = f"{CLOCK.now_s % 100_000:12.3f} {text}"
        self._hash.update(line.encode())
        self._story.append(line)

    def spawn(self, process: Process, name: str, work: Callable[[], object]) -> None:
        """Let a process do something; it ends with the process."""

        def run() -> None:
            with suppress(Killed):
                work()

        task = _Task(name, process, greenlet(run))
        self._tasks.append(task)
        self._of_greenlet[task.run] = task

    @property
    def current(self) -> _Task | None:
        """Whose turn it is; None: the harness itself."""
        return self._of_greenlet.get(getcurrent())

    def sleep(self, seconds: float) -> None:
        """Let the task whose turn it is wait."""
        task = self.current
        if task is None:
            return
        if not task.process.alive:
            raise Killed
        task.wakes_at = CLOCK.now_s + seconds
        self._give_way(task)

    def call(self, what: str, do: Callable[[], Any], broken: Callable[[str], Exception]) -> Any:
        """A point: give way, then do it, unless something happens to the process or its message.

        Args:
            what: for the story.
            do: the call.
            broken: makes the error of a connection that broke.
        """
        task = self.current
        if task is None:
            return do()
        if not task.process.alive:
            raise Killed
        self._give_way(task)
        happens = self._happens()
        if happens:
            self.counts[happens] += 1
            self.tell(f"{task.process.name} {task.name}: {happens} at {what}")
        if happens == "kill_before":
            self.kill(task.process)
            raise Killed
        if happens == "lose_call":
            raise broken("the connection broke before it was sent")
        if happens == "freeze":
            task.process.frozen_until = CLOCK.now_s + CHANCE.uniform(1, 90)
            self._give_way(task)
        answer = do()
        self.tell(f"{task.process.name} {task.name}: {what} -> {_short(answer)}")
        if happens == "kill_after":
            self.kill(task.process)
            raise Killed
        if happens == "lose_answer":
            raise broken("the connection broke before the answer came")
        return answer

    def _happens(self) -> str:
        """What goes wrong at this point: a field of `Odds`, or nothing."""
        if self._quiet:
            return ""
        chance = CHANCE.random()
        for name, odd in ((f.name, getattr(self.odds, f.name)) for f in fields(Odds)):
            if chance < odd:
                return name
            chance -= odd
        return ""

    def kill(self, process: Process) -> None:
        """SIGKILL: none of its tasks gets another turn."""
        process.alive = False
        self._tasks = [task for task in self._tasks if task.process is not process]
        self.restarts(process)

    def end(self) -> None:
        """The history is over: what is left of its tasks does nothing more."""
        for task in self._of_greenlet.values():
            task.process.alive = False

    def _give_way(self, task: _Task) -> None:
        self._hub.switch()
        if not task.process.alive:
            raise Killed

    def run(self, steps: int, until: Callable[[], bool] = lambda: False) -> None:
        """Give turns.

        Args:
            steps: at most so many.
            until: nothing more is to be done; asked each twenty steps.
        """
        end = self.steps + steps
        while self.steps < end and self._tasks:
            if self.steps % 20 == 0 and until():
                return
            now = CLOCK.now_s
            ready = [t for t in self._tasks if t.wakes_at <= now and t.process.frozen_until <= now]
            if not ready:
                wakes = (max(t.wakes_at, t.process.frozen_until) for t in self._tasks)
                CLOCK.now_s = min(wakes)
                continue
            task = ready[int(CHANCE.random() * len(ready))]
            self.steps += 1
            CLOCK.now_s = now + CHANCE.random() * STEP_S
            task.run.switch()
            if task.run.dead:
                self._of_greenlet.pop(task.run, None)
                self._tasks = [other for other in self._tasks if other is not task]
            self.after_step()

    @contextmanager
    def nothing_goes_wrong(self) -> Iterator[None]:
        """No faults while the block runs."""
        self._quiet, before = True, self._quiet
        try:
            yield
        finally:
            self._quiet = before


def _short(answer: object) -> str:
    text = _MESSAGE_ID.sub("(id)", repr(answer))
    if len(text) <= 120:
        return text
    return f"{text[:60]}… {hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"
