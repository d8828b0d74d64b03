"""What is asked of a router, and what it answers: commands, replies and their pace."""

from collections.abc import Sequence
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
