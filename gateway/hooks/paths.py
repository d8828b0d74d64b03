"""Paths into JSON documents: `data.items[name=mac].value`.

Pure. A step is a key, an index of a list, or `[key=value]`: the item of a list with that value.
"""

import re
from typing import Final

_STEP: Final = re.compile(r"\.?([A-Za-z0-9_\- ]+)|\[([A-Za-z0-9_\-]+)=([^\]]*)\]|\[(\d+)\]")

Step = tuple[str, str] | str


def parse_path(path: str) -> list[Step] | None:
    """The steps of a path; None: it is not a path."""
    steps: list[Step] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or (at == 0 and path[0] == "."):
            return None
        key, name, value, index = found.groups()
        steps.append((name, value) if name else key or index)
        at = found.end()
    return steps or None


def at_path(document: object, path: str) -> object:
    """The value at a path; None: there is none."""
    for step in parse_path(path) or ():
        match document, step:
            case dict(), str():
                document = document.get(step)
            case list(), str() if step.isdecimal():
                document = document[int(step)] if int(step) < len(document) else None
            case list(), (name, value):
                holding = (e for e in document if isinstance(e, dict) and str(e.get(name)) == value)
                document = next(holding, None)
            case _:
                return None
    return document
