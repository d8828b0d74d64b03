"""The KEYS of one script call: each key once, named by its index."""

from collections.abc import Iterable


class KeyTable:
    """Collects keys for a script; `at` gives the index by which the script finds one."""

    def __init__(self, first: Iterable[str] = ()) -> None:
        self.keys = list(first)
        self._index = {key: i for i, key in enumerate(self.keys, start=1)}

    def at(self, key: str) -> int:
        """Index of a key (Lua counts from 1), added if new."""
        if key not in self._index:
            self.keys.append(key)
            self._index[key] = len(self.keys)
        return self._index[key]

    def block(self, keys: tuple[str, ...]) -> int:
        """Index of the first key of a block, whose keys stand one after the other.

        Blocks may share a key that is not their first: it stands in each of them.
        """
        if keys[0] in self._index:
            return self._index[keys[0]]
        first = len(self.keys) + 1
        for key in keys:
            self.keys.append(key)
            self._index.setdefault(key, len(self.keys))
        return first
