"""Which interfaces of a router hear each other: macvlans of one interface, and cables.

Source: MANE macvlan.md: in bridge mode they reach each other, and not their parent.
"""

from collections.abc import Iterator

from simulator.menus.interface import BRIDGE_PORT, INTERFACE
from simulator.router import Router
from simulator.state import Row


def is_up(router: Router, interface: Row) -> bool:
    """Say whether an interface is enabled, and what it lies on too."""
    below = router.table(INTERFACE).rows.get(interface.values.get("interface", ""))
    return not interface.disabled and (below is None or is_up(router, below))


def heard_by(router: Router, interface: Row) -> Iterator[Row]:
    """Give the other interfaces of the router that hear what one sends to all."""
    table = router.table(INTERFACE)
    if interface.values["type"] == "macvlan":
        parent, mode = interface.values["interface"], interface.values["mode"]
        for other in table.rows.values() if mode == "bridge" else ():
            of_parent = other.values["type"] == "macvlan" and other.values["interface"] == parent
            if of_parent and other is not interface and other.values["mode"] == "bridge":
                yield other
        return
    for port in _ports(router, interface):
        for end in _cabled(router, port):
            yield _bridge_of(router, end) or end


def _ports(router: Router, interface: Row) -> Iterator[Row]:
    table = router.table(INTERFACE)
    if interface.values["type"] == "ether":
        yield interface
    for port in router.table(BRIDGE_PORT).rows.values():
        if port.values["bridge"] == interface.id and not port.disabled:
            found = table.rows.get(port.values["interface"])
            if found is not None and is_up(router, found):
                yield found


def _cabled(router: Router, port: Row) -> Iterator[Row]:
    ends = router.options.cable.split("=")
    name = port.values["name"]
    for other in ends if name in ends else ():
        end_id = router.id_of(INTERFACE, other)
        if other != name and end_id is not None:
            yield router.table(INTERFACE).rows[end_id]


def _bridge_of(router: Router, port: Row) -> Row | None:
    for row in router.table(BRIDGE_PORT).rows.values():
        if row.values["interface"] == port.id and not row.disabled:
            return router.table(INTERFACE).rows.get(row.values["bridge"])
    return None
