"""All menus by path, one object each for all routers; each module has its own at its end."""

from simulator.menu import Menu
from simulator.menus import (
    assumed,
    binding,
    certificate,
    connection,
    dhcp,
    dhcp6,
    dhcp_client,
    firewall,
    interface,
    ip,
    ipv6,
    lease,
    mac_server,
    ppp,
    queues,
    system,
    tool,
    user_manager,
    users,
)

# users refer to groups, so groups are seeded first; the rest is in no special order
_MODULES = (
    interface,
    ip,
    ipv6,
    dhcp,
    lease,
    dhcp6,
    binding,
    dhcp_client,
    firewall,
    connection,
    queues,
    ppp,
    users,
    system,
    certificate,
    tool,
    user_manager,
    assumed,
    mac_server,
)

MENUS: dict[str, Menu] = {menu.path: menu for module in _MODULES for menu in module.MENUS}
