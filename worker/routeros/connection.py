"""Commands and replies on one connection, over the API; replies over any transport are checked."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import inf
from time import monotonic
from typing import ClassVar, Final

from librouteros.exceptions import FatalError, ProtocolError

from worker.core.policy.circuit import RECOVERY_S
from worker.errors import RouterUnreachable
from worker.ports import AnswerTimes
from worker.routeros.commands import MOST_SHOWN, Command, Pace, Reply
from worker.routeros.failures import FOREIGN, refused_read, verdict
from worker.routeros.wire import NO_ANSWERS, WORD_OVERHEAD, RouterSocket, SentenceSocket

_END: Final = object()


class RouterConnection(ABC):
    """One connection to one router. Not for two threads at once.

    After any error, also one raised by `progress`, it is reset: a late answer would be taken for
    the answer to the next command.

    Attributes:
        closed: it cannot be used any more.
        rests_until: leave the router alone until then, by `time.monotonic`: the answer to an
            abandoned request might reach the next one.
        counts_first: the rows of a table come all at once, so how many there are says how long that
            may take.
        longest_s: after so long the router itself ends a command.
    """

    counts_first: ClassVar[bool] = False
    longest_s: ClassVar[float] = inf

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
        """Send the commands and fill their replies; yield whenever a part of them came in."""

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

        `progress` is called after each answer. With `writing` the commands change something, so a
        lost answer leaves the outcome unknown.

        Raises:
            RouterUnreachable: the connection failed, or an answer was late or malformed.
            OutcomeUnknown: the same, while `writing`.
            RouterBlocked: the router does not accept our login (any more).
        """
        if self.closed:
            raise RouterUnreachable(self._router, f"{doing}: the session is closed")
        replies = [Reply() for _ in commands]
        self._transport.asked_s = monotonic()
        steps = self._carry(commands, replies, pace)
        try:
            while True:
                try:
                    is_last = next(steps, _END) is _END
                    if is_last:
                        for command, reply in zip(commands, replies, strict=True):
                            make_sure(command, reply)
                except FOREIGN as error:
                    raise verdict(self._router, doing, error, writing=writing) from error
                progress()
                if is_last:
                    return replies
        except BaseException as error:
            if self._owed:
                self.rests_until = monotonic() + RECOVERY_S
            if isinstance(error, RouterUnreachable):
                error.failed = self._owed
            self.close()
            raise

    def read(
        self,
        doing: str,
        commands: Sequence[Command],
        pace: Pace,
        progress: Callable[[], None] = lambda: None,
    ) -> list[dict[str, str]]:
        """Send prints and return the rows of all of them; raises as `run` and `rows` do."""
        replies = self.run(doing, commands, pace, progress)
        return [row for reply in replies for row in self.rows(doing, reply)]

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

    def take_answered(self) -> AnswerTimes:
        """Return how long the router took to answer since the last call."""
        answered, self._transport.answered = self._transport.answered, NO_ANSWERS
        return answered

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


_TAG: Final = ".tag"
LARGEST_ANSWER: Final = 256 << 20
"""Bytes of memory for the answer to one command, about 64 MiB on the wire. The largest known table,
100,000 leases, takes about 150 MB by this count."""
MOST_ROWS: Final = 250_000
MOST_TRAPS: Final = 100
_SHARE_REFILLED: Final = 4
"""A quarter of the window is sent at once; three quarters keep the router busy meanwhile."""


