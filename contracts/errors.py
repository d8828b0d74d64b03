"""What is wrong with an event: every problem, each with its place."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an event.

    Attributes:
        pointer: the place, an RFC 6901 JSON pointer into the event; "" is the whole event.
        code: a machine word in kebab-case, such as `mac-format`. The list is open.
        message: what is wrong and what to do, to be read after the pointer.
    """

    pointer: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or 'event'} {self.message} [{self.code}]"


class ContractViolation(Exception):  # noqa: N818 - the design's word for it
    """An event breaks the contract; sending it again will not help."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "; ".join(str(problem) for problem in self.problems)
