"""The API's words and sentences as bytes: no socket, no meaning.

Values are kept as they came: text is UTF-8 with surrogate escapes, so bytes that are no UTF-8
are read and written unchanged.

Source: MAN-API, "API words", "API sentences".
"""

from collections.abc import Iterable

# lengths below this -> (bytes of the length, mark in its first byte)
_ENCODED = (
    (0x80, 1, 0),
    (0x4000, 2, 0x8000),
    (0x200000, 3, 0xC00000),
    (0x10000000, 4, 0xE0000000),
)
_LONG = 0x80
_ONE_BYTE = [bytes([length]) for length in range(_LONG)]


class ProtocolError(Exception):
    """Bytes that cannot be the API: the connection is given up."""


def encode_length(length: int) -> bytes:
    """Encode a word's length in its shortest form."""
    for below, size, mark in _ENCODED:
        if length < below:
            return (length | mark).to_bytes(size, "big")
    return b"\xf0" + length.to_bytes(4, "big")


def encode_word(word: bytes) -> bytes:
    """Encode one word with its length before it."""
    return encode_length(len(word)) + word


def encode_attribute(name: str, value: str) -> bytes:
    """Encode one `=name=value` word."""
    word = f"={name}={value}".encode("utf-8", "surrogateescape")
    length = len(word)
    return _ONE_BYTE[length] + word if length < _LONG else encode_word(word)


def encode_sentence(words: Iterable[bytes]) -> bytes:
    """Encode words and the empty word that ends a sentence."""
    return b"".join(map(encode_word, words)) + b"\0"


def to_text(raw: bytes) -> str:
    """Turn a word's bytes into text without loss."""
    return raw.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Undo `to_text`."""
    return text.encode("utf-8", "surrogateescape")


# first byte below this -> (bytes of the length, mask of the first byte)
_FORMS = ((0x80, 1, 0x7F), (0xC0, 2, 0x3F), (0xE0, 3, 0x1F), (0xF0, 4, 0x0F), (0xF8, 5, 0x00))


class Decoder:
    """Cuts a stream of bytes into sentences of at most so many bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._rest = b""
        self._words: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[list[bytes]]:
        """Take more bytes and give the sentences that are complete now.

        Raises:
            ProtocolError: a reserved first byte, or a sentence longer than the limit.
        """
        buffer = self._rest + data if self._rest else data
        sentences: list[list[bytes]] = []
        at, end = 0, len(buffer)
        while at < end:
            start, length = at + 1, buffer[at]
            if length >= _LONG:
                size, length = self._long_length(buffer, at)
                if not size:
                    break
                start = at + size
            if self._size + length > self.limit:
                raise ProtocolError
            at_next = start + length
            if at_next > end:
                break
            if length:
                self._words.append(buffer[start:at_next])
                self._size += length
            elif self._words:  # an empty sentence means nothing
                sentences.append(self._words)
                self._words, self._size = [], 0
            at = at_next
        self._rest = buffer[at:]
        return sentences

    @staticmethod
    def _long_length(buffer: bytes, at: int) -> tuple[int, int]:
        first = buffer[at]
        for below, size, mask in _FORMS:
            if first < below:
                if len(buffer) - at < size:
                    return 0, 0
                rest = int.from_bytes(buffer[at + 1 : at + size], "big")
                return size, ((first & mask) << (8 * (size - 1))) | rest
        raise ProtocolError
