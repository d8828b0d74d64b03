"""The pools from which Leasewire itself assigns IPv4 addresses and IPv6 prefixes."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import accumulate, islice
from typing import Final, Literal, NamedTuple

PoolKind = Literal["address", "prefix"]
KINDS: Final[tuple[PoolKind, ...]] = ("address", "prefix")

_BITS: Final = {"address": 32, "prefix": 128}


class Span(NamedTuple):
    """Neighbouring addresses as numbers, both ends included."""

    first: int
    last: int


def span_of(text: str, kind: PoolKind) -> Span:
    """Read a range: `198.51.100.10-198.51.100.250`, a network, or one address.

    Raises:
        ValueError: it is none, or of the other family.
    """
    if "/" in text:
        network = (IPv4Network if kind == "address" else IPv6Network)(text)
        return Span(int(network.network_address), int(network.broadcast_address))
    first, _, last = text.partition("-")
    address = IPv4Address if kind == "address" else IPv6Address
    found = Span(int(address(first.strip())), int(address((last or first).strip())))
    if found.first > found.last:
        raise ValueError(f"{text}: its first address comes after its last one")
    return found


def range_of(text: str, kind: PoolKind) -> Span:
    """Read a range of a pool.

    Of an IPv4 network the first and the last address are left out: no device could use them.
    """
    found = span_of(text, kind)
    is_network = "/" in text and found.last - found.first > 1
    return Span(found.first + 1, found.last - 1) if kind == "address" and is_network else found


@dataclass(frozen=True)
class AddressPool:
    """One pool. Its values, addresses or prefixes of one length, have positions from 0 on.

    Its fields are the keys of `[pools.NAME]` in the inventory.

    Attributes:
        ranges: where its values lie; they do not overlap.
        prefix_length: of its values: 32 of addresses.
        routers: patterns of names; empty: it serves all.
        known_as: how events call it; several pools may share this if no router has two of them.
    """

    name: str
    kind: PoolKind
    ranges: tuple[Span, ...]
    prefix_length: int = 32
    exclude: tuple[Span, ...] = ()
    routers: tuple[str, ...] = ()
    quarantine_ms: int = 86_400_000
    known_as: str = ""
    _free: tuple[Span, ...] = field(init=False, repr=False, compare=False)
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Number the values that are not excluded."""
        shift = self._shift
        whole = [Span(-(-s.first >> shift), ((s.last + 1) >> shift) - 1) for s in self.ranges]
        out = [Span(s.first >> shift, s.last >> shift) for s in self.exclude]
        free = tuple(_without(sorted(s for s in whole if s.first <= s.last), sorted(out)))
        starts = accumulate((s.last - s.first + 1 for s in free), initial=0)
        object.__setattr__(self, "_free", free)
        object.__setattr__(self, "_starts", tuple(starts))

    @property
    def called(self) -> str:
        """How events call it."""
        return self.known_as or self.name

    @property
    def size(self) -> int:
        """How many values it has."""
        return self._starts[-1]

    def at(self, position: int) -> str:
        """Return the value at a position, in normal form."""
        at = bisect_right(self._starts, position) - 1
        return self._value(self._free[at].first + position - self._starts[at])

    def holds(self, value: str) -> bool:
        """Return whether a value in normal form is one of its values."""
        return list(islice(self.overlapping(value), 2)) == [value]

    def overlapping(self, value: str) -> Iterator[str]:
        """Yield its values that an address or a prefix overlaps."""
        if (":" in value) != (self.kind == "prefix"):
            return
        found = span_of(value, self.kind)
        first, last = found.first >> self._shift, found.last >> self._shift
        for span in self._free:
            for number in range(max(first, span.first), min(last, span.last) + 1):
                yield self._value(number)

    def serves(self, router: str) -> bool:
        """Return whether services of a router may have its values."""
        return not self.routers or any(fnmatchcase(router, name) for name in self.routers)

    @property
    def _shift(self) -> int:
        return _BITS[self.kind] - self.prefix_length

    def _value(self, number: int) -> str:
        if self.kind == "address":
            return str(IPv4Address(number))
        return f"{IPv6Address(number << self._shift)}/{self.prefix_length}"


@dataclass(frozen=True)
class AddressPools:
    """The pools of an inventory, by name."""

    pools: Mapping[str, AddressPool] = field(default_factory=dict)
    _places: Mapping[PoolKind, Sequence[tuple[Span, AddressPool]]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Note where each pool lies."""
        pools = self.pools.values()
        places = {
            kind: [(s, p) for p in pools if p.kind == kind for s in p.ranges] for kind in KINDS
        }
        object.__setattr__(self, "_places", places)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.pools)

    def serving(self, called: str, router: str, kind: PoolKind) -> AddressPool | None:
        """Return the pool that events call so on a router; there is at most one."""
        for pool in self.pools.values():
            if pool.called == called and pool.kind == kind and pool.serves(router):
                return pool
        return None

    def around(self, value: str) -> AddressPool | None:
        """Return the pool in which an address or a prefix lies, or with which it overlaps."""
        kind: PoolKind = "prefix" if ":" in value else "address"
        found = span_of(value, kind)
        for span, pool in self._places[kind]:
            if span.first <= found.last and found.first <= span.last:
                return pool
        return None


NO_POOLS: Final = AddressPools()


def problems_of_pools(pools: Iterable[AddressPool], routers: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong between pools: ranges that overlap, and two of one name on a router."""
    pools, routers = list(pools), list(routers)
    for at, pool in enumerate(pools):
        for other in pools[:at]:
            if pool.kind == other.kind and _overlap(pool, other):
                yield f"pools.{pool.name}.ranges: overlaps with pool {other.name}"
            if (pool.called, pool.kind) == (other.called, other.kind):
                both = next((r for r in routers if pool.serves(r) and other.serves(r)), None)
                if both is not None:
                    yield (
                        f"pools.{pool.name}.routers: router {both} has two pools that events call "
                        f"{pool.called}, this one and {other.name}: leave it to one of them"
                    )


def _overlap(pool: AddressPool, other: AddressPool) -> bool:
    return any(a.first <= b.last and b.first <= a.last for a in pool.ranges for b in other.ranges)


def _without(spans: Iterable[Span], out: Sequence[Span]) -> Iterator[Span]:
    """The spans without those in `out`; both sorted."""
    for span in spans:
        first = span.first
        for gone in out:
            if gone.last < first or gone.first > span.last:
                continue
            if gone.first > first:
                yield Span(first, gone.first - 1)
            first = max(first, gone.last + 1)
        if first <= span.last:
            yield Span(first, span.last)
