"""Problems of an event, each with a JSON pointer."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an event.

    Attributes:
        pointer: an RFC 6901 JSON pointer into the event; "" is the whole event.
        code: for programs, in kebab-case, such as `mac-format`. The list is open.
        message: what is wrong and what to do, to be read after the pointer.
    """

    pointer: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or 'event'} {self.message} [{self.code}]"


class ContractViolation(Exception):  # noqa: N818 - says what happened
    """An event violates the contract; sending it again will not help."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "; ".join(str(problem) for problem in self.problems)
