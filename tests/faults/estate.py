"""The routers of a chaos run: how they are reached, what their policies say, what others set up.

Each is of another kind than its neighbours, so that few routers meet many ways of doing things.
"""

from collections.abc import Mapping
from typing import Final

from simulator.control import RouterControl
from simulator.menus.user_manager import ADDRESS
from simulator.menus.user_manager import USER as USERS
from tests import builders, dialling
from tests.installation import MAC_ENTRIES, SECRETS
from worker.core.rows.rows import ADDRESS_LISTS, ADDRESS_LISTS6, BINDINGS, LEASES, OPTIONS

SERVERS: Final = ("dhcp-vlan-32", "dhcp-vlan-33")
POOLS: Final = ("pool-a", "pool-b")
PLANS: Final = ("HOME-50", "HOME-100")
BY_TIMES: Final = "urn:isp:bss:times"
"""A source whose events are ordered by their times; the others count revisions."""
SOURCES: Final = {builders.SOURCE: "revisions", BY_TIMES: "times"}
SUSPENDED: Final = "suspended"
"""The address list of suspended services."""
ODD: Final = "R3"
"""On this router people typed names in Winbox under a Cyrillic Windows."""

TABLES: Final = """[plans."HOME-50"]
rate_limit = "10M/50M"
profile = "p-50"
[plans."HOME-100"]
rate_limit = "20M/100M"
profile = "p-100"
"""
_PROFILES: Final = ("p-50", "p-100", "walled")
ASSIGNED: Final = "home"
"""What events call the pools from which Leasewire assigns: one for each half of the routers."""
ASSIGNED_RANGES: Final = ("10.80.0.0/21", "10.96.0.0/21")
ASSIGNED6: Final = "home6"
"""The pool of prefixes, which serves all routers."""
POOL_TABLES: Final = f"""[pools.home-odd]
known_as = "{ASSIGNED}"
ranges = ["{ASSIGNED_RANGES[0]}"]
exclude = ["10.80.0.8/29"]
routers = ["R*[13579]"]
quarantine = "1h"
[pools.home-even]
known_as = "{ASSIGNED}"
ranges = ["{ASSIGNED_RANGES[1]}"]
routers = ["R*[02468]"]
quarantine = "1h"
[pools.{ASSIGNED6}]
ranges = ["2001:db8:4000::/40"]
prefix_length = 56
quarantine = "1h"
"""
_TRANSPORTS: Final = ("api", "rest", "api-ssl")
_POLICIES: Final[tuple[Mapping[str, str], ...]] = (
    {"suspend_list": f'"{SUSPENDED}"'},
    {
        "suspend_list": f'"{SUSPENDED}"',
        "plan_rates": '"events"',
        "address_lists": '["bound"]',
        "identify_by": '"option-82"',
    },
    {"throttle": '"64k/64k"', "suspend": '"throttle"', "label": "true"},
    {"entries": '"user-manager"', "suspend_list": f'"{SUSPENDED}"'},
    {"entries": '"user-manager"', "user_manager": "1"},
    {
        "entries": '"ppp-secret"',
        "suspend_list": f'"{SUSPENDED}"',
        "suspend_profile": '"walled"',
        "suspend": '"block"',
    },
    {"entries": '"mac-server"'},
    {"suspend_list": f'"{SUSPENDED}"', "force_options": "true"},
    {"entries": '"user-manager"', "user_manager": "5"},
    {"lease_time": '"1h"', "identify_by": '"option-82"'},
)
"""`user_manager`: how many routers before it the User Manager is that it asks."""


def transport_of(router: str) -> str:
    """How workers reach a router."""
    return _TRANSPORTS[(_number(router) - 1) % len(_TRANSPORTS)]


def keys_of(routers: int) -> dict[str, Mapping[str, str]]:
    """Router -> the keys of its table that are its own."""
    keys: dict[str, Mapping[str, str]] = {}
    for number in range(1, routers + 1):
        policy = {"entries": '"lease"', **_policy_of(f"R{number}")}
        if "user_manager" in policy:
            policy["user_manager"] = f'"R{number - int(policy["user_manager"])}"'
        keys[f"R{number}"] = policy
    # so that the watch looks at the odd server too
    return keys | ({ODD: {**keys[ODD], "dhcp_server": '"all"'}} if ODD in keys else {})


def menu_of(router: str) -> str:
    """Where its entries are; one that asks a User Manager has only leases of others."""
    policy = _policy_of(router)
    menus = {'"ppp-secret"': SECRETS, '"mac-server"': MAC_ENTRIES, '"user-manager"': USERS}
    return LEASES if "user_manager" in policy else menus.get(policy.get("entries", ""), LEASES)


def _policy_of(router: str) -> Mapping[str, str]:
    return _POLICIES[(_number(router) - 1) % len(_POLICIES)]


def _number(router: str) -> int:
    return int(router.removeprefix("R"))


def cp1251(text: str) -> str:
    """Text as it is read from a router on which it stands in this code page."""
    return text.encode("cp1251").decode("utf-8", "surrogateescape")


ODD_POOL: Final = cp1251("клиенты")
ODD_SERVER: Final = cp1251("сервер")
_ODD_POOL_SIZE: Final = 5

