"""Routers that take no writes for a while, and values that one of them never takes.

At the end each service is as wanted, but those that want such a value: they failed, with a reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from tests.simulation import logs
from tests.simulation.asked import addresses_of
from tests.simulation.forms import LEASES
from tests.simulation.router_side import SimulatedRouter
from tests.simulation.virtual import BEGAN_S, CHANCE, CLOCK
from worker.store.batches import Conclusion
from worker.store.store import Store

_FULL: Final = "failure: out of memory"
_TAKEN: Final = "failure: already have static lease with this IP address"
_FORBIDDEN: Final = "not enough permissions (9)"
_INVALID: Final = "invalid value for argument address"
_ADDS: Final = ("/add", "/make-static")
_WRITES: Final = (*_ADDS, "/set")
_MOST: Final = 5
"""So many services of a pass may fail while their router takes nothing (docs/guarantees.md)."""
_FOR_GOOD: Final = 0.4
"""Share of histories in which a router never takes some value."""
_RETRIES: Final = 4
"""Whoever fails so often is left alone: it is not the router that was full."""


class _Refused(NamedTuple):
    text: str
    commands: tuple[str, ...]
    since_s: float
    until_s: float


@dataclass
class Refusals:
    """What routers refuse, and who tries again what failed meanwhile.

    Attributes:
        routers: by name.
        at: lets something happen after some seconds.
        tell: says what happened.
        value: the one that `R1` never takes; empty: it takes all.
    """

    routers: Mapping[str, SimulatedRouter]
    at: Callable[[float, Callable[[], None]], None]
    tell: Callable[[str, Any], None]
    value: str = ""
    _now: dict[str, "_Refused"] = field(default_factory=dict)
    _tried: Counter[str] = field(default_factory=Counter)
    _took_s: dict[str, float] = field(default_factory=dict)

    def plan(self, over_s: float, events: Sequence[Mapping[str, Any]], *, is_crowd: bool) -> None:
        """Choose what is refused when; to a crowd of services from the start."""
        if CHANCE.random() < _FOR_GOOD:
            of_one = filter(_is_of_one, events)
            addresses = {each for event in of_one for each in addresses_of(event)}
            self.value = CHANCE.choice(sorted(each for each in addresses if "." in each) or [""])
        for router in self.routers.values():
            router.refuses = partial(self._why_not, router)
        for _ in range(CHANCE.randint(0 if self.value else 1, 2)):
            self.at(CHANCE.uniform(0, over_s), self._begin)
        if is_crowd:
            self.at(0.0, self._begin)

    def _begin(self) -> None:
        router = CHANCE.choice(list(self.routers))
        kinds = [(_FULL, _ADDS), (_FULL, _WRITES), (_TAKEN, _ADDS), (_FORBIDDEN, _WRITES)]
        text, commands = CHANCE.choice([*kinds, (_INVALID, _WRITES), (_INVALID, _ADDS)])
        until_s = CLOCK.now_s + 10 ** CHANCE.uniform(0, 2.3)
        self._now[router] = _Refused(text, commands, CLOCK.now_s, until_s)
        self.tell("router refuses writes", f"{router}: {text}, to {until_s - BEGAN_S:.3f}")

    def _why_not(self, router: SimulatedRouter, words: Sequence[str]) -> str:
        """Why a router refuses a command; empty: it does not."""
        if self.value and words[0].endswith(_WRITES) and any(map(self._has_value, words)):
            return _INVALID
        now = self._now.get(router.name)
        if now is None or not self.is_refusing(router.name):
            return ""
        if not words[0].endswith(now.commands) or "/active/" in words[0]:
            if words[0].endswith(_WRITES):
                self._took_s[router.name] = CLOCK.now_s
            return ""
        return _FULL if now.text == _TAKEN and LEASES not in words[0] else now.text

    def _has_value(self, word: str) -> bool:
        """Whether `=name=value` has the value, or an attribute of a user has it."""
        given = word.partition("=")[2].partition("=")[2]
        return given == self.value or f"Framed-IP-Address:{self.value}" in given.split(",")

    def is_refusing(self, router: str) -> bool:
        """Whether a router takes no writes now."""
        return router in self._now and CLOCK.now_s < self._now[router].until_s

    def look(self, router: str, ends: Sequence[Conclusion]) -> None:
        """See that not many services of a pass fail at a router that takes nothing."""
        failed = sum(end.result == "failed" for end in ends)
        if failed <= _MOST or not self.is_refusing(router):
            return
        if self._took_s.get(router, 0.0) < self._now[router].since_s:
            logs.BUGS.append(f"{router}: takes no writes, and {failed} services failed at once")

    def go_on(self, store: Store) -> bool:
        """Whether a router takes no writes yet, or somebody is to try again what failed."""
        return any(map(self.is_refusing, self.routers)) or any(self.to_retry(store))

    def to_retry(self, store: Store) -> Iterator[Any]:
        """Dead letters of services whose routers take writes again."""
        for letter in store.dead_letters.all():
            is_due = letter.kind == "service" and not self.is_refusing(letter.router)
            if is_due and self._tried[letter.id] < _RETRIES:
                yield letter

    def try_again(self) -> None:
        """A person made room: another device of what failed may have waited for that."""
        self._tried.clear()

    def note_retry(self, dead_letter_id: str) -> None:
        """Somebody tries it again."""
        self._tried[dead_letter_id] += 1


def _is_of_one(event: Mapping[str, Any]) -> bool:
    return "service_id" in event["data"]
