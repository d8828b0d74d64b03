"""Runs tasks in turns that a seed decides, one step at a time, in one thread.

A task gives way at each call to Redis and each exchange with a router. What happens there to it and
to its message is decided here, and nowhere else.
"""

import hashlib
import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from greenlet import getcurrent, greenlet

from tests.simulation.odds import FAULTS, Fate, Odds
from tests.simulation.script_calls import answer_in_words, in_plain_words, may_push
from tests.simulation.tasks import CutOff, Killed, Process, Task
from tests.simulation.virtual import BEGAN_S, CHANCE, CLOCK

_WAKES_S: Final = 0.5
"""Who waited for something goes on within so long."""
_ASKED: Final = 50
_IDLE_S: Final = 0.3
"""After so many turns, or when nobody does anything for so long, it is asked if all is done."""
_TOLD: Final = 400
"""Lines of a story that are kept."""
_POINTS: Final = 40
"""The last points that are kept."""
_IN_STORIES: Final = ("commit ", "acquire ", "begin_writing ")
"""Scripts that a story tells of; what a pass concludes is in the log."""
_STEPS: Final = (*_IN_STORIES, "claim ", "conclude ", "take_journal ", "next_batch ")
"""Scripts around which it matters who comes first, and what is lost."""


_WRITES: Final = ("/add", "/set", "/remove", "/make-static", "/move")


