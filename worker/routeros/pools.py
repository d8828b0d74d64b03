"""Address pools as words of the API and back."""

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from worker.core.rows.pools import Pool, Pools
from worker.routeros.connection import Command, Reply

POOL_PRINTS: Final[tuple[Command, ...]] = (
    ("/ip/pool/print", "=.proplist=name,ranges,next-pool"),
    # From 7.21 on a pool says how many of it are used, before only this menu does.
    ("/ip/pool/used/print", "=.proplist=pool"),
    ("/ip/dhcp-server/print", "=.proplist=name,address-pool,disabled"),
)
_NONE: Final = ("none", "static-only")
"""How RouterOS says that there is no next pool, and that a server gives from none."""


def pools_of(replies: Sequence[Reply]) -> Pools | None:
    """The answers to `POOL_PRINTS`; None where the router refuses to tell."""
    if any(reply.traps for reply in replies):
        return None
    pools, used, servers = replies
    count = Counter(row.get("pool", "") for row in used.rows)
    return Pools(
        {
            row["name"]: Pool(size, count[row["name"]], _named(row.get("next-pool", "")))
            for row in pools.rows
            if "name" in row and (size := _size(row.get("ranges", ""))) is not None
        },
        {
            row["name"]: pool
            for row in servers.rows
            if (pool := _named(row.get("address-pool", "")))
            and "name" in row
            and row.get("disabled") not in ("true", "yes")
        },
    )


def _named(text: str) -> str:
    return "" if text in _NONE else text


def _size(ranges: str) -> int | None:
    """How many addresses there are in `10.0.0.2-10.0.0.9,10.0.1.0/24`; None: another form."""
    try:
        return sum(_length(part) for part in ranges.split(","))
    except ValueError:
        return None


def _length(part: str) -> int:
    first, dash, last = part.partition("-")
    if dash:
        return int(IPv4Address(last)) - int(IPv4Address(first)) + 1
    return IPv4Network(part, strict=False).num_addresses
