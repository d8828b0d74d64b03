"""Address pools of a router: which of those that its DHCP servers give from are nearly full.

No store and no router.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from worker.core.storage_format import printable

BEGINS: Final = 0.9
"""Share in use from which on somebody is told of a pool."""
ENDS: Final = 0.8
"""Share under which that is over: at the limit it would come and go with each device."""


class Pool(NamedTuple):
    """One pool.

    Attributes:
        size: addresses in its ranges.
        used: those that clients hold now, as the router counts them.
        next: name of the pool from which it goes on when it is full; empty: none.
    """

    size: int
    used: int
    next: str = ""


@dataclass(frozen=True, slots=True)
class Pools:
    """As one read shows them.

    Attributes:
        pools: by name.
        servers: DHCP server -> name of the pool that it gives from; those alone that have one.
    """

    pools: Mapping[str, Pool] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)


class PoolUse(NamedTuple):
    """How far a pool of DHCP servers is used, together with those from which it goes on.

    Attributes:
        name: of the pool.
        servers: that give from it.
        used: addresses in use.
        size: addresses in all.
    """

    name: str
    servers: Sequence[str]
    used: int
    size: int

    @property
    def describe(self) -> str:
        """One sentence's part."""
        of = ", ".join(self.servers)
        return f"pool {self.name} of {of}: {self.used} of {self.size} addresses are in use"

    def nearly_full(self, *, notified: bool) -> bool:
        """Whether somebody is to be told, or, where they were, is not yet to hear that it is over.

        Args:
            notified: an alert is open.
        """
        return self.used >= self.size * (ENDS if notified else BEGINS)


def pools_in_use(found: Pools) -> Iterator[PoolUse]:
    """Each pool that DHCP servers give from, by name; one without addresses is left out."""
    for name in sorted(set(found.servers.values()) & found.pools.keys()):
        chain: dict[str, Pool] = {}
        after = name
        while after in found.pools and after not in chain:
            chain[after] = found.pools[after]
            after = found.pools[after].next
        size = sum(each.size for each in chain.values())
        if size:
            servers = sorted(
                printable(each) for each, pool in found.servers.items() if pool == name
            )
            yield PoolUse(printable(name), servers, sum(each.used for each in chain.values()), size)
