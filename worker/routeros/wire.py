"""Words and sentences of the RouterOS API as bytes, on librouteros's length codec.

Words are text in which bytes that are not UTF-8 are surrogate-escaped, so that a value goes back to
the router unchanged.
"""

from collections.abc import Iterable
from typing import Final

from librouteros.exceptions import ProtocolError
from librouteros.protocol import decode_length, determine_length, encode_length

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
