"""`/ipv6`, but for DHCP and the firewall: addresses, advertisements, neighbours, routes.

Fields: RR, MAN, ANS, TF. A fresh router advertises on all interfaces (`/ipv6/nd`, `all`), which
does something only where an interface has an address with `advertise=yes`; no advertisement is
sent here. Connected routes are not shown.
"""

from simulator.command import Request, Result
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu, Singleton
from simulator.menus.binding_rows import ROUTE6
from simulator.menus.made_rows import MARK
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import BOOL, MAC, Form, Number, Ref
from simulator.values6 import PREFIX6, read_interface_address6, read_ip6

INTERFACE = "/interface"
ADDRESS6 = "/ipv6/address"
NEIGHBOR = "/ipv6/neighbor"
SETTINGS6 = "/ipv6/settings"
_STATIC_NEIGHBORS_SINCE = (7, 18)  # RR
_PREF_SRC_SINCE = (7, 20)


class NdMenu(Menu):
    """Router advertisements: one row for all interfaces from the start (MAN)."""

    path = "/ipv6/nd"
    fields = (
        Field("interface", Ref(INTERFACE, "all"), required=True),
        Field("ra-interval", default="3m20s-10m"),
        Field("ra-lifetime", default="30m"),
        Field("advertise-dns", BOOL, default="true"),
        Field("managed-address-configuration", BOOL, default="false"),
        Field("other-configuration", BOOL, default="false"),
        state("default", "false"),
        state("invalid", "false"),
        DISABLED,
        COMMENT,
    )

    def seed(self, router: RouterState) -> None:
        """Advertise everywhere."""
        row = {"interface": "all", "default": "true"}
        self.rows(router).insert({**self.fresh(router), **row})


class Address6Menu(Menu):
    """Addresses of the router."""

    path = ADDRESS6
    fields = (
        Field("address", Form(read_interface_address6), required=True),
        Field("from-pool", default=""),
        Field("from-pool-policy", hidden="", since=(7, 23)),
        Field("interface", Ref(INTERFACE), required=True),
        Field("eui-64", BOOL, default="false"),
        Field("advertise", BOOL, default="true"),
        Field("auto-link-local", BOOL, default="true", since=(7, 18)),
        Field("no-dad", BOOL, default="false"),
        state("dynamic", "false"),
        state("global", "true"),
        state("invalid", "false"),
        DISABLED,
        COMMENT,
    )


class Settings6Menu(Singleton):
    """Whether IPv6 is on at all."""

    path = SETTINGS6
    fields = (
        Field("disable-ipv6", BOOL, default="false"),
        Field("forward", BOOL, default="true"),
        Field("accept-router-advertisements", default="yes-if-forwarding-disabled"),
    )


class NeighborMenu(Menu):
    """Neighbours: those that were heard, and rows by hand from 7.18 on (RR)."""

    path = NEIGHBOR
    indexed = ("address", "mac-address")
    fields = (
        Field("address", Form(read_ip6), required=True),
        Field("mac-address", MAC),
        Field("interface", Ref(INTERFACE), required=True),
        state("status", "permanent"),
        state("router", "false"),
        state("dynamic", "false"),
        DISABLED,
        Field("comment", default="", hidden="", since=_STATIC_NEIGHBORS_SINCE),
    )

    def booted(self, router: RouterState, table: Table) -> None:
        """Forget who was heard."""
        for row in [neighbor for neighbor in table.rows.values() if neighbor.dynamic]:
            table.delete(row)


def learn_neighbor(router: RouterState, interface: str, address: str, mac: str) -> None:
    """Note a device that was heard on an interface, by its id; a row by hand stays."""
    table = router.table(NEIGHBOR)
    values = {"address": address, "interface": interface, "mac-address": mac}
    for row in table.having("address", address):
        if row.values["interface"] == interface:
            if row.dynamic and row.values["mac-address"] != mac:
                table.update(row, {**row.values, **values})
            return
    fresh = router.menus[NEIGHBOR].fresh(router)
    table.insert({**fresh, **values, "status": "reachable", "dynamic": "true"})


class Route6Menu(Menu):
    """Routes: by hand, and those to delegated prefixes while their binding is bound."""

    path = ROUTE6
    indexed = ("dst-address", MARK)
    fields = (
        Field("dst-address", PREFIX6, default="::/0"),
        Field("gateway"),
        state("immediate-gw"),
        Field("distance", Number(1, 255), default="1"),
        Field("scope", Number(0, 255), default="30"),
        Field("target-scope", Number(0, 255), default="10"),
        Field("routing-table", default="main"),
        Field("check-gateway", hidden=""),
        Field("blackhole", hidden=""),
        Field("pref-src", hidden="", since=_PREF_SRC_SINCE),
        Field("suppress-hw-offload", BOOL, default="false"),
        Field("vrf-interface", hidden=""),
        state("active", "true"),
        state("dhcp"),
        state("static"),
        state("dynamic", "false"),
        DISABLED,
        COMMENT,
    )

    def fresh(self, router: RouterState) -> Values:
        """Leave out what this version's tree does not have."""
        values = super().fresh(router)
        if "suppress-hw-offload" not in router.schema.arguments(self.path, "add"):
            del values["suppress-hw-offload"]
        return values

    def do_add(self, request: Request) -> Result:
        """Make a static route."""
        result = super().do_add(request)
        table = self.rows(request.router)
        row = table.rows[str(result.ret)]
        table.update(row, {**row.values, "static": "true"})
        return result

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Be active while it is on: what is reachable is not modelled."""
        values["active"] = "false" if values["disabled"] == "true" else "true"


MENUS = (NdMenu(), Address6Menu(), Settings6Menu(), NeighborMenu(), Route6Menu())
