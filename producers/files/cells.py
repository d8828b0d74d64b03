"""Cells of CSV files that spreadsheets wrote or will read."""

import json
import re
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_NUMBER: Final = re.compile(r"\d(\.\d+)?E[+-]\d+", re.IGNORECASE)


def escape(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def printable(text: str) -> str:
    """Return the text with control characters escaped as in JSON."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def unescape(text: str) -> str:
    """Undo `escape`; remove spaces around any other text."""
    text = text.strip(" ")
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def was_made_a_number(text: str) -> bool:
    """Whether a spreadsheet took a text for a number: `00005E005301` becomes `5.3E+11`."""
    return _NUMBER.fullmatch(text) is not None
