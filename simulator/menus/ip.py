"""`/ip`: pools, services and the like."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from simulator import errors
from simulator.command import Request, Result
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Computed, Menu
from simulator.menus.lease_effects import ARP
from simulator.menus.made_rows import MARK
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.values import BOOL, IP, MAC, Enum, Form, Number, Ref, read_prefix

POOL = "/ip/pool"
_CONNECTIONS_SINCE = (7, 21)  # "7.2x" in the sources
_PORTS = {
    "telnet": 23,
    "ftp": 21,
    "www": 80,
    "ssh": 22,
    "www-ssl": 443,
    "api": 8728,
    "winbox": 8291,
    "api-ssl": 8729,
}
_NO_END = "value of range must have ip address after '-'"
_PROXY_SINCE = (7, 23)  # RR, LAB


def _ranges(text: str) -> str:
    """Check `a-b`, `a/len` or `a`, with commas between; no end has the recorded text."""
    for part in text.split(","):
        _, dash, last = part.partition("-")
        if dash and not _is_ip(last):
            raise RouterError(_NO_END, 1)
    spans(text)
    return text


def _is_ip(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def spans(ranges: str) -> list[range]:
    """Read a pool's ranges as numbers.

    Raises:
        ValueError: they are none.
    """
    found = []
    for part in ranges.split(","):
        first, dash, last = part.partition("-")
        if dash:
            span = range(int(IPv4Address(first)), int(IPv4Address(last)) + 1)
            if not span:
                raise ValueError(part)
        else:
            net = IPv4Network(part, strict=False)
            start = int(net.network_address)
            span = range(start, start + net.num_addresses)
        found.append(span)
    return found


class PoolMenu(Menu):
    """Address pools."""

    path = POOL
    double = errors.DUPLICATE_POOL  # seen in public logs
    named = True
    volatile = True  # leases come and go without its rows
    fields = (
        Field("name", required=True),
        Field("ranges", Form(_ranges), required=True),
        Field("next-pool", Ref(POOL, "none"), hidden="none"),
        # recorded for 7.21.5; since when is not known
        *(state(name, since=(7, 21)) for name in ("total", "used", "available")),
        COMMENT,
    )

    def build(self, router: RouterState, row: Row) -> Values:
        """Count the addresses."""
        view = super().build(router, row)
        if router.version >= (7, 21):
            total = sum(map(len, spans(row.values["ranges"])))
            used = sum(
                1
                for used_address in used_addresses(router)
                if used_address["pool"] == row.values["name"]
            )
            counts = {"total": str(total), "used": str(used), "available": str(total - used)}
            comment = {"comment": view.pop("comment")} if "comment" in view else {}
            view |= counts | comment
        return view


def used_addresses(router: RouterState) -> Iterator[Values]:
    """List the addresses of pools that clients have (fields: RR)."""
    pools = [
        (row.values["name"], spans(row.values["ranges"]))
        for row in router.table(POOL).rows.values()
    ]
    for lease in router.table("/ip/dhcp-server/lease").rows.values():
        held = lease.values.get("active-address")
        if held is None:
            continue
        number = int(IPv4Address(held))
        for name, ranges in pools:
            if any(number in span for span in ranges):
                mac = lease.values["active-mac-address"]
                yield {"pool": name, "address": held, "owner": "DHCP", "info": mac}


def _networks(text: str) -> str:
    """Check prefixes or addresses with commas between."""
    for part in text.split(","):
        IPv4Network(part)
    return text


class AddressMenu(Menu):
    """Addresses of the router itself (assumed: no recorded tree)."""

    path = "/ip/address"
    unique = ("address", "interface")
    double = errors.DUPLICATE_IP  # seen in public logs
    fields = (
        Field("address", Form(read_prefix), required=True),
        Field("network"),
        Field("interface", Ref("/interface"), required=True),
        Field("actual-interface", Ref("/interface"), readonly=True),
        state("invalid", "false"),
        state("dynamic", "false"),
        DISABLED,
        COMMENT,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Derive the network, too."""
        super().check(router, row, values)
        values["network"] = str(IPv4Network(values["address"], strict=False).network_address)
        values["actual-interface"] = values["interface"]


class ArpMenu(Menu):
    """ARP: rows by hand, and those that leases make (defaults: ANS)."""

    path = ARP
    indexed = ("address", MARK)
    fields = (
        Field("address", IP, default="0.0.0.0"),  # noqa: S104 - the default by ANS
        Field("mac-address", MAC, default="00:00:00:00:00:00"),
        Field("interface", Ref("/interface"), required=True),
        Field("published", BOOL, default="false"),
        state("status", "permanent", since=(7, 9)),
        state("invalid", "false"),
        state("dhcp", "false"),
        state("dynamic", "false"),
        state("complete", "true"),
        DISABLED,
        COMMENT,
    )


class ServiceMenu(Menu):
    """Services: fixed rows, no add, no comment (RR)."""

    path = "/ip/service"
    named = True
    first_id = 0
    fields = (
        Field("name", readonly=True),
        Field("port", Number(1, 65535)),
        Field("proto", readonly=True),
        Field("address", Form(_networks, ""), default=""),
        Field("available-from", Form(_networks, ""), default="", since=(7, 24)),
        Field("certificate", Ref("/certificate", "none"), default="none"),
        Field("tls-version", Enum("any", "only-1.2"), default="any"),
        Field("vrf", default="main", since=(7, 1)),
        Field("max-sessions", Number(1, 1000), default="20", since=(7, 16)),
        state("local", since=_CONNECTIONS_SINCE),
        state("remote", since=_CONNECTIONS_SINCE),
        state("dynamic", "false"),
        state("connection", since=_CONNECTIONS_SINCE),
        state("invalid", "false"),
        DISABLED,
    )

    def do_print(self, request: Request) -> Result:
        """Show connections too, as dynamic rows of the same name (LAB, FN)."""
        router, table = request.router, self.rows(request.router)
        if router.version < _CONNECTIONS_SINCE:
            return super().do_print(request)
        fixed = table.next_id
        made = [table.insert(connection) for connection in self._connections(router)]
        result = super().do_print(request)
        result.rows = list(result.rows)
        for row in made:
            table.delete(row)
        table.next_id = fixed
        return result

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Open or close ports; other port numbers are kept here and not served."""
        router.services_changed()

    @staticmethod
    def _connections(router: RouterState) -> Iterator[Values]:
        for session in router.sessions.values():
            own = {"name": session.service, "proto": "tcp", "connection": "true"}
            ends = {"local": session.local, "remote": session.remote}
            yield {**own, **ends, "dynamic": "true", "invalid": "false", "disabled": "false"}

    def seed(self, router: RouterState) -> None:
        """Have the services of every router."""
        ports = _PORTS | ({"reverse-proxy": 443} if router.version >= _PROXY_SINCE else {})
        for name, port in ports.items():
            if "ssl" not in name:
                values = {k: v for k, v in self.fresh(router).items() if "tls" not in k}
                values.pop("certificate")
            else:
                values = self.fresh(router)
            values |= {"name": name, "port": str(port), "proto": "tcp"}
            if name == "reverse-proxy":
                values["disabled"] = "true"  # assumed: 443 is www-ssl's
            self.rows(router).insert(values)


MENUS = (
    PoolMenu(),
    Computed("/ip/pool/used", "pool address owner info", used_addresses),
    AddressMenu(),
    ArpMenu(),
    ServiceMenu(),
)