_OF_ALL: Final = (
    ("/interface/vlan/add", {"name": "vlan-33", "vlan-id": "33", "interface": "ether2"}),
    ("/ip/pool/add", {"name": POOLS[0], "ranges": "10.33.0.10-10.33.15.254"}),
    ("/ip/pool/add", {"name": POOLS[1], "ranges": "10.34.0.10-10.34.15.254"}),
    (
        "/ip/dhcp-server/add",
        {"name": SERVERS[1], "interface": "vlan-33", "address-pool": POOLS[0]},
    ),
)
_PPP: Final = tuple(("/ppp/profile/add", {"name": name}) for name in _PROFILES)
_IPV6: Final = (("/ipv6/dhcp-server/add", {"name": "home6", "interface": "vlan-32"}),)
_AFTER_A_RESET: Final = (
    ("/interface/vlan/add", {"name": "vlan-32", "vlan-id": "32", "interface": "ether2"}),
    ("/ip/dhcp-server/add", {"name": SERVERS[0], "interface": "vlan-32"}),
)
_FOREIGN_IN_POOLS: Final = ("10.80.0.3", "10.80.0.20", "10.96.0.2", "10.96.0.30")
_OF_THE_ODD_ONE: Final = (
    ("/ip/pool/add", {"name": ODD_POOL, "ranges": "10.9.0.10-10.9.0.14"}),
    ("/interface/vlan/add", {"name": "vlan-9", "vlan-id": "9", "interface": "ether2"}),
    ("/ip/address/add", {"address": "10.9.0.1/24", "interface": "vlan-9"}),
    (
        "/ip/dhcp-server/add",
        {"name": ODD_SERVER, "interface": "vlan-9", "address-pool": ODD_POOL},
    ),
)


def set_up(control: RouterControl, *, was_reset: bool = False) -> None:
    """What a person sets up before Leasewire has anything to do there."""
    odd = _OF_THE_ODD_ONE if control.name == ODD else ()
    after = _AFTER_A_RESET if was_reset else ()
    for command, arguments in [*after, *_OF_ALL, *_IPV6, *_PPP, *odd]:
        control.run(command, dict(arguments))


def foreign_rows(router: str, menu: str) -> list[tuple[str, dict[str, str]]]:
    """Menu and values of rows of others; the entries of the router are in a menu."""
    comments = ["printer", "leasewire:other:SVC-1", "", "caf\u00e9", "tmp"]
    listed = ["debtor", "leasewire:other:SVC-1", ""]
    if router == ODD:
        comments += [cp1251("принтер"), cp1251("leasewire:tests:СВЦ")]
        listed += [cp1251("должник")]
    return [
        *((menu, _lease(n, comment, router, menu)) for n, comment in enumerate(comments)),
        *((ADDRESS_LISTS, _listed(n, comment)) for n, comment in enumerate(listed)),
        # In the way of what the pools assign: another value is taken by itself.
        *((menu, _in_pool(n, at, router, menu)) for n, at in enumerate(_FOREIGN_IN_POOLS)),
        (BINDINGS, {"address": "2001:db8:4000:300::/56", "duid": "0x0001aa", "iaid": "7"}),
        (ADDRESS_LISTS6, {"list": SUSPENDED, "address": "2001:db8:ffff::/56"}),
        (OPTIONS, {"name": "lw-other-dns", "code": "6", "value": "0x01020304"}),
    ]


def entry_by_hand(router: str, mac: str, address: str, menu: str = "") -> dict[str, str]:
    """The values of a row that a person makes on a router, for a device that has or dials a MAC.

    Args:
        router: its name.
        mac: of the device.
        address: of the device.
        menu: of the entries of the router; default: as the estate has them.
    """
    match menu or menu_of(router):
        case menu if menu == SECRETS:
            return {**dialling.login(mac), "remote-address": address}
        case menu if menu == USERS:
            return {"name": mac, "attributes": f"{ADDRESS}:{address}"}
        case _ if "identify_by" in _policy_of(router):
            return {"mac-address": mac, "address": address, "agent-circuit-id": mac.encode().hex()}
        case _:
            return {"mac-address": mac, "address": address}


def _lease(number: int, comment: str, router: str, menu: str) -> dict[str, str]:
    mac, address = f"00:00:5E:F0:00:{number:02X}", f"198.51.100.{number + 1}"
    place = entry_by_hand(router, mac, address, menu)
    return place | ({"comment": comment} if comment else {})


def _in_pool(number: int, address: str, router: str, menu: str) -> dict[str, str]:
    return entry_by_hand(router, f"00:00:5E:F1:00:{number:02X}", address, menu)


def _listed(number: int, comment: str) -> dict[str, str]:
    place = {"list": SUSPENDED, "address": f"198.51.100.{number + 101}"}
    return place | ({"comment": comment} if comment else {})


def fill_odd_pool(control: RouterControl) -> None:
    """Devices that no service has take every address of the odd router's pool."""
    for number in range(_ODD_POOL_SIZE):
        control.device(f"00:00:5E:77:00:{number:02X}", server=ODD_SERVER)