class ApiConnection(RouterConnection):
    """See `RouterConnection`."""

    def __init__(self, router: str, transport: RouterSocket) -> None:
        super().__init__(router, transport)
        self._sentences = SentenceSocket(transport)
        self._last_tag = 0

    def log_in(self, username: str, password: str, pace: Pace) -> Reply:
        """Log in as RouterOS takes it from 6.43 on: the password in the sentence."""
        sentence = ("/login", f"=name={username}", f"=password={password}")
        (reply,) = self.run("logging in", [sentence], pace)
        return reply

    def _carry(
        self, commands: Sequence[Command], replies: list[Reply], pace: Pace
    ) -> Iterator[None]:
        waiting = deque(zip(commands, replies, strict=True))
        in_flight: dict[str, Reply] = {}
        came: dict[str, int] = {}
        ends_at = monotonic() + pace.total_s
        low = pace.window - max(pace.window // _SHARE_REFILLED, 1)
        while waiting or in_flight:
            sentences: list[Command] = []
            # Refilled a share at a time: one send for each sentence would cost more than the
            # sentence.
            while waiting and len(in_flight) <= low:
                some = min(pace.window - len(in_flight), len(waiting))
                for _ in range(some):
                    command, reply = waiting.popleft()
                    self._last_tag += 1
                    tag = str(self._last_tag)
                    sentences.append((*command, f"{_TAG}={tag}"))
                    in_flight[tag] = reply
            deadline = min(monotonic() + pace.silence_s, ends_at)
            for sentence in self._sentences.exchange(sentences, deadline):
                _take(sentence, in_flight, came)
            if waiting or in_flight:
                yield


def _take(sentence: list[str], in_flight: dict[str, Reply], came: dict[str, int]) -> None:
    """Add one sentence to the reply of its command; `!done` ends the command.

    `came`: tag -> how much memory the answer takes so far.
    """
    kind, *words = sentence
    if kind == "!fatal":
        raise FatalError("; ".join(words)[:MOST_SHOWN] or "without a reason")
    tag = ""
    values: dict[str, str] = {}
    for word in words:
        first, _, rest = word.partition("=")
        if not first:
            name, _, value = rest.partition("=")
            values[name] = value
        elif first == _TAG:
            tag = rest
    reply = in_flight.get(tag)
    if reply is None:
        raise ProtocolError(f"{kind[:MOST_SHOWN]!r} for a command that we did not send")
    came[tag] = came.get(tag, 0) + sum(map(len, words)) + WORD_OVERHEAD * len(words)
    _check_bounds(reply, came[tag])
    match kind:
        case "!re":
            reply.rows.append(values)
        case "!trap":
            reply.traps.append(values.get("message", "")[:MOST_SHOWN] or "without a reason")
        case "!empty":  # from 7.18 on, before the `!done` of an answer without rows
            pass
        case "!done":
            reply.done = values
            del in_flight[tag]
        case _:
            raise ProtocolError(f"{kind[:MOST_SHOWN]!r} is not a reply")


def _check_bounds(reply: Reply, size: int) -> None:
    """One router must not fill the memory of a process that serves all."""
    if size > LARGEST_ANSWER:
        raise ProtocolError(f"an answer that takes more than {LARGEST_ANSWER} bytes")
    for what, most, found in (
        ("rows", MOST_ROWS, reply.rows),
        ("traps", MOST_TRAPS, reply.traps),
    ):
        if len(found) > most:
            raise ProtocolError(f"an answer of more than {most} {what}")


_ID: Final = frozenset({".id"})
_NOTHING: Final[frozenset[str]] = frozenset()
_SINGLE: Final[Mapping[str, frozenset[str]]] = {
    "/system/identity/print": frozenset({"name"}),
    "/system/resource/print": frozenset({"version"}),
    "/system/clock/print": frozenset({"time"}),
    # the number asked for is left out by a board that has none
    "/system/routerboard/print": _NOTHING,
    "/system/license/print": _NOTHING,
    "/user-manager/print": _NOTHING,
}
"""Menus with one row and no id: the fields it always has; without any, it may be missing."""

Row = Mapping[str, str]
_Test = Callable[[Row], bool]


def make_sure(command: Command, reply: Reply) -> None:
    """Refuse rows that cannot answer a print.

    Each row must have an id, no field that was not asked for, and match the query. No rows at all
    may always be the answer.

    Raises:
        ProtocolError: they belong to another command.
    """
    menu, *words = command
    rows = reply.rows
    if reply.traps or not menu.endswith("/print"):
        return
    fields = next((w.removeprefix("=.proplist=") for w in words if w.startswith("=.proplist=")), "")
    asked = frozenset(fields.split(",")) if fields else None
    always = _SINGLE.get(menu, _ID if not asked or ".id" in asked else _NOTHING)
    if menu in _SINGLE and (len(rows) > 1 or (always and not rows)):
        raise ProtocolError(f"{len(rows)} rows came for {menu}, which has one")
    holds = _test([word[1:] for word in words if word.startswith("?")], asked) if rows else None
    for row in rows:
        if not always <= row.keys():
            raise ProtocolError(f"a row without {', '.join(always)} came for {menu}")
        if asked and not row.keys() <= asked and (more := _more(row, asked)):
            raise ProtocolError(f"a row with {more} came for {menu}, which was not asked for")
        if holds and not holds(row):
            raise ProtocolError(f"a row that was not asked for came for {menu}")


def _more(row: Row, asked: Collection[str]) -> str:
    """The fields that were not asked for; those with a dot belong to the protocol."""
    return ", ".join(name for name in row if name not in asked and not name.startswith("."))[:100]


def _test(query: Sequence[str], asked: Collection[str] | None) -> _Test | None:
    """The query as RouterOS evaluates it, for the words that we use; None: rows do not show it."""
    stack: list[tuple[dict[str, set[str]], list[_Test]]] = []  # any of these values, or tests
    for word in query:
        if not word.startswith("#"):
            name, _, value = word.removeprefix("=").partition("=")
            if asked and name not in asked:
                return None
            stack.append(({name: {value}}, []))
            continue
        for sign in word[1:]:
            (right, others), (left, tests) = stack.pop(), stack.pop()
            if sign == "|":  # of the many terms of one print, one look-up a field is left
                for name, values in right.items():
                    left.setdefault(name, set()).update(values)
                stack.append((left, tests + others))
            else:
                both = _any_of(left, tests), _any_of(right, others)
                stack.append(({}, [_all_of(both)]))
    return _all_of([_any_of(*terms) for terms in stack]) if stack else None


def _any_of(wanted: Mapping[str, Collection[str]], tests: Sequence[_Test]) -> _Test:
    def holds(row: Row) -> bool:
        for name, values in wanted.items():
            if row.get(name) in values:
                return True
        return any(test(row) for test in tests)

    return holds


def _all_of(tests: Sequence[_Test]) -> _Test:
    return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)
