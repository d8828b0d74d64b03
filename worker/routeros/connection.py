"""Commands and replies on one connection: tagged, a bounded number in flight, each with its end.

Who calls it: `session.py`. What must never enter it: what a command means.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, NamedTuple

from librouteros.exceptions import FatalError, ProtocolError

from worker.errors import RouterUnreachable
from worker.routeros.failures import FOREIGN, refused_read, verdict
from worker.routeros.transport import Transport
from worker.routeros.wire import SentenceReader, encode_sentence

_TAG: Final = ".tag="
_MOST_SHOWN: Final = 500

Command = Sequence[str]
"""A sentence's words without a tag: the command, its attributes, its query."""


@dataclass(slots=True)
class Reply:
    """All that came for one command.

    Attributes:
        rows: of each `!re`, names to values, as text.
        done: the same of `!done`, such as `ret`.
        traps: messages of each `!trap`; a command that failed has at least one.
    """

    rows: list[dict[str, str]] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)
    traps: list[str] = field(default_factory=list)


class Pace(NamedTuple):
    """How fast commands are sent, and when a router is too slow.

    Attributes:
        window: commands in flight at most.
        silence_s: longest time without a sentence while something is in flight.
        total_s: longest time for all of them, however steadily bytes trickle in.
    """

    window: int
    silence_s: float
    total_s: float


class Connection:
    """One connection to one router. Not for two threads at once.

    After any error, also one that `progress` raises, it is reset: a late answer would be taken for
    that of the next command.
    """

    def __init__(self, router: str, transport: Transport) -> None:
        self._router = router
        self._transport = transport
        self._reader = SentenceReader()
        self._out = bytearray()
        self._last_tag = 0
        self.closed = False

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
            doing: for the words of an error, as in `reading leases`.
            commands: each a sentence.
            pace: see there.
            progress: called whenever something was answered.
            writing: the commands change something, so a lost answer leaves a question.

        Raises:
            RouterUnreachable: the connection failed or an answer was late or no answer at all.
            OutcomeUnknown: so, and `writing`.
        """
        if self.closed:
            raise RouterUnreachable(self._router, f"{doing}: the session is closed")
        replies = [Reply() for _ in commands]
        waiting = deque(zip(commands, replies, strict=True))
        in_flight: dict[str, Reply] = {}
        ends_at = monotonic() + pace.total_s
        try:
            while waiting or in_flight:
                try:
                    while waiting and len(in_flight) < pace.window:
                        command, reply = waiting.popleft()
                        in_flight[self._send(command)] = reply
                    deadline = min(monotonic() + pace.silence_s, ends_at)
                    for sentence in self._receive(deadline):
                        _take(sentence, in_flight)
                except FOREIGN as error:
                    raise verdict(self._router, doing, error, writing=writing) from error
                progress()
        except BaseException:
            self.close()
            raise
        return replies

    def _send(self, command: Command) -> str:
        self._last_tag += 1
        tag = str(self._last_tag)
        self._out += encode_sentence((*command, f".tag={tag}"))
        return tag

    def _receive(self, deadline: float) -> list[list[str]]:
        """Wait for whole sentences: bytes alone are no reason to wait longer."""
        while not (sentences := self._reader.feed(self._transport.exchange(self._out, deadline))):
            if monotonic() >= deadline:
                raise TimeoutError
        return sentences

    def rows(self, doing: str, reply: Reply) -> list[dict[str, str]]:
        """The rows of a print.

        Raises:
            RouterUnreachable: the router refused it.
            RouterBlocked: because we may not.
        """
        if reply.traps:
            self.close()
            raise refused_read(self._router, doing, reply.traps)
        return reply.rows

    def is_quiet(self) -> bool:
        """Whether nothing came since the last reply, the end of the connection included."""
        return not self.closed and self._transport.is_quiet()

    def close(self) -> None:
        """Reset the connection."""
        self.closed = True
        self._transport.close()


def _take(sentence: list[str], in_flight: dict[str, Reply]) -> None:
    """Put one sentence where it belongs; a `!done` ends its command."""
    kind, *words = sentence
    if kind == "!fatal":
        raise FatalError("; ".join(words)[:_MOST_SHOWN] or "without a reason")
    tag = next((word[len(_TAG) :] for word in reversed(words) if word.startswith(_TAG)), "")
    reply = in_flight.get(tag)
    if reply is None:
        raise ProtocolError(f"{kind[:_MOST_SHOWN]!r} to no command of ours")
    values = {
        name: value
        for name, _, value in (word[1:].partition("=") for word in words if word.startswith("="))
    }
    match kind:
        case "!re":
            reply.rows.append(values)
        case "!trap":
            reply.traps.append(values.get("message", "")[:_MOST_SHOWN] or "without a reason")
        case "!empty":  # from 7.18 on, before the `!done` of an answer without rows
            pass
        case "!done":
            reply.done = values
            del in_flight[tag]
        case _:
            raise ProtocolError(f"{kind[:_MOST_SHOWN]!r} is no reply")
