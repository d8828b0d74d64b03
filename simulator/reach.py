"""Where a packet goes: interfaces and their networks, routes of IPv6, ARP and neighbours.

All that no address or route of the router reaches is behind `ether1`.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from simulator.menus.binding_rows import ROUTE6
from simulator.menus.ipv6 import ADDRESS6, NEIGHBOR
from simulator.menus.lease_effects import ARP
from simulator.router import Router
from simulator.state import Row

UPLINK = "ether1"
_LONGEST = 128


def is_six(address: str) -> bool:
    """Say whether an address, prefix or range is one of IPv6."""
    return ":" in address


def within(span: str, address: str) -> bool:
    """Say whether an address is in a prefix or range of either family; a name holds none."""
    if is_six(span) is not is_six(address):
        return False
    first, dash, last = span.partition("-")
    try:
        if is_six(address):
            six = IPv6Address(address)
            if dash:
                return IPv6Address(first) <= six <= IPv6Address(last)
            return six in IPv6Network(span, strict=False)
        four = IPv4Address(address)
        if dash:
            return IPv4Address(first) <= four <= IPv4Address(last)
        return four in IPv4Network(span, strict=False)
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def prefixes_with(address: str) -> tuple[str, ...]:
    """Give all prefixes that hold an IPv6 address, the longest first."""
    number = int(IPv6Address(address))
    lengths = range(_LONGEST, -1, -1)
    shifts = ((length, _LONGEST - length) for length in lengths)
    return tuple(f"{IPv6Address(number >> bits << bits)}/{length}" for length, bits in shifts)


def interface_of(router: Router, address: str) -> str:
    """Give the id of the interface that leads to an address, else that of the uplink."""
    return next_hop(router, address)[0]


def next_hop(router: Router, address: str) -> tuple[str, str]:
    """Give the id of the interface that leads to an address, and whom to send to there."""
    best = _on_link(router, address)
    for length, row in _routes(router, address) if is_six(address) else ():
        if length <= best[0]:
            break
        gateway, _, interface = row.values.get("gateway", "").partition("%")
        found = router.id_of("/interface", interface) if interface else None
        on_link = found or (is_six(gateway) and _on_link(router, gateway)[1])
        if on_link:
            return on_link, gateway
    return best[1] or router.id_of("/interface", UPLINK) or "", address


def _on_link(router: Router, address: str) -> tuple[int, str]:
    """Give the longest network of an interface that has an address; -1 and empty for none."""
    best = (-1, "")
    table = router.table(ADDRESS6 if is_six(address) else "/ip/address")
    for row in table.rows.values():
        if not row.disabled and within(row.values["address"], address):
            length = int(row.values["address"].partition("/")[2] or 32)
            best = max(best, (length, row.values["interface"]))
    return best


def _routes(router: Router, address: str) -> list[tuple[int, Row]]:
    """Give the active routes to an IPv6 address, the longest first, the nearest of those."""
    found = router.table(ROUTE6).having_any("dst-address", prefixes_with(address))
    routes = [
        (int(row.values["dst-address"].partition("/")[2]), row) for row in found if not row.disabled
    ]
    return sorted(routes, key=lambda route: (-route[0], int(route[1].values["distance"])))


def neighbor_row(router: Router, interface: str, address: str) -> Row | None:
    """Find the ARP row, or neighbour, of an address on an interface."""
    table = router.table(NEIGHBOR if is_six(address) else ARP)
    for row in table.having("address", address):
        if row.values["interface"] == interface and not row.disabled:
            return row
    return None


def unreachable(router: Router, interface_id: str, hop: str, to_mac: str) -> str:
    """Say why the router cannot reach the next hop on an interface; empty when it can.

    `to_mac` is the device that should get it; empty: whatever device has the address.
    """
    interface = router.table("/interface").rows.get(interface_id)
    row = neighbor_row(router, interface_id, hop)
    if row is not None:
        mac = row.values["mac-address"]
        return "" if to_mac in ("", mac) else f"{hop} is {mac}"
    arp = interface.values.get("arp") if interface is not None else None
    if interface is not None and not is_six(hop) and arp in ("reply-only", "disabled"):
        return f"no entry for {hop}, and {interface.values['name']} is reply-only"
    return ""
