"""What is asked of a router, and what it answers: commands, replies and their pace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_SHOWN: Final = 500
"""Characters of a router's text that an error keeps."""

Command = Sequence[str]
"""The words of a sentence without its tag: command, attributes, query."""
COUNTS: Final = "=count-only="
"""A print with this word answers how many rows there are, as `ret`."""


@dataclass(slots=True)
class Reply:
    """The answer to one command.

    Attributes:
        rows: name to value of each `!re`, as text.
        done: the same of `!done`, such as `ret`.
        traps: the message of each `!trap`; a failed command has at least one.
    """

    rows: list[dict[str, str]] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)
    traps: list[str] = field(default_factory=list)


class Pace(NamedTuple):
    """How many commands are sent at once, and when a router is too slow.

    Attributes:
        window: commands in flight at most.
        silence_s: longest time without a sentence while a command is in flight.
        total_s: longest time for all commands, even while bytes come in.
    """

    window: int
    silence_s: float
    total_s: float


def all_of(fields: Mapping[str, str]) -> Sequence[str]:
    """Return words that match rows with all of these values."""
    first, *others = (f"?={name}={value}" for name, value in fields.items())
    return [first, *(word for other in others for word in (other, "?#&"))]


def any_of(terms: Sequence[str | Sequence[str]]) -> list[str]:
    """Return words that match any of the terms, each of one or of more words.

    One "or" stands behind each term but the first, so that the router's stack stays two deep, or
    three where terms have more words.
    """
    words: list[str] = []
    for number, term in enumerate(terms):
        words += (term,) if isinstance(term, str) else term
        words += ("?#|",) if number else ()
    return words


def searches(
    menu: str, fields: str, terms: Sequence[str | Sequence[str]], most: int, only: Command = ()
) -> list[Command]:
    """Return the prints of all rows that match any term; a row may come more than once.

    Each row must match `only` too. Without terms there is no print.
    """
    return [
        (f"{menu}/print", f"=.proplist={fields}", *any_of(terms[at : at + most]), *only)
        for at in range(0, len(terms), most)
    ]
