"""All menus by path, one object each for all routers."""

from collections import defaultdict

from simulator.menu import Menu
from simulator.menus import dhcp, interface, ip, lease, system, users

MENUS: dict[str, Menu] = {
    menu.path: menu
    for module in (interface, ip, dhcp, lease, users, system)
    for menu in module.menus()
}


def _by_reference() -> dict[str, set[str]]:
    referring: defaultdict[str, set[str]] = defaultdict(set)
    for path, menu in MENUS.items():
        for field in menu.fields:
            if field.kind.refers_to is not None:
                referring[field.kind.refers_to].add(path)
    return dict(referring)


# menu -> menus whose rows name its rows
MENUS_BY_REFERENCE = _by_reference()
