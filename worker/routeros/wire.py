"""The RouterOS API: its words and sentences as bytes, and a connection that speaks them.

Words are text in which bytes that are not UTF-8 are surrogate-escaped, so that a value goes back to
the router unchanged.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from time import monotonic
from typing import Final

from librouteros.exceptions import FatalError, ProtocolError
from librouteros.protocol import decode_length, determine_length, encode_length

from worker.routeros.connection import MOST_SHOWN, Command, Pace, Reply, RouterConnection
from worker.routeros.transport import RouterSocket

_LARGEST_SENTENCE: Final = 16 << 20
"""In bytes of memory. RouterOS sends kilobytes; more must not fill our memory."""
WORD_OVERHEAD: Final = 64
_LONG: Final = 0x80
"""From this length on its code has more than one byte."""
_LENGTHS: Final = [bytes((length,)) for length in range(_LONG)]


def encode_sentence(words: Iterable[str]) -> bytes:
    """Return the bytes of one sentence, including its end.

    Raises:
        ProtocolError: a word of 256 MiB or more.
        UnicodeEncodeError: a surrogate that stands for no byte.
    """
    parts: list[bytes] = []
    for word in words:
        encoded = word.encode("utf-8", "surrogateescape")
        length = len(encoded)
        parts += (encode_length(length) if length >= _LONG else _LENGTHS[length], encoded)
    parts.append(b"\x00")
    return b"".join(parts)


def _from_latin(word: str) -> str:
    return word.encode("latin-1").decode("utf-8", "surrogateescape")


class SentenceReader:
    """Builds sentences from bytes as they come in, wherever they are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 1  # bytes in the buffer before there is anything to do
        self._words: list[str] = []
        self._size = 0  # of these words in memory

    def feed(self, data: bytes) -> list[list[str]]:
        """Take bytes and return the sentences that they complete, without empty ones.

        Raises:
            ProtocolError: the bytes are not sentences of the API.
        """
        buffer = self._buffer
        buffer += data
        end = len(buffer)
        if end < self._needed:
            return []
        text = buffer.decode("latin-1")  # a character a byte: words are cut from it as text
        sentences: list[list[str]] = []
        words, size = self._words, self._size
        at = 0
        self._needed = 1
        while at < end:
            length, start = buffer[at], at + 1
            if length >= _LONG:
                start += determine_length(buffer[at:start])
                if start > end:
                    self._needed = start - at
                    break
                length = decode_length(bytes(buffer[at:start]))
            stop = start + length
            if size + length > _LARGEST_SENTENCE:
                raise ProtocolError(f"a sentence of more than {_LARGEST_SENTENCE} bytes")
            if stop > end:
                self._needed = stop - at
                break
            at = stop
            if length:
                word = text[start:stop]
                words.append(word if word.isascii() else _from_latin(word))
                size += length + WORD_OVERHEAD
            elif words:
                sentences.append(words)
                words, size = [], 0
        self._words, self._size = words, size
        del buffer[:at]
        return sentences


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
        self._reader = SentenceReader()
        self._out = bytearray()
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
            # Refilled a share at a time: one send for each sentence would cost more than the
            # sentence.
            while waiting and len(in_flight) <= low:
                some = min(pace.window - len(in_flight), len(waiting))
                for _ in range(some):
                    command, reply = waiting.popleft()
                    in_flight[self._send(command)] = reply
            for sentence in self._receive(min(monotonic() + pace.silence_s, ends_at)):
                _take(sentence, in_flight, came)
            yield

    def _send(self, command: Command) -> str:
        self._last_tag += 1
        tag = str(self._last_tag)
        self._out += encode_sentence((*command, f"{_TAG}={tag}"))
        return tag

    def _receive(self, deadline: float) -> list[list[str]]:
        """Wait for whole sentences; bytes alone do not extend the wait."""
        while not (sentences := self._reader.feed(self._transport.exchange(self._out, deadline))):
            if monotonic() >= deadline:
                raise TimeoutError
        return sentences


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
