"""What is remembered of files that were imported: by their content, whatever they are called."""

import json
from typing import Any, Final, NamedTuple

from worker.store.connection import StorePart

_REMEMBERED_S: Final = 40 * 86_400
"""Longer than event ids: an import that is run again within it is the same import."""


class Import(NamedTuple):
    """One file: when it was true (ms since 1970), who imported it first, and in whose name."""

    as_of_ms: int
    by: str
    source: str


class Imports(StorePart):
    """Remembers imports."""

    def find(self, digest: str) -> Import | None:
        """The import of a file's content, if it was imported before."""
        text = self._client.get(self._keys.imported(digest))
        if text is None:
            return None
        found: dict[str, Any] = json.loads(text)
        return Import(**found)

    def remember(self, digest: str, done: Import) -> None:
        """Remember an import, from now on for 40 days."""
        self._client.set(self._keys.imported(digest), json.dumps(done._asdict()), ex=_REMEMBERED_S)
