"""Sentences of the API: commands taken apart, replies put together.

Source: MAN-API, LIB, CLIENTS.
"""

from dataclasses import dataclass, field

from simulator.command import READING
from simulator.errors import RouterError
from simulator.protocol import encode_word, to_bytes, to_text
from simulator.state import Values


@dataclass(slots=True)
class Command:
    """One sentence, taken apart."""

    name: str
    arrived: float
    tag: bytes = b""
    arguments: Values = field(default_factory=dict)
    query: list[str] = field(default_factory=list)
    proplist: tuple[str, ...] | None = None


def parse_sentence(words: list[bytes], arrived: float) -> Command:
    """Take a sentence apart; words of no known form are passed over (assumed)."""
    command = Command(to_text(words[0]), arrived)
    for word in words[1:]:
        first = word[:1]
        if first == b"=":
            # "=key" without a second "=" is an empty value (CLIENTS)
            name, _, value = to_text(word[1:]).partition("=")
            if name == ".proplist":
                command.proplist = tuple(value.split(","))
            else:
                command.arguments[name] = value
        elif first == b"?":
            command.query.append(to_text(word[1:]))
        elif word.startswith(b".tag="):
            command.tag = encode_word(word)
    return command


def is_write(command: Command) -> bool:
    """Say whether a command changes anything."""
    return command.name.rpartition("/")[2] not in READING and command.name != "/login"


def done(tag: bytes, ret: str | None = None) -> bytes:
    """Write `!done`, with a `=ret=` where there is one."""
    words = (b"!done",) if ret is None else (b"!done", to_bytes(f"=ret={ret}"))
    return b"".join(map(encode_word, words)) + tag + b"\0"


def trap(error: RouterError, tag: bytes) -> bytes:
    """Write `!trap`; the `!done` after it is not part of it."""
    words = [b"!trap"]
    if error.category is not None:
        words.append(b"=category=%d" % error.category)  # before the message (MAN-API samples)
    words.append(to_bytes(f"=message={error.text}"))
    return b"".join(map(encode_word, words)) + tag + b"\0"
