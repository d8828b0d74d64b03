"""The rows that `routers setup` wants a router to have, and the form of its steps.

Nothing that the spec does not name is ever in a step.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal, NamedTuple

from worker.core.policy.setup_spec import DhcpSpec, RouterAccess, SetupSpec
from worker.core.rows.filter_rules import (
    CHAIN,
    DIRECTIONS,
    FILTER,
    FILTER6,
    walled_garden_list,
)
from worker.core.rows.rows import ADDRESS_LISTS, ADDRESS_LISTS6, OPTIONS

POOL: Final = "/ip/pool"
NETWORK: Final = "/ip/dhcp-server/network"
SERVER: Final = "/ip/dhcp-server"
SERVER6: Final = "/ipv6/dhcp-server"
GROUP: Final = "/user/group"
USER: Final = "/user"
CERTIFICATE: Final = "/certificate"
RADIUS: Final = "/radius"
RADIUS_CLIENT: Final = "/user-manager/router"
SERVICE: Final = "/ip/service"
INTERFACE: Final = "/interface"
ADDRESS: Final = "/ip/address"

MENUS: Final = (
    *(POOL, OPTIONS, NETWORK, SERVER, ADDRESS_LISTS, FILTER, GROUP, USER, CERTIFICATE, SERVICE),
    *(INTERFACE, ADDRESS),
)
"""All menus that are read; the last two are never written."""
IPV6_MENUS: Final = (FILTER6, ADDRESS_LISTS6, SERVER6)
"""Those that are read besides: a router may not have them. The last is never written."""
RADIUS_MENUS: Final = (RADIUS, RADIUS_CLIENT)
"""Likewise."""
SECRETS: Final = frozenset({"password", "secret", "shared-secret"})
"""Fields of `WantedRow.once` that are never shown; an empty one is the password of our user."""

Rows = Mapping[str, Sequence[Mapping[str, str]]]
"""A router's rows by menu, as read; without the menus that it does not have."""


