"""Parts of the sentences that people read."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 service`, `3,000 services`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_of(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, and how many more there are: `R1, R2 and 3 more`."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def capitalized(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question with the known name that is most like a wrong one; empty: none is."""
    alike = get_close_matches(name, list(known), 1)
    return f"did you mean {alike[0]}?" if alike else ""
