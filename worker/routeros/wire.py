"""A connection as bytes, and the sentences of the RouterOS API in them.

Every wait has a deadline, every close is a reset. Words are text in which bytes that are not UTF-8
are surrogate-escaped, so that a value goes back to the router unchanged.
"""

import select
import socket
import ssl
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final

from librouteros.exceptions import ProtocolError
from librouteros.protocol import decode_length, determine_length, encode_length

from worker.compute_gate import GateSlot
from worker.ports import AnswerTimes

_CHUNK: Final = 1 << 16
_RECORDS: Final = 64
"""TLS records read at once at most: steady answers must not keep us from sending."""
NO_ANSWERS: Final = AnswerTimes(0, 0, 0)


class RouterSocket:
    """A connected socket. Not for two threads at once.

    Others compute while it waits for the router.

    Attributes:
        fingerprint: SHA-256 of the certificate that the router showed, hex; empty without TLS.
        certificate_ends_ms: until when that is valid (ms since 1970); 0: not known.
        asked_s: when the question was sent whose answer has not begun, by `time.monotonic`; 0: no
            question is open.
        answered: how long the router took to answer, since this was last taken.
    """

    def __init__(
        self,
        sock: socket.socket,
        fingerprint: str = "",
        certificate_ends_ms: int = 0,
        gate: GateSlot | None = None,
    ) -> None:
        self.fingerprint = fingerprint
        self.certificate_ends_ms = certificate_ends_ms
        self._sock = sock
        self._gate = gate or GateSlot()
        self._end: Exception | None = None
        self.asked_s = 0.0
        self.answered = NO_ANSWERS
        sock.settimeout(0)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def exchange(self, out: bytearray, deadline: float) -> bytes:
        """Send from `out` until something comes in, and return that.

        Writing and reading go together, so that two full buffers cannot make both sides wait.

        What was sent is removed from `out`; `deadline` is on the clock `time.monotonic`.

        Raises:
            TimeoutError: nothing came in time.
            EOFError: the router closed the connection.
            OSError: the connection broke.
        """
        came_s = 0.0
        while True:
            events = select.POLLIN | self._send(out)
            data, more = self._receive()
            if data:
                if self.asked_s:
                    self._answer_began(came_s or monotonic())
                return data
            events |= more
            remaining_s = deadline - monotonic()
            if remaining_s <= 0:
                raise TimeoutError
            self._poll.modify(self._sock, events)
            with self._gate.outside():
                self._poll.poll(remaining_s * 1000)
                came_s = monotonic()  # before this thread waits for its turn

    def _answer_began(self, came_s: float) -> None:
        took_ms = round((came_s - self.asked_s) * 1000)
        number, sum_ms, most_ms = self.answered
        self.answered = AnswerTimes(number + 1, sum_ms + took_ms, max(most_ms, took_ms))
        self.asked_s = 0.0

    def _receive(self) -> tuple[bytes, int]:
        """Return all that came by now, and what else to wait for when nothing did.

        A TLS record is often just one answer, so many are read together.
        """
        parts: list[bytes] = []
        while self._end is None and len(parts) < _RECORDS:
            try:
                part = self._sock.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                break
            except ssl.SSLWantWriteError:
                return b"".join(parts), select.POLLOUT
            except OSError as error:  # a socket reports it only once
                self._end = error
            else:
                if not part:
                    self._end = EOFError()
                parts.append(part)
        if self._end is not None and not any(parts):
            raise self._end
        return b"".join(parts), 0

    def _send(self, out: bytearray) -> int:
        """Send what can be sent now; return the event to wait for before the rest can be."""
        while out:
            try:
                del out[: self._sock.send(out)]
            except (BlockingIOError, ssl.SSLWantWriteError):
                return select.POLLOUT
            except ssl.SSLWantReadError:
                break
        return 0

    def is_quiet(self) -> bool:
        """Return whether nothing came in, not even the end of the connection."""
        self._poll.modify(self._sock, select.POLLIN)
        return not self._poll.poll(0)

    def close(self) -> None:
        """Reset the connection, so that nothing under way lands later."""
        self._sock.close()


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


class SentenceSocket:
    """A connection that carries sentences of the API."""

    def __init__(self, sock: RouterSocket) -> None:
        self._sock = sock
        self._out = bytearray()
        self._reader = SentenceReader()

    def exchange(self, sentences: Sequence[Sequence[str]], deadline: float) -> list[list[str]]:
        """Send sentences, and return what comes in: at least one whole sentence.

        `deadline` is on the clock `time.monotonic`; bytes alone do not extend the wait.

        Raises:
            TimeoutError, EOFError, OSError: as `RouterSocket.exchange`.
            ProtocolError: what came, or should be sent, is no sentence of the API.
        """
        for words in sentences:
            self._out += encode_sentence(words)
        while not (came := self._reader.feed(self._sock.exchange(self._out, deadline))):
            if monotonic() >= deadline:
                raise TimeoutError
        return came
