"""The router's own DHCP clients: they ask, renew at T1, rebind at T2, and begin again.

They ask the DHCP servers on interfaces that hear theirs. What is due happens when the
router is asked for something next, in the order and at the moment in which it was due.

Source: MANE dhcp.md; the delays are assumed.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from simulator import dhcp_server
from simulator.connections import Flow
from simulator.dhcp_server import SILENCE, Client, DhcpReply
from simulator.menus import MENUS
from simulator.menus.dhcp import NETWORK, SERVER, NetworkMenu, trouble_of
from simulator.menus.dhcp_client import CLIENT, HELD
from simulator.menus.interface import BRIDGE_PORT, INTERFACE
from simulator.router import Router
from simulator.state import Row, Values

_ADDRESS = "/ip/address"
_STARTS_AGAIN_S = 1.0  # after it was refused
_RETRY_S = 3.0  # where nobody answered
_NEVER = float("inf")
_RENEWING = "renewing..."
_REBINDING = "rebinding..."
_SEARCHING = "searching..."
_LEASE_S = "_lease_s"  # a stored value that no field shows


class DhcpClients:
    """The DHCP clients of one router."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._next_try: dict[str, float] = {}  # row's id -> when, while it has no lease
        router.advance_clients = self.advance
        router.command_client = self.command
        router.reconfigure.append(self._reconfigured)

    def advance(self) -> None:
        """Do what was due by now."""
        router, rows = self._router, self._router.table(CLIENT).rows
        now = router.now()
        while rows:
            moment, row = min(((self._due(row, now), row) for row in rows.values()), key=_first)
            if moment > now:
                return
            with router.as_of(moment):
                router.end_leases()
                self._act(row)

    def command(self, what: str, row: Row) -> None:
        """Let a client do something, as the menu says it: `start`, `stop`, `renew`, `release`."""
        getattr(self, what)(row)

    def start(self, row: Row) -> None:
        """Begin anew, without a message about a lease that was held."""
        self.stop(row)
        status = "stopped" if row.disabled else _SEARCHING
        self._set(row, {"status": status})

    def stop(self, row: Row) -> None:
        """Drop what it held."""
        addresses = self._router.table(_ADDRESS)
        for held in list(addresses.rows.values()):
            if held.dynamic and held.values["interface"] == row.values["interface"]:
                addresses.delete(held)
        row.times.pop("expires-after", None)
        kept = {name: value for name, value in row.values.items() if name not in (*HELD, _LEASE_S)}
        if row.id in self._router.table(CLIENT).rows:
            self._router.table(CLIENT).update(row, kept)
        self._next_try.pop(row.id, None)

    def renew(self, row: Row) -> None:
        """Renew as at T1, if it has a lease."""
        if "address" in row.values:
            self._renew(row, unicast=True)

    def release(self, row: Row) -> None:
        """Give the lease back, and begin again."""
        if "address" in row.values:
            for name in self._servers(row):
                dhcp_server.release(self._router, self._client(row, name))
        self.start(row)

    def _reconfigured(self, mac: str) -> None:
        for row in self._router.table(CLIENT).rows.values():
            if row.values.get("allow-reconfigure") == "true" and self._mac(row) == mac:
                self.renew(row)

    # --- what is due, and when ---------------------------------------------------------------

    def _due(self, row: Row, now: float) -> float:
        ends_at = row.times.get("expires-after")
        if row.disabled:
            return _NEVER
        if ends_at is None:
            return self._next_try.get(row.id, now)
        if not self._is_up(row):
            return now
        lease_s, status = float(row.values[_LEASE_S]), row.values["status"]
        if status == "bound":
            return ends_at - lease_s / 2
        return ends_at - lease_s / 8 if status == _RENEWING else ends_at

    def _act(self, row: Row) -> None:
        if not self._is_up(row):
            self.start(row)
            self._set(row, {"status": "stopped"})
            self._next_try[row.id] = self._router.now() + _RETRY_S
        elif "address" not in row.values:
            self._search(row)
        elif row.values["status"] == "bound":
            self._renew(row, unicast=True)
        elif row.values["status"] == _RENEWING:
            self._renew(row, unicast=False)
        else:
            self.start(row)

    def _search(self, row: Row) -> None:
        self._set(row, {"status": _SEARCHING})
        for name in self._servers(row):
            offer = dhcp_server.request(self._router, self._client(row, name), bind=False)
            if offer.kind == "ack":
                asking = self._client(row, name, requested=offer.address)
                answer = dhcp_server.request(self._router, asking)
                if answer.kind == "ack":
                    self._bind(row, name, answer)
                    return
        self._next_try[row.id] = self._router.now() + _RETRY_S

    def _renew(self, row: Row, *, unicast: bool) -> None:
        self._set(row, {"status": _RENEWING if unicast else _REBINDING})
        held = row.values["address"].partition("/")[0]
        if unicast:
            self._track(Flow("udp", held, "68", row.values["dhcp-server"], "67"))
        for name in self._servers(row):
            asking = self._client(row, name, requested=held, unicast=unicast)
            answer = dhcp_server.request(self._router, asking)
            if answer.kind == "ack":
                self._bind(row, name, answer)
            elif answer.kind == "nak":
                self.start(row)
                self._next_try[row.id] = self._router.now() + _STARTS_AGAIN_S
            if answer is not SILENCE:
                return

    def _track(self, flow: Flow) -> None:
        """Track a renewal as a connection: the router has both ends (assumed)."""
        tracked, now = self._router.connections, self._router.now()
        tracked.keep(tracked.of(flow) or tracked.open(flow, now), now)

    def _bind(self, row: Row, server_name: str, answer: DhcpReply) -> None:
        router, menu = self._router, MENUS[NETWORK]
        assert isinstance(menu, NetworkMenu)  # noqa: S101 - that is what lies at this path
        network = menu.of_address(router, int(IPv4Address(answer.address)))
        length = network.values["address"].partition("/")[2] if network else "32"
        address = f"{answer.address}/{length}"
        server = router.table(SERVER).rows[router.id_of(SERVER, server_name) or ""]
        own = [
            held.values["address"].partition("/")[0]
            for held in router.table(_ADDRESS).rows.values()
            if held.values["interface"] == server.values["interface"]
        ]
        if row.values.get("address") != address:
            self.stop(row)
            subnet = str(IPv4Network(address, strict=False).network_address)
            interface = dict.fromkeys(("interface", "actual-interface"), row.values["interface"])
            values = {"address": address, "network": subnet, **interface, "dynamic": "true"}
            menu_values = MENUS[_ADDRESS].fresh(router)
            router.table(_ADDRESS).insert({**menu_values, **values})
        found = {"status": "bound", "address": address, "dhcp-server": own[0] if own else ""}
        if network is not None:
            found["gateway"] = network.values["gateway"].partition(",")[0]
        self._set(row, {**found, _LEASE_S: str(answer.lease_s)})
        row.times["expires-after"] = router.now() + answer.lease_s

    # --- who it is, and who hears it ---------------------------------------------------------

    def _set(self, row: Row, values: Values) -> None:
        self._router.table(CLIENT).update(row, {**row.values, **values})

    def _interface(self, row: Row) -> Row | None:
        return self._router.table(INTERFACE).rows.get(row.values["interface"])

    def _is_up(self, row: Row) -> bool:
        interface = self._interface(row)
        return interface is not None and is_up(self._router, interface)

    def _mac(self, row: Row) -> str:
        interface = self._interface(row)
        return interface.values["mac-address"] if interface else ""

    def _servers(self, row: Row) -> list[str]:
        router, interface = self._router, self._interface(row)
        if interface is None:
            return []
        hearing = {other.id for other in heard_by(router, interface) if is_up(router, other)}
        return [
            server.values["name"]
            for server in router.table(SERVER).rows.values()
            if server.values["interface"] in hearing
            and not server.disabled
            and not trouble_of(router, server)
        ]

    def _client(
        self, row: Row, server: str, *, requested: str = "", unicast: bool = False
    ) -> Client:
        mac = self._mac(row)
        short = ":".join(f"{int(part, 16):x}" for part in mac.split(":"))
        return Client(
            mac=mac,
            server=server,
            requested=requested,
            client_id=f"1:{short}",
            host_name=self._router.setting("/system/identity", "name"),
            unicast=unicast,
            allow_reconfigure=row.values.get("allow-reconfigure") == "true",
        )


def _first(due: tuple[float, Row]) -> float:
    return due[0]


# --- which interfaces of the router hear each other: macvlans of one interface, and cables ---
# MANE macvlan.md: in bridge mode they reach each other, and not their parent.


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
