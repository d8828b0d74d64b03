"""Services with IPv6 on a router with a DHCPv6 server, as the tests of full reads need them."""

from typing import Any

from tests.bindings import duid
from tests.builders import activated, ipv4, mac

BINDINGS = "/ipv6/dhcp-server/binding"
POOL = "2001:db8:ff00::/40"


def prefix(number: int) -> str:
    """The prefix of SVC-`number`."""
    return f"2001:db8:1:{number:x}00::/56"


def with_ipv6(number: int, **ipv6: object) -> dict[str, object]:
    """SVC-`number` is activated with a prefix; further fields of `ipv6` may be given."""
    block = {"prefix": {"mode": "static", "ipv6": prefix(number)}, **ipv6}
    service, address = f"SVC-{number}", ipv4(100 + number)
    return activated(service, server=None, mac=mac(number), ipv4=address, ipv6=block)


def stated(number: int) -> dict[str, object]:
    """The same, with the DUID and the IAID of its device."""
    return with_ipv6(number, duid=duid(number), iaid=1)


def with_server6(router: Any) -> None:
    """Give a simulated router a DHCPv6 server with a pool of prefixes."""
    router.run("/ipv6/pool/add", {"name": "home6", "prefix": POOL, "prefix-length": "56"})
    server = {"name": "home6", "interface": "vlan-32", "prefix-pool": "home6"}
    router.run("/ipv6/dhcp-server/add", server)


def row_of(router: Any, number: int) -> dict[str, str]:
    """The binding with the tag of SVC-`number`."""
    tag = f"leasewire:acme:SVC-{number}"
    (row,) = [row for row in router.rows(BINDINGS) if row.get("comment", "").startswith(tag)]
    return dict(row)
