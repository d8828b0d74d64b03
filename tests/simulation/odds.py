"""What may go wrong at a point, and how often: each task has a fate of its own, from the seed."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

STEP_S: Final = 0.002
"""A step takes up to so long."""
_USED: Final = 0.45
"""Share of the kinds of faults that a history has."""
_MOST: Final = 0.3
"""Of one fault at one point."""
_ROUNDED: Final = 1.000001


@dataclass(frozen=True, slots=True)
class Odds:
    """How often what happens at a point: shares of all points, and how they differ.

    Attributes:
        kill_before, kill_after: the process dies before the call, or after it was done.
        lose_call, lose_answer: the connection breaks before the call, or after it was done.
        freeze: the process gets no turn for some seconds.
        slow: this task alone gets none; others of its process do.
        near_writes: so many times as often at a write to a router, and at the next point after it.
        near_steps: so many times as often at a script that others see the result of.
        lands_late: share of what was under way on a connection that ended which is done later.
        stays: how often a task goes on that just had a turn, rather than any.
        read_s: routers take up to so long for what is read of them; 0: as for all else.
        spares: so many first ones that were to come do not.
        most: so many come at most; 0: any number.
    """

    kill_before: float = 0.001
    kill_after: float = 0.001
    lose_call: float = 0.002
    lose_answer: float = 0.002
    freeze: float = 0.001
    slow: float = 0.005
    near_writes: float = 1.0
    near_steps: float = 1.0
    lands_late: float = 0.2
    stays: float = 0.0
    read_s: float = 0.0
    spares: int = 0
    most: int = 0


FAULTS: Final = {
    "kill_before": "is KILLED before",
    "kill_after": "is KILLED after",
    "lose_call": "LOSES its connection before",
    "lose_answer": "LOSES its connection after",
    "freeze": "STANDS STILL before",
    "slow": "IS SLOW before",
}
"""Fields of `Odds` that are what may happen at a point, and how stories tell of them."""


class _Focus(NamedTuple):
    rates: tuple[float, float]
    near_writes: Sequence[int]
    near_steps: Sequence[int]
    always: Sequence[str] = ()
    lands_late: Sequence[float] = (0.0, 0.6, 0.95, 0.95)
    spares: Sequence[int] = (0,)
    most: Sequence[int] = (0,)


_FOCUSES: Final = (
    _Focus((-3.3, -1.9), (10, 100), (1, 10)),  # anywhere
    _Focus((-4.3, -3.3), (1_000,), (1,)),  # at writes
    _Focus((-4.3, -3.3), (1_000,), (200,)),  # at both
    _Focus((-4.3, -3.3), (10,), (200,)),  # at steps
    *2
    * [
        _Focus(
            (-3.8, -3.3),
            (1_000,),
            (1,),
            ("kill_before", "lose_call"),
            (0.95,),
            spares=(0, 0, 0, 1, 2),
            most=(1, 1, 2),
        )
    ],
)
"""Where faults of a history are frequent: 10 ** their rates, and how much more often where.

Of some 250 points three write to a router, and twenty are steps: what comes anywhere alone comes
there too seldom, and keeps the writes from being reached at all. What is in flight when its process
dies, or its connection breaks, lands late: in the last two, where few faults come, so that others
write before that, and not always at the first write.
"""


_RACES: Final = 0.2
"""Share of histories in which nothing fails, and each third step is slow: who else comes then meets
what was read before it, and is not concluded yet."""


def odds_of(chance: random.Random) -> Odds:
    """Some odds: a history in which few kinds of faults are frequent shows more than one of all."""
    if chance.random() < _RACES:
        return races(chance)
    focus = chance.choice(_FOCUSES)
    often = {
        name: round(10 ** chance.uniform(*focus.rates), 6)
        if (name in focus.always if focus.always else chance.random() < _USED)
        else 0.0
        for name in FAULTS
    }
    return Odds(
        **often,
        near_writes=chance.choice(focus.near_writes),
        near_steps=chance.choice(focus.near_steps),
        lands_late=chance.choice(focus.lands_late),
        stays=chance.choice((0.0, 0.5, 0.9)),
        spares=chance.choice(focus.spares),
        most=chance.choice(focus.most),
    )


def races(chance: random.Random) -> Odds:
    """Nothing fails, and many steps are slow."""
    others = dict.fromkeys(FAULTS, 0.0) | {"slow": 0.003}
    stays, read_s = chance.choice((0.0, 0.5, 0.9)), chance.choice((0.0, 0.0, 1.0))
    return Odds(**others, near_steps=100, stays=stays, read_s=read_s)


@dataclass
class Fate:
    """What becomes of one task at its points; whatever others do, it is the same.

    Attributes:
        key: names the task in its history.
        chance: for nothing else; as often at each point.
        odds: of the history.
        come: faults that come, where it is said; None: all.
        points: that the task has passed.
    """

    key: str
    chance: random.Random
    odds: Odds
    come: Collection[str] | None
    points: int = 0
    _how_long: float = field(default=0.0, init=False)
    _rates: dict[float, float] = field(default_factory=dict, init=False)

    def takes_s(self, *, reads: bool) -> float:
        """How long its next step takes: nothing if it goes on before all others."""
        drawn = self.chance.random()
        if reads and self.odds.read_s:
            return self.odds.read_s * (1 - drawn)
        return 0.0 if drawn < self.odds.stays else STEP_S * (1 - drawn)

    def happens(self, *, near_write: bool, is_step: bool) -> tuple[str, str]:
        """What goes wrong at this point, of `FAULTS` or nothing, and its name in the history."""
        self.points += 1
        drawn, self._how_long = self.chance.random(), self.chance.random()
        of_step = self.odds.near_steps if is_step else 1.0
        times = self.odds.near_writes if near_write else of_step
        if times not in self._rates:  # that of all faults
            self._rates[times] = sum(getattr(self.odds, fault) for fault in FAULTS) * times
        if drawn > self._rates[times] * _ROUNDED:
            return "", ""
        for fault in FAULTS:
            odd = min(getattr(self.odds, fault) * times, _MOST)
            if drawn < odd:
                name = f"{self.key} {self.points} {fault}"
                return (
                    ("", "") if self.come is not None and name not in self.come else (fault, name)
                )
            drawn -= odd
        return "", ""

    def stands_s(self) -> float:
        """How long a process stands still, if it does at this point."""
        return float(10 ** (2.5 * self._how_long - 0.5))

    def is_slow_s(self) -> float:
        """How long a task is slow, if it is at this point."""
        return float(10 ** (3 * self._how_long - 2))
