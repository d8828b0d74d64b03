"""What the self-test makes on a router, how it is recognised, and how it is removed.

Each row has a name of ours, and in every menu that has comments a comment of ours. Rows that do not
are never changed or removed. A DHCP server and a DHCP client of the same router reach each other
over two macvlans of a bridge without ports, or over two ports that a cable joins; the client is in
a routing table of its own, as both have addresses of one network.
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface, IPv4Network
from typing import Final, NamedTuple

from worker.core.rows.rows import ADDRESS_LISTS, BINDINGS, LEASES, OPTIONS, QUEUES
from worker.selftest.lab_router import LabRefused, LabRouter, Row

TAG: Final = "made by leasewire selftest"
NAME: Final = "leasewire-selftest"
INSIDE: Final = f"{NAME}-server"
OUTSIDE: Final = f"{NAME}-device"
NETWORK: Final = IPv4Network("198.18.77.0/24")
GATEWAY: Final = str(NETWORK[1])
DEVICE_MAC: Final = "02:4C:57:00:00:02"
LEASE_S: Final = 60
MACVLAN_SINCE: Final = (7, 12)
SERVERS: Final = "/ip/dhcp-server"
SERVERS6: Final = "/ipv6/dhcp-server"
CLIENTS: Final = "/ip/dhcp-client"
ADDRESSES: Final = "/ip/address"
ARP: Final = "/ip/arp"
_BRIDGES: Final = "/interface/bridge"
_PORTS: Final = "/interface/bridge/port"
_MACVLANS: Final = "/interface/macvlan"
_VRFS: Final = "/ip/vrf"
_POOLS: Final = "/ip/pool"
_NETWORKS: Final = "/ip/dhcp-server/network"
_SERVER_MAC: Final = "02:4C:57:00:00:01"
_GONE_S: Final = LEASE_S + 15

Ports = tuple[str, str]
"""Two ports with a cable between them: of the server, of the device."""


class MadeRow(NamedTuple):
    """One row that the lab is made of."""

    menu: str
    fields: Mapping[str, str]

    @property
    def shown(self) -> str:
        """It as a person reads it, such as `/ip/pool leasewire-selftest`."""
        name = self.fields.get("name") or self.fields.get("interface") or self.fields["address"]
        return f"{self.menu} {name}"


def lab_rows(ports: Ports | None) -> list[MadeRow]:
    """The rows of the lab, in the order in which they are made."""
    tag = {"comment": TAG}
    return [
        *(_cabled(ports) if ports else _virtual()),
        MadeRow(_VRFS, {"name": NAME, "interfaces": OUTSIDE, **tag}),
        MadeRow(ADDRESSES, {"address": f"{GATEWAY}/24", "interface": INSIDE, **tag}),
        MadeRow(_POOLS, {"name": NAME, "ranges": f"{NETWORK[200]}-{NETWORK[209]}", **tag}),
        MadeRow(
            SERVERS,
            {
                "name": NAME,
                "interface": INSIDE,
                "address-pool": "static-only",
                "lease-time": f"{LEASE_S}s",
                "add-arp": "yes",
                "disabled": "no",
                **tag,
            },
        ),
        MadeRow(_NETWORKS, {"address": str(NETWORK), "gateway": GATEWAY, **tag}),
        MadeRow(
            CLIENTS,
            {
                "interface": OUTSIDE,
                "add-default-route": "no",
                "use-peer-dns": "no",
                "use-peer-ntp": "no",
                "disabled": "yes",
                **tag,
            },
        ),
    ]


def _virtual() -> list[MadeRow]:
    ends = ((INSIDE, _SERVER_MAC), (OUTSIDE, DEVICE_MAC))
    return [
        MadeRow(_BRIDGES, {"name": NAME, "protocol-mode": "none", "comment": TAG}),
        *(
            MadeRow(
                _MACVLANS,
                {
                    "name": name,
                    "interface": NAME,
                    "mode": "bridge",
                    "mac-address": mac,
                    "comment": TAG,
                },
            )
            for name, mac in ends
        ),
    ]


def _cabled(ports: Ports) -> list[MadeRow]:
    made = []
    for name, mac, port in zip((INSIDE, OUTSIDE), (_SERVER_MAC, DEVICE_MAC), ports, strict=True):
        own = {"admin-mac": mac, "auto-mac": "no", "protocol-mode": "none", "comment": TAG}
        made.append(MadeRow(_BRIDGES, {"name": name, **own}))
        made.append(MadeRow(_PORTS, {"bridge": name, "interface": port, "comment": TAG}))
    return made


# The order matters: what asks goes before what answers, and what is used after what uses it.
_CLEANED: Final = (
    *(CLIENTS, LEASES, BINDINGS, SERVERS6, SERVERS, _NETWORKS, OPTIONS, _POOLS, ADDRESS_LISTS),
    *(_VRFS, ADDRESSES, _PORTS, _MACVLANS, _BRIDGES),
)
_WITHOUT_COMMENT: Final = frozenset({OPTIONS})  # before 7.16
_YES: Final = frozenset({"true", "yes"})


def leftovers(router: LabRouter) -> Iterator[tuple[str, Row]]:
    """The rows that a self-test made, in the order in which they can be removed."""
    tables = router.tables(*((menu, {}) for menu in _CLEANED))
    for menu, rows in zip(_CLEANED, tables, strict=True):
        for row in rows:
            if _is_ours(menu, row):
                yield menu, row


def _is_ours(menu: str, row: Row) -> bool:
    if row.get("comment") == TAG:
        return True
    if row.get("dynamic") in _YES:
        return menu == LEASES and _is_within(row.get("address", ""))
    return menu in _WITHOUT_COMMENT and row.get("name") == NAME and "comment" not in row


def dynamic_leftovers(router: LabRouter) -> list[str]:
    """What the router itself still has for a device of the lab, in words."""
    queues, listed, arps = router.tables(
        (QUEUES, {"dynamic": "true"}), (ADDRESS_LISTS, {"dynamic": "true"}), (ARP, {})
    )
    return [
        *(f"{QUEUES} {row['target']}" for row in queues if _is_within(row.get("target", ""))),
        *(f"{ADDRESS_LISTS} {row['address']}" for row in listed if _is_within(row["address"])),
        *(f"{ARP} {row['address']}" for row in arps if _is_within(row.get("address", ""))),
    ]


def _is_within(address: str) -> bool:
    """Whether the first address of a row is one of the lab's network."""
    try:
        return IPv4Interface(address.partition(",")[0]).ip in NETWORK
    except ValueError:
        return False


def build(router: LabRouter, ports: Ports | None) -> None:
    """Make the lab.

    Raises:
        LabRefused: with the router's text; what was made before stays for `clean`.
    """
    for menu, fields in lab_rows(ports):
        place = {}
        # the first table that names an interface has it, and `main` names all
        for row in router.rows(_VRFS, name="main") if menu == _VRFS else ():
            place["place-before"] = row[".id"]
        router.do(f"{menu}/add", {**fields, **place})


def clean(router: LabRouter) -> list[str]:
    """Remove all that a self-test made; returns what is still there, in words.

    What the router itself made for a device of the lab goes with the device's lease: that is
    awaited.
    """
    for _ in range(2):  # a device may have bound while its client was removed
        for menu, row in leftovers(router):
            refusal = router.attempt(f"{menu}/remove", {"numbers": row[".id"]}).refusal
            if refusal and "no such item" not in refusal:
                raise LabRefused(router.name, f"{menu}/remove", refusal)
    router.clock.watch(lambda: None if dynamic_leftovers(router) else True, _GONE_S, every=1)
    rest = [f"{menu} {row.get('name') or row['.id']}" for menu, row in leftovers(router)]
    return rest + dynamic_leftovers(router)
