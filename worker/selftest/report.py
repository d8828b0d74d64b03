"""The report of a self-test: answers, with what was seen, and values for the simulator's switches.

It can be given to others: it has no name, serial number, address or user of the router.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from worker.selftest.lab_router import LabRouter
from worker.selftest.questions import UNKNOWN, ProbeResult, Question

KIND: Final = "leasewire-selftest"
FORMAT: Final = 1
_LONGEST: Final = 64


class Answered(NamedTuple):
    """A question and what was found."""

    question: Question
    finding: ProbeResult

    @property
    def shown(self) -> str:
        """The answer as a person reads it."""
        answer = self.finding.answer
        if answer is None:
            return UNKNOWN
        return str(answer).lower() if isinstance(answer, bool) else str(answer)


def report(
    router: LabRouter, answered: Sequence[Answered], *, wire: str, leasewire: str, now: datetime
) -> dict[str, Any]:
    """The report as a document.

    `wire` is how the lab's device was joined to it, `macvlan` or `cable`; `now` is aware.
    """
    return {
        "report": KIND,
        "format": FORMAT,
        "leasewire": leasewire,
        "routeros": _short(router.version),
        "board": _short(router.board),
        "architecture": _short(router.architecture),
        "wire": wire,
        "date": f"{now:%Y-%m-%d}",
        "answers": [
            {
                "question": one.question.name,
                "text": one.question.text,
                "answer": _answer(one.finding.answer, router),
                "seen": [_without(line, router) for line in one.finding.seen],
            }
            for one in answered
        ],
        "switches": dict(_switches(answered)),
    }


def _switches(answered: Sequence[Answered]) -> Iterator[tuple[str, object]]:
    for question, finding in answered:
        if question.is_switch and finding.answer is not None:
            yield question.name, finding.answer


def _answer(answer: object | None, router: LabRouter) -> object:
    if isinstance(answer, str):
        return _without(answer, router)
    return UNKNOWN if answer is None else answer


def _short(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:_LONGEST]


def _without(line: str, router: LabRouter) -> str:
    """A line without the router's name; the rest of a router's text is about rows of the lab."""
    line = "".join(char for char in line if char.isprintable())
    return line.replace(router.identity, "<name>") if len(router.identity) > 3 else line  # noqa: PLR2004 - a shorter one is part of words