@dataclass
class Scheduler:
    """The tasks, and whose turn it is.

    Attributes:
        odds: of what goes wrong at points.
        most_points: the history is cut off after so many; 0: never.
        come: faults that come, by their names in the history; None: all.
        steps: turns that were given.
        passed: points that were passed.
        faults: names of those that came.
        after_step: called after each; it raises `Violation`.
        counts: what went wrong, and how often.
        restarts: called with each process that was killed.
        may_have_pushed: a call was done since this was set to False.
        is_quiet: no faults come.
        no_points: commands, each with its key, that decide nothing in this history.
    """

    odds: Odds = field(default_factory=Odds)
    most_points: int = 0
    come: Collection[str] | None = None
    steps: int = 0
    passed: int = 0
    faults: list[str] = field(default_factory=list)
    after_step: Callable[[], None] = lambda: None
    counts: Counter[str] = field(default_factory=Counter)
    restarts: Callable[[Process], None] = lambda _: None
    may_have_pushed: bool = False
    is_quiet: bool = False
    no_points: Collection[str] = ()
    _spared: int = 0
    _tasks: list[Task] = field(default_factory=list)
    _killed: list[Task] = field(default_factory=list)
    _spawned: Counter[str] = field(default_factory=Counter)
    _hash: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))
    _told: deque[str] = field(default_factory=lambda: deque(maxlen=_TOLD))
    _points: deque[str] = field(default_factory=lambda: deque(maxlen=_POINTS))

    def __post_init__(self) -> None:
        """Let `time.sleep` of the program be a pause of its task."""
        CLOCK.sleep = self.sleep
        self._hub = getcurrent()
        self._of_greenlet: dict[greenlet, Task] = {}

    @property
    def digest(self) -> str:
        """The same for two runs that did the same in the same order."""
        return self._hash.hexdigest()

    @property
    def story(self) -> tuple[str, ...]:
        """Who did what, in order, as lines."""
        return tuple(self._told)

    @property
    def points(self) -> tuple[str, ...]:
        """The last points, as lines."""
        return tuple(self._points)

    def tell(self, text: str) -> None:
        """Tell what happened to the world: a part of the story, and of the digest."""
        self._point(text)
        self._told.append(_timed(text))

    def narrate(self, text: str) -> None:
        """Tell what the task whose turn it is did: a part of the story alone."""
        task = self.current
        who = task.process.name if task else "harness"
        self._told.append(_timed(f"{who} {text}"))

    def _point(self, text: str) -> None:
        line = _timed(text)
        self._hash.update(line.encode())
        self._points.append(line)

    def spawn(self, process: Process, name: str, work: Callable[[], object]) -> None:
        """Let a process do something; it ends with the process."""

        def run() -> None:
            with suppress(Killed):
                work()

        key = f"{process.name} {name}"
        self._spawned[key] += 1
        if self._spawned[key] > 1:
            key = f"{key} {self._spawned[key]}"
        fate = Fate(key, CHANCE.named(f"fate of {key}"), self.odds, self.come)
        task = Task(name, process, greenlet(run, self._hub), fate, CHANCE.named(key), CLOCK.now_s)
        self._tasks.append(task)
        self._of_greenlet[task.run] = task

    @property
    def current(self) -> Task | None:
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

    def wait(self, thing: str) -> None:
        """Let the task whose turn it is wait until `there_is` says that this is there."""
        task = self.current
        assert task is not None
        task.waits_for, task.waits_since = thing, self.passed
        self.may_have_pushed = True  # before it waited
        self.sleep(math.inf)

    @property
    def waited_for(self) -> frozenset[str]:
        """What tasks wait for."""
        return frozenset(task.waits_for for task in self._tasks if task.waits_for)

    def there_is(self, thing: str, times: int) -> None:
        """Wake as many of those who wait for this, in their order, each a little later."""
        waiting = [task for task in self._tasks if task.waits_for == thing]
        for task in sorted(waiting, key=_since)[:times]:
            task.waits_for = ""
            task.wakes_at = CLOCK.now_s + task.chance.uniform(0, _WAKES_S)

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
        command = what.partition(" =")[0]
        task.wakes_at = CLOCK.now_s + task.fate.takes_s(reads=command.endswith("/print"))
        self._give_way(task)
        self.passed += 1
        writes = command.endswith(_WRITES)
        happens = self._happens(task, what, near_write=writes or task.wrote)
        task.wrote = writes
        if happens == "kill_before":
            self.kill(task.process)
            raise Killed
        if happens == "lose_call":
            raise broken("the connection broke before it was sent")
        if happens in ("freeze", "slow"):
            self._stand_still(task, happens)
        answer = do()
        self._done(task, what, answer, writes=writes)
        if happens == "kill_after":
            self.kill(task.process)
            raise Killed
        if happens == "lose_answer":
            raise broken("the connection broke before the answer came")
        return answer

    def _stand_still(self, task: Task, happens: str) -> None:
        """Let the whole process, or this task alone, get no turn for a while."""
        if happens == "freeze":
            task.process.frozen_until = CLOCK.now_s + task.fate.stands_s()
        else:
            task.wakes_at = CLOCK.now_s + task.fate.is_slow_s()
        self.narrate(f"goes on at {task.due_at - BEGAN_S:.3f}")
        self._give_way(task)

    def _done(self, task: Task, what: str, answer: Any, *, writes: bool) -> None:
        self.may_have_pushed = self.may_have_pushed or may_push(what)
        shown = "(memory of Redis)" if "samples" in what else answer_in_words(answer)
        self._point(f"{task.process.name} {task.name}: {what} -> {shown}")
        if writes or what.startswith(_IN_STORIES):
            refused = f" -> refused: {answer.traps}" if writes and answer.traps else ""
            self.narrate(f"{in_plain_words(what)}{refused}")

    def _happens(self, task: Task, what: str, *, near_write: bool) -> str:
        """What goes wrong at this point: one of `FAULTS`, or nothing."""
        is_step = what.startswith(_STEPS)
        happens, name = task.fate.happens(near_write=near_write, is_step=is_step)
        if self.is_quiet or not happens or len(self.faults) == self.odds.most != 0:
            return ""
        if self.come is None and self._spared < self.odds.spares:
            self._spared += 1
            return ""
        self.faults.append(name)
        self.counts[happens] += 1
        self._point(f"{task.process.name} {task.name}: {happens} at {what}")
        self.narrate(f"{FAULTS[happens]} it {in_plain_words(what)}")
        return happens

    def kill(self, process: Process) -> None:
        """SIGKILL: none of its tasks gets another turn."""
        process.alive = False
        self.may_have_pushed = True  # what it was woken for is there for others
        self._killed += [task for task in self._tasks if task.process is process]
        self._tasks = [task for task in self._tasks if task.process is not process]
        self.restarts(process)

    def end(self) -> None:
        """The history is over: what is left of its tasks does nothing more."""
        for task in self._of_greenlet.values():
            task.process.alive = False
        self._killed += self._tasks
        self._bury()

    def _bury(self) -> None:
        """Unwind tasks of killed processes, so that each learns what it had under way."""
        killed, self._killed = self._killed, []
        for task in killed:
            if task.run:  # it began
                CHANCE.stream = task.chance
                task.run.throw(Killed)
            self._of_greenlet.pop(task.run, None)

    def _give_way(self, task: Task) -> None:
        self._hub.switch()
        if not task.process.alive:
            raise Killed

    def run(self, steps: int, until: Callable[[], bool] = lambda: False) -> None:
        """Give turns.

        Args:
            steps: at most so many turns.
            until: nothing more is to be done; asked when nobody has a turn for a while.
        """
        end, of_world, asked_at = self.steps + steps, CHANCE.stream, -1
        while self.steps < end and self._tasks:
            task = self._next()
            is_idle = task.due_at > CLOCK.now_s + _IDLE_S and self.passed != asked_at
            if is_idle or self.steps % _ASKED == 0:
                if until():
                    return
                asked_at = self.passed
            if self.passed == self.most_points != 0:
                raise CutOff
            self.steps += 1
            CLOCK.now_s = max(CLOCK.now_s, task.due_at)
            CHANCE.stream = task.chance
            task.run.switch()
            if task.run.dead:
                self._of_greenlet.pop(task.run, None)
                self._tasks = [other for other in self._tasks if other is not task]
            if self._killed:
                self._bury()
            CHANCE.stream = of_world
            self.after_step()

    def _next(self) -> Task:
        """Whose turn it is: the first of those that are due first; most steps look at all tasks."""
        found, first_s = self._tasks[0], math.inf
        for task in self._tasks:
            due_s = task.wakes_at
            if due_s < first_s:
                frozen_until = task.process.frozen_until
                due_s = max(due_s, frozen_until) if frozen_until else due_s
                if due_s < first_s:
                    found, first_s = task, due_s
        return found

    @contextmanager
    def nothing_goes_wrong(self) -> Iterator[None]:
        """No faults while the block runs."""
        self.is_quiet, before = True, self.is_quiet
        try:
            yield
        finally:
            self.is_quiet = before


_since: Final = attrgetter("waits_since")


def _timed(text: str) -> str:
    return f"{CLOCK.now_s - BEGAN_S:9.3f} {text}"
