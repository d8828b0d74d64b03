"""Whether the self-test may run on a router: what would be in its way, and whose router it is."""

from collections.abc import Iterator
from ipaddress import IPv4Interface
from typing import Final

from worker.core.entry.wanted import KINDS
from worker.core.rows.rows import BINDINGS, LEASES
from worker.selftest.lab import (
    ADDRESSES,
    CLIENTS,
    MACVLAN_SINCE,
    NETWORK,
    SERVERS,
    Ports,
    leftovers,
)
from worker.selftest.lab_router import LabRouter

_OLDEST: Final = (7, 1)
_SESSIONS: Final = "/ppp/active"


def uses(router: LabRouter) -> list[str]:
    """What says that the router serves somebody; empty: it seems to be a spare one."""
    menus = {LEASES: "lease", BINDINGS: "DHCPv6 binding", _SESSIONS: "PPP session"}
    kind = KINDS[router.entries]
    if kind.menu.path not in menus:
        menus[kind.menu.path] = "entry"
    ours = {(menu, row[".id"]) for menu, row in leftovers(router)}
    found = []
    for (menu, what), rows in zip(
        menus.items(), router.tables(*((menu, {}) for menu in menus)), strict=True
    ):
        number = sum((menu, row[".id"]) not in ours for row in rows)
        if number:
            found.append(f"it has {number} {what}{'' if number == 1 else 's'}")
    return found


def obstacles(router: LabRouter, ports: Ports | None) -> list[str]:
    """Why the lab cannot be made, each with what to do."""
    if not router.since(*_OLDEST):
        return [f"RouterOS {router.version} is too old: 7.1 or later is needed"]
    found = []
    if not ports and not router.since(*MACVLAN_SINCE):
        found.append(
            f"RouterOS {router.version} has no macvlan interfaces (7.12 and later): join two spare "
            "ports by a cable, and name them with --ports"
        )
    if any(leftovers(router)):
        found.append("an earlier self-test left rows: remove them with --clean")
    for row in router.rows(ADDRESSES):
        interface = row.get("interface", "")
        if IPv4Interface(row["address"]).network.overlaps(NETWORK) and not any(leftovers(router)):
            found.append(f"{interface} has an address of {NETWORK}, which the self-test uses")
    for port in ports or ():
        found += _port_obstacles(router, port)
    return found


def _port_obstacles(router: LabRouter, port: str) -> Iterator[str]:
    if not router.rows("/interface/ethernet", name=port):
        yield f"there is no port {port}"
    for menu, what in (
        ("/interface/bridge/port", "is a port of a bridge"),
        (ADDRESSES, "has an address"),
        (CLIENTS, "has a DHCP client"),
        (SERVERS, "has a DHCP server"),
        ("/interface/vlan", "has a VLAN"),
    ):
        if router.rows(menu, interface=port):
            yield f"{port} {what}: name a spare port"
