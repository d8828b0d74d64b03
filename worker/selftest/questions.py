"""What a question of the self-test is, and what an answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from worker.selftest.device import LabDevice

UNKNOWN: Final = "unknown"
_MOST_SEEN: Final = 6
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """An answer, with what was seen.

    Attributes:
        answer: None where what was seen does not decide it.
        seen: lines for people, without names and addresses of the router.
    """

    answer: object | None
    seen: tuple[str, ...]

    @classmethod
    def of(cls, answer: object | None, *seen: str) -> "ProbeResult":
        """An answer and what was seen, each of a bounded length."""
        bounded = answer[:_LONGEST] if isinstance(answer, str) else answer
        return cls(bounded, tuple(line[:_LONGEST] for line in seen[:_MOST_SEEN]))


Ask = Callable[[LabDevice], ProbeResult]
AskT = TypeVar("AskT", bound=Ask)


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        name: of the simulator's switch, where there is one.
        text: it in words.
        ask: asks the router.
        seconds: that it takes at most on a real router, more or less.
        is_switch: the answer is a value of the simulator's switch of that name.
        needs_device: it is asked with the lab's device.
        only_by_rest: over the API there is no answer.
    """

    name: str
    text: str
    ask: Ask
    seconds: int = 2
    is_switch: bool = True
    needs_device: bool = False
    only_by_rest: bool = False


class Questions(list[Question]):
    """Questions in the order in which they are asked."""

    def add(self, text: str, seconds: int = 2, **more: bool) -> Callable[[AskT], AskT]:
        """Decorate the function that asks a question, and has its name behind an underscore."""

        def added(ask: AskT) -> AskT:
            self.append(Question(ask.__name__.removeprefix("_"), text, ask, seconds, **more))
            return ask

        return added
