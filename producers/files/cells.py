"""Cells of a CSV file as spreadsheets leave them, and as they may be given to one. Pure."""

import json
import re
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_SPOILT: Final = re.compile(r"\d(\.\d+)?E[+-]\d+", re.IGNORECASE)


def escape(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def printable(text: str) -> str:
    """The text with what a terminal would act upon written as in JSON."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def unescape(text: str) -> str:
    """What `escape` was given; other texts are left, but for spaces around."""
    text = text.strip(" ")
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def is_spoilt(text: str) -> bool:
    """Whether a spreadsheet took a text for a number: `00005E005301` becomes `5.3E+11`."""
    return _SPOILT.fullmatch(text) is not None
