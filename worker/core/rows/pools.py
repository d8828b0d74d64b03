"""The address pools of a router's DHCP servers, and which of them are nearly full."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from worker.core.storage_format import printable

OPENS: Final = 0.9
"""Share in use at which an alert opens."""
RESOLVES: Final = 0.8
"""Share below which it is resolved: near one limit it would open and close with each device."""


class Pool(NamedTuple):
    """One pool.

    Attributes:
        size: addresses in its ranges.
        used: those that clients have now, by the router's count.
        next: name of the pool that is used when it is full; empty: none.
    """

    size: int
    used: int
    next: str = ""


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools and the DHCP servers of one read.

    Attributes:
        pools: by name.
        servers: DHCP server -> name of its pool, where it has one.
    """

    pools: Mapping[str, Pool] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)


class PoolUse(NamedTuple):
    """How much of a pool is used, together with its next pools."""

    name: str
    servers: Sequence[str]
    used: int
    size: int

    @property
    def describe(self) -> str:
        """Part of a sentence."""
        of = ", ".join(self.servers)
        return f"pool {self.name} of {of}: {self.used} of {self.size} addresses are in use"

    def nearly_full(self, *, notified: bool) -> bool:
        """Return whether an alert should be open.

        With `notified` one is open already.
        """
        return self.used >= self.size * (RESOLVES if notified else OPENS)


def pools_in_use(found: Pools) -> Iterator[PoolUse]:
    """Yield each pool that DHCP servers use, by name, unless it has no addresses."""
    for name in sorted(set(found.servers.values()) & found.pools.keys()):
        chain: dict[str, Pool] = {}
        after = name
        while after in found.pools and after not in chain:
            chain[after] = found.pools[after]
            after = found.pools[after].next
        size = sum(pool.size for pool in chain.values())
        if size:
            servers = sorted(
                printable(server) for server, pool in found.servers.items() if pool == name
            )
            yield PoolUse(printable(name), servers, sum(pool.used for pool in chain.values()), size)
