"""`/ping`, for tools that look whether a device is there (assumed but for its policy)."""

from collections.abc import Iterator

from simulator.command import Request, Result
from simulator.errors import invalid_value, missing
from simulator.menu import Menu
from simulator.router_state import RouterState
from simulator.state import Row

_MOST = 100
_WITHOUT_COUNT = 5  # a router pings until cancelled; this one stops


class RootMenu(Menu):
    """What lies at the root: one command."""

    path = ""
    write_policy = "test"  # MAN-REST: only for ping-like tools
    commands = frozenset({"ping"})

    def allowed(self, router: RouterState, command: str) -> frozenset[str]:
        """Know what a ping takes."""
        return frozenset({"address", "count", "interval", "interface", "size", "src-address"})

    def do_ping(self, request: Request) -> Result:
        """Answer for clients' addresses and the router's own, all at once."""
        address = request.arguments.get("address")
        if address is None:
            raise missing("address")
        count = request.arguments.get("count", str(_WITHOUT_COUNT))
        if not (count.isascii() and count.isdigit() and 0 < int(count[:9]) <= _MOST):
            raise invalid_value("count")
        return Result(list(self._rows(request, address, int(count))), printed=True)

    @staticmethod
    def _rows(request: Request, address: str, count: int) -> Iterator[Row]:
        router = request.router
        alive = bool(router.table("/ip/dhcp-server/lease").having("active-address", address))
        alive |= any(
            row.values["address"].partition("/")[0] == address
            for row in router.table("/ip/address").rows.values()
        )
        for seq in range(count):
            sent, received = seq + 1, seq + 1 if alive else 0
            view = {"seq": str(seq), "host": address}
            view |= {"size": "56", "ttl": "64", "time": "1ms"} if alive else {"status": "timeout"}
            loss = {"packet-loss": "0" if alive else "100"}
            view |= {"sent": str(sent), "received": str(received), **loss}
            yield Row("", {}, view=view)


MENUS = (RootMenu(),)
