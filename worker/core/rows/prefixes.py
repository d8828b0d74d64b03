"""The keys of IPv6 prefixes in claims, and which of them overlap.

A key is `prefix:<first address, 32 hex digits>/<length>`, of a single address with length 128, so
that all inside a prefix are one range of names (as in `worker/store/lua/_claims.lua`).
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv6Network
from typing import Final, Generic, TypeVar

_Value = TypeVar("_Value")

PREFIX_KEY: Final = "prefix:"
"""Begins the key of a prefix."""
_SHORTEST: Final = 16
_LONGEST: Final = 64
"""Lengths of prefixes in which others may lie."""


@lru_cache(maxsize=2048)  # a pass asks several times for those of its batch
def prefix_key(prefix: str) -> str:
    """Return the key of a prefix or of a single IPv6 address."""
    network = IPv6Network(prefix)
    return _key(int(network.network_address), network.prefixlen)


def claim_text(key: str) -> str:
    """Return the key of a claim as people write it: `prefix:2001:db8:1:100::/56`."""
    network = _network(key)
    if network is None:
        return key
    return f"{PREFIX_KEY}{network}" if network.num_addresses > 1 else f"address:{network[0]}"


def wider_keys(key: str) -> list[str]:
    """Return the keys of all prefixes in which a prefix lies; none for a key of another kind."""
    network = _network(key)
    if network is None:
        return []
    first, longest = int(network[0]), min(_LONGEST, network.prefixlen - 1)
    return [
        _key(first >> (128 - length) << (128 - length), length)
        for length in range(_SHORTEST, longest + 1)
    ]


def names_within(key: str) -> tuple[str, str] | None:
    """Return the range of names of all keys inside a prefix, without its end.

    In it is the prefix itself, and those wider ones that begin with the same address.
    """
    network = _network(key)
    if network is None:
        return None
    return f"{PREFIX_KEY}{int(network[0]):032x}/", f"{PREFIX_KEY}{int(network[-1]):032x}0"


class ClaimKeys:
    """Keys of claims, and which of them a key meets."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = set(keys)
        self._prefixes = sorted(key for key in self._keys if key.startswith(PREFIX_KEY))

    def add(self, key: str) -> None:
        """Add a key."""
        if key not in self._keys:
            self._keys.add(key)
            if key.startswith(PREFIX_KEY):
                insort(self._prefixes, key)

    def met_by(self, key: str) -> Iterator[str]:
        """Yield the keys that exclude this one: itself, and of prefixes those that overlap it."""
        within = names_within(key)
        if within is None:
            yield from self._keys & {key}
            return
        start, end = (bisect_left(self._prefixes, name) for name in within)
        yield from self._prefixes[start:end]
        yield from (wider for wider in wider_keys(key) if wider in self._keys and wider < within[0])


def network_of(address: str) -> IPv6Network | None:
    """Return a prefix as a network; None: the text is none, such as the name of a pool."""
    try:
        return IPv6Network(address) if ":" in address else None
    except ValueError:
        return None


class PrefixMap(Generic[_Value]):
    """Values by IPv6 prefix, found by the prefixes that overlap another one."""

    def __init__(self, values: Iterable[tuple[IPv6Network, _Value]] = ()) -> None:
        self._at: dict[tuple[int, int], list[_Value]] = defaultdict(list)
        for prefix, value in values:
            self._at[_place(prefix)].append(value)
        self._sorted = sorted(self._at)
        self._lengths = sorted({length for _, length in self._at})

    def around(self, prefix: IPv6Network) -> Iterator[_Value]:
        """Yield the values of this prefix, and of all in which it lies."""
        for length in self._lengths:
            if length <= prefix.prefixlen:
                yield from self._at.get(_place(prefix.supernet(new_prefix=length)), ())

    def overlapping(self, prefix: IPv6Network) -> Iterator[_Value]:
        """Yield these values, and those of all prefixes that lie in this one."""
        yield from self.around(prefix)
        at, last = bisect_right(self._sorted, _place(prefix)), int(prefix[-1])
        while at < len(self._sorted) and self._sorted[at][0] <= last:
            yield from self._at[self._sorted[at]]
            at += 1


def _place(prefix: IPv6Network) -> tuple[int, int]:
    return int(prefix.network_address), prefix.prefixlen


def _key(first: int, length: int) -> str:
    return f"{PREFIX_KEY}{first:032x}/{length}"


def _network(key: str) -> IPv6Network | None:
    if not key.startswith(PREFIX_KEY):
        return None
    digits, _, length = key.removeprefix(PREFIX_KEY).partition("/")
    return IPv6Network((int(digits, 16), int(length)))
