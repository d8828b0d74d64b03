"""Free prefixes of a router's pools."""

from ipaddress import IPv6Address, IPv6Network
from typing import Literal

from simulator.menus import MENUS
from simulator.menus.binding_rows import BINDING, HELD
from simulator.menus.dhcp6 import POOL6
from simulator.menus.ipv6 import ADDRESS6
from simulator.router import Router

_SINGLE = 128

Ia = Literal["pd", "na"]


def free_prefix(router: Router, pool_id: str, ia: Ia, wanted: tuple[str, ...]) -> str | None:
    """Take the prefix asked for if it is free in the pool (assumed), else the first.

    What is no pool's id gives nothing.
    """
    pool = MENUS[POOL6].rows(router).rows.get(pool_id)
    if pool is None:
        return None
    length = int(pool.values["prefix-length"])
    if ia == "na" and length != _SINGLE:
        return None  # addresses come from pools of length 128 (MAN-S6)
    whole = IPv6Network(pool.values["prefix"])
    taken = _taken(router, whole, length)
    if ia == "na":
        taken |= _own(router, whole)
    step = _SINGLE - length
    for text in wanted:
        net = IPv6Network(text, strict=False)
        place = (int(net.network_address) - int(whole.network_address)) >> step
        if net.prefixlen == length and net.subnet_of(whole) and place not in taken:
            return str(net)
    size = 1 << (length - whole.prefixlen)
    place = next((place for place in range(len(taken) + 1) if place not in taken), size)
    if place >= size:
        return None
    return str(IPv6Network((int(whole.network_address) + (place << step), length)))


def _taken(router: Router, whole: IPv6Network, length: int) -> set[int]:
    """Give the places of a pool that bindings take; an address takes the place that holds it."""
    first, last = int(whole.network_address), int(whole.broadcast_address)
    step, taken = _SINGLE - length, set[int]()
    for row in MENUS[BINDING].rows(router).rows.values():
        for text in {row.values["address"], row.values.get(HELD, "")} - {""}:
            net = IPv6Network(text)
            low, high = int(net.network_address), int(net.broadcast_address)
            if low <= last and high >= first:
                places = range(
                    (max(low, first) - first) >> step, (min(high, last) - first >> step) + 1
                )
                taken.update(places)
    return taken


def _own(router: Router, whole: IPv6Network) -> set[int]:
    """Give what no client gets as an address: the first one, and those of the router (assumed)."""
    rows = router.table(ADDRESS6).rows.values()
    own = (IPv6Address(row.values["address"].partition("/")[0]) for row in rows)
    first = int(whole.network_address)
    anycast = {0} if whole.num_addresses > 2 else set()  # noqa: PLR2004 - a pair has none (RFC 6164)
    return anycast | {int(address) - first for address in own if address in whole}
