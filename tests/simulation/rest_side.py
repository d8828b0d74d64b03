"""A router that is spoken to over REST: one request at a time, and answers to the wrong request.

Recorded on real routers (0077): for seconds after a boot a print is answered with another menu's
rows, and for 2.4 s after a request that was given up its answer goes to the next one. No wrong
answer is an empty list: that is always a possible one (docs/guarantees.md).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tests.simulation.router_side import SimulatedConnection, SimulatedRouter, Ways
from tests.simulation.virtual import CHANCE, CLOCK
from worker.routeros.commands import COUNTS, Command, Pace, Reply

_WHO: Final = ("/system/identity/print", "=.proplist=name")
_GIVEN_UP_S: Final = 2.4
_BOOTS_S: Final = 5.0
_WRONG: Final = 0.5
_OTHERS: Final = ("/system/identity/print", "/ip/dhcp-server/print", "/user/print")
"""What is answered in place of a menu by a router that boots."""


class SimulatedRest(SimulatedConnection):
    """A connection over which each request is answered before the next is sent.

    Some routers close it after each answer: the next request then reaches one that booted
    meanwhile, and nobody notices.
    """

    counts_first = True

    def __init__(self, to: SimulatedRouter, ways: Ways) -> None:
        super().__init__(to, ways)
        self._closes = CHANCE.random() < 0.5

    def log_in(self, username: str, password: str, pace: Pace) -> Reply:
        """Name and password come with each request; the first one tries them."""
        del username, password
        (reply,) = self.run("logging in", [_WHO], pace)
        return reply

    def _reach(self) -> None:
        if self._closes:
            self._boot = self._to.boots
        super()._reach()

    def _carry(
        self, commands: Sequence[Command], replies: list[Reply], pace: Pace
    ) -> Iterator[None]:
        for number, command in enumerate(commands):
            answers = [Reply()]
            self._owed = True
            for _ in super()._carry([command], answers, pace._replace(window=1)):
                self._owed = False
                replies[number].rows, replies[number].done = answers[0].rows, answers[0].done
                replies[number].traps = answers[0].traps
                yield

    def _run(self, words: Command) -> Reply:
        """What the router answers, which may be another one's."""
        reply, wrong = super()._run(words), self._wrong(words)
        if wrong is None:
            return reply
        self._ways.scheduler.counts["wrong answer"] += 1
        self._ways.scheduler.narrate(f"GETS A WRONG ANSWER to {words[0]} of {self._to.name}")
        return Reply(rows=wrong)

    def _wrong(self, words: Command) -> list[dict[str, str]] | None:
        to, (given_up_s, answer) = self._to, self._to.given_up
        if self._ways.scheduler.is_quiet or not _is_print(words):
            return None
        if answer and CLOCK.now_s < given_up_s + _GIVEN_UP_S:
            to.given_up = (0.0, [])
            return answer if CHANCE.random() < _WRONG else None
        boots = CLOCK.now_s < to.answers_since + _BOOTS_S and CHANCE.random() < _WRONG
        other = CHANCE.choice(_OTHERS) if boots else words[0]
        return None if other == words[0] else to.run((other,)).rows

    def _give_up(self, in_flight: Sequence[Command]) -> None:
        for words in in_flight:
            if _is_print(words):
                self._to.given_up = (CLOCK.now_s, self._to.run(words).rows)
        super()._give_up(in_flight)


def _is_print(words: Command) -> Any:
    return words[0].endswith("/print") and COUNTS not in words


CONNECTIONS: Final = {"api": SimulatedConnection, "rest": SimulatedRest}
"""By the transport of the inventory."""
