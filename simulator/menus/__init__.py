"""All menus by path, one object each for all routers."""

from collections import defaultdict

from simulator.menu import Menu
from simulator.menus import (
    assumed,
    certificate,
    dhcp,
    firewall,
    interface,
    ip,
    lease,
    mac_server,
    recorded,
    system,
    tool,
    users,
)

# users refer to groups, so groups are seeded first; the rest is in no special order
_MODULES = (
    interface,
    ip,
    dhcp,
    lease,
    firewall,
    users,
    system,
    certificate,
    tool,
    recorded,
    assumed,
    mac_server,
)

MENUS: dict[str, Menu] = {menu.path: menu for module in _MODULES for menu in module.menus()}


def _by_reference() -> dict[str, set[str]]:
    referring: defaultdict[str, set[str]] = defaultdict(set)
    for path, menu in MENUS.items():
        for field in menu.fields:
            if field.kind.refers_to is not None:
                referring[field.kind.refers_to].add(path)
    return dict(referring)


# menu -> menus whose rows name its rows
MENUS_BY_REFERENCE = _by_reference()
