"""Commands and replies on one connection, over any transport."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, NamedTuple

from worker.core.policy.circuit import RECOVERY_S
from worker.errors import RouterUnreachable
from worker.routeros.answers import make_sure
from worker.routeros.failures import FOREIGN, refused_read, verdict
from worker.routeros.transport import RouterSocket

MOST_SHOWN: Final = 500
"""Characters of a router's text that an error keeps."""

Command = Sequence[str]
"""The words of a sentence without its tag: command, attributes, query."""


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


class RouterConnection(ABC):
    """One connection to one router. Not for two threads at once.

    After any error, also one raised by `progress`, it is reset: a late answer would be taken for
    the answer to the next command.

    Attributes:
        closed: it cannot be used any more.
        rests_until: leave the router alone until then, by `time.monotonic`: the answer to an
            abandoned request might reach the next one.
    """

    def __init__(self, router: str, transport: RouterSocket) -> None:
        self._router = router
        self._transport = transport
        self.closed = False
        self.rests_until = 0.0
        self._owed = False

    @abstractmethod
    def log_in(self, username: str, password: str, pace: Pace) -> Reply:
        """Log in; the reply says whether the router accepts the user.

        Raises:
            RouterUnreachable, RouterBlocked: see `run`.
        """

    @abstractmethod
    def _carry(
        self, commands: Sequence[Command], replies: list[Reply], pace: Pace
    ) -> Iterator[None]:
        """Send the commands and fill their replies; yield whenever something came in."""

    def run(
        self,
        doing: str,
        commands: Sequence[Command],
        pace: Pace,
        progress: Callable[[], None] = lambda: None,
        *,
        writing: bool = False,
    ) -> list[Reply]:
        """Send commands and collect their replies, in the commands' order.

        Args:
            doing: for error messages, such as `reading leases`.
            commands: one sentence each.
            pace: for the commands together.
            progress: called after each answer.
            writing: the commands change something, so a lost answer leaves the outcome unknown.

        Raises:
            RouterUnreachable: the connection failed, or an answer was late or malformed.
            OutcomeUnknown: the same, while `writing`.
            RouterBlocked: the router does not accept our login (any more).
        """
        if self.closed:
            raise RouterUnreachable(self._router, f"{doing}: the session is closed")
        replies = [Reply() for _ in commands]
        steps = self._answered(commands, replies, pace)
        try:
            while True:
                try:
                    next(steps)
                except StopIteration:
                    return replies
                except FOREIGN as error:
                    raise verdict(self._router, doing, error, writing=writing) from error
                progress()
        except BaseException as error:
            if self._owed:
                self.rests_until = monotonic() + RECOVERY_S
            if isinstance(error, RouterUnreachable):
                error.failed = self._owed
            self.close()
            raise

    def _answered(
        self, commands: Sequence[Command], replies: list[Reply], pace: Pace
    ) -> Iterator[None]:
        yield from self._carry(commands, replies, pace)
        for command, reply in zip(commands, replies, strict=True):
            if not reply.traps:
                make_sure(command, reply.rows)

    def rows(self, doing: str, reply: Reply) -> list[dict[str, str]]:
        """Return the rows of a print.

        Raises:
            RouterUnreachable: the router refused it.
            RouterBlocked: our user may not read them.
        """
        if reply.traps:
            self.close()
            raise refused_read(self._router, doing, reply.traps)
        return reply.rows

    @property
    def fingerprint(self) -> str:
        """See `RouterSocket`."""
        return self._transport.fingerprint

    @property
    def certificate_ends_ms(self) -> int:
        """See `RouterSocket`."""
        return self._transport.certificate_ends_ms

    def is_quiet(self) -> bool:
        """Return whether nothing came since the last reply, not even the end of the connection."""
        return not self.closed and self._transport.is_quiet()

    def close(self) -> None:
        """Reset the connection."""
        self.closed = True
        self._transport.close()