class WantedRow(NamedTuple):
    """One row that the router should have.

    Attributes:
        key: fields by which it is found.
        fields: the values that it should have; all other fields are left alone.
        once: fields that are written when it is added, and never compared.
        fixed: the router always has it: it is never added.
        optional: it is left out where the router does not have the menu.
        joins: field of prefixes to which ours are added, so that nobody is locked out; "": none.
    """

    menu: str
    key: Mapping[str, str]
    fields: Mapping[str, str]
    once: Mapping[str, str] = {}
    fixed: bool = False
    optional: bool = False
    joins: str = ""


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One command of a set-up.

    Attributes:
        verb: `sign` is for certificates, `move` for firewall rules.
        name: of the row, for people.
        row_id: of the row that is set; empty for `add`.
        before: what the fields have now.
        secret: fields that are written too, and never shown.
        note: what it means, for people; empty: the fields say it.
    """

    menu: str
    verb: Literal["add", "set", "sign", "move"]
    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    row_id: str = ""
    before: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    note: str = ""


def wanted_rows(
    spec: SetupSpec, access: RouterAccess, *, version: tuple[int, ...], certificate: bool
) -> list[WantedRow]:
    """Return all rows that the router should have; each may name those before it.

    A `version` of () counts as newer than all. With `certificate` the service has none and needs
    one of ours.
    """
    reconfigure = spec.use_reconfigure and has_reconfigure(version)
    rows = list(_of_radius(access))
    by_radius = access.user_manager is not None
    for dhcp in spec.dhcp:
        rows += _of_dhcp(dhcp, reconfigure=reconfigure, by_radius=by_radius)
    if access.suspend_list:
        rows += _of_walled_garden(spec, access)
    if access.ipv6_list:
        rows += _of_ipv6(spec, access)
    # Renamed in RouterOS 7.24 (RR).
    by = "address" if version and version < (7, 24) else "available-from"
    sources = ",".join(spec.manage_from)
    service = {"disabled": "no", by: sources}
    if certificate and access.service != "api":
        name = f"leasewire-{access.service}"
        usage = "key-cert-sign,crl-sign,digital-signature,key-encipherment,tls-server"
        made = {"common-name": access.host, "key-usage": usage, "days-valid": "3650"}
        rows.append(WantedRow(CERTIFICATE, {"name": name}, {}, made))
        service["certificate"] = name
        # Without a certificate nobody used it, so nobody needs an older version of TLS.
        service["tls-version"] = "only-1.2"
    policies = "read,write,api" + (",rest-api" if access.service == "www-ssl" else "")
    policies += "".join(f",{policy}" for policy in sorted(access.policies))
    policies += ",test" if spec.ping else ""
    own = {"name": access.username}
    joins = "" if spec.manage_only else by
    rows.append(WantedRow(SERVICE, {"name": access.service}, service, fixed=True, joins=joins))
    rows.append(WantedRow(GROUP, own, {"policy": policies}))
    login = {"group": access.username, "address": sources, "disabled": "no"}
    rows.append(WantedRow(USER, own, login, {"password": ""}))
    rows += [
        WantedRow(menu, {}, fields, fixed=True, optional=True)
        for menu, fields in access.enable.items()
    ]
    return rows


def has_reconfigure(version: tuple[int, ...]) -> bool:
    """Return whether DHCP servers have `use-reconfigure` (RR); () counts as newer."""
    return not version or version >= (7, 19)


def _of_radius(access: RouterAccess) -> Iterator[WantedRow]:
    """Both ends: whom the DHCP servers ask, and who may ask. A secret is never compared."""
    peer = access.user_manager
    if peer is not None:
        fields = {"timeout": "1s", "disabled": "no"}
        key = {"service": "dhcp", "address": peer.address}
        yield WantedRow(RADIUS, key, fields, {"secret": peer.secret})
    for peer in access.asked_by:
        fields, once = {"address": peer.address, "disabled": "no"}, {"shared-secret": peer.secret}
        yield WantedRow(RADIUS_CLIENT, {"name": peer.name}, fields, once, optional=True)


def _of_dhcp(spec: DhcpSpec, *, reconfigure: bool, by_radius: bool) -> list[WantedRow]:
    rows = []
    if spec.ranges:
        rows.append(WantedRow(POOL, {"name": spec.pool}, {"ranges": ",".join(spec.ranges)}))
    for code, value in spec.options:
        name = spec.option_name(code)
        rows.append(WantedRow(OPTIONS, {"name": name}, {"code": str(code), "value": value}))
    network = {
        "gateway": spec.gateway,
        "dns-server": ",".join(spec.dns_servers),
        "ntp-server": ",".join(spec.ntp_servers),
        "domain": spec.domain,
        "dhcp-option": ",".join(spec.option_name(code) for code, _ in spec.options),
    }
    rows.append(WantedRow(NETWORK, {"address": str(spec.network)}, network))
    server = {
        "interface": spec.interface,
        "address-pool": spec.pool if spec.ranges else "static-only",
        "lease-time": spec.lease_time,
        "disabled": "no",
        **({"use-reconfigure": "yes"} if reconfigure else {}),
        **({"use-radius": "yes"} if by_radius else {}),
    }
    rows.append(WantedRow(SERVER, {"name": spec.server}, server))
    return rows


def with_ipv6(access: RouterAccess, found: Rows, *, asked: bool) -> RouterAccess:
    """Return it without a list for IPv6 where the router is to have no rules for that.

    With `asked` the inventory names the list; else they are for a router with a DHCPv6 server.
    """
    servers = [row for row in found.get(SERVER6, ()) if row.get("dynamic") != "true"]
    return access if asked or servers else replace(access, ipv6_list="")


def _of_walled_garden(spec: SetupSpec, access: RouterAccess) -> list[WantedRow]:
    open_to = [address for address in spec.walled_garden if ":" not in address]
    open_to += [dns for dhcp in spec.dhcp for dns in dhcp.dns_servers]
    return _of_suspended(access.suspend_list, open_to, access.installation)


def _of_ipv6(spec: SetupSpec, access: RouterAccess) -> list[WantedRow]:
    menus = {ADDRESS_LISTS: ADDRESS_LISTS6, FILTER: FILTER6}
    open_to = [address for address in spec.walled_garden if ":" in address]
    rows = _of_suspended(access.ipv6_list, open_to, access.installation)
    return [row._replace(menu=menus[row.menu], optional=True) for row in rows]


def _of_suspended(name: str, open_to: Sequence[str], installation: str) -> list[WantedRow]:
    """The rules that let suspended services reach the walled garden alone, in both directions."""
    walled_garden = walled_garden_list(name)
    rows = [
        WantedRow(ADDRESS_LISTS, {"list": walled_garden, "address": address}, {"disabled": "no"})
        for address in dict.fromkeys(open_to)
    ]
    comment = f"Leasewire {installation}: suspended services"
    for (customer, peer), key in zip(
        DIRECTIONS, (comment, f"{comment}, packets to them"), strict=True
    ):
        rule = {
            "chain": CHAIN,
            "action": "drop",
            customer: name,
            peer: f"!{walled_garden}" if open_to else "",
            "disabled": "no",
        }
        rows.append(WantedRow(FILTER, {"comment": key}, rule))
    return rows


def list_of(value: str) -> list[str]:
    """Return the parts of a comma list."""
    return [part.strip() for part in value.split(",") if part.strip()]


def covered(prefix: str, prefixes: Iterable[str]) -> bool:
    """Return whether one of the prefixes contains another."""
    return any(
        ours.version == other.version
        and int(other.network_address) <= int(ours.network_address)
        and int(ours.broadcast_address) <= int(other.broadcast_address)
        for ours in _networks([prefix])
        for other in _networks(prefixes)
    )


def _networks(prefixes: Iterable[str]) -> Iterator[IPv4Network | IPv6Network]:
    """Those of the prefixes that are valid."""
    for prefix in prefixes:
        with suppress(ValueError):
            yield ip_network(prefix, strict=False)
