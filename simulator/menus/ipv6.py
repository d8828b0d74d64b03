"""`/ipv6`: enough to see on which interfaces IPv6 is given out. No packet of it is forwarded.

Fields: RR, MAN-S6, ANS, TF. A fresh router advertises on all interfaces (`/ipv6/nd`, `all`), which
does something only where an interface has an address with `advertise=yes`.
"""

from simulator import errors
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu, Singleton
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.values import BOOL, TIME, Number, Ref

INTERFACE = "/interface"
SERVER6 = "/ipv6/dhcp-server"
_PREFIX_POOL_SINCE = (7, 17)


class Server6Menu(Menu):
    """DHCPv6 servers; before 7.17 `address-pool` is the pool of prefixes."""

    path = SERVER6
    named = True
    commands = Menu.commands - {"unset"}
    fields = (
        Field("name", required=True),
        Field("interface", Ref(INTERFACE), required=True),
        Field("address-pool", default="static-only"),
        Field("prefix-pool", default="static-only", since=_PREFIX_POOL_SINCE),
        Field("lease-time", TIME, default="3d"),
        Field("rapid-commit", BOOL, default="true"),
        Field("preference", Number(0, 255), default="255"),
        Field("use-radius", default="no"),
        Field("use-reconfigure", BOOL, default="false", since=_PREFIX_POOL_SINCE),
        Field("address-lists", default="", since=_PREFIX_POOL_SINCE),
        Field("dhcp-option", default=""),
        Field("route-distance", Number(1, 255), default="1"),
        Field("allow-dual-stack-queue", BOOL, default="true", hidden="true"),
        state("duid", "0x00030001020000000001"),
        state("dynamic", "false"),
        state("invalid", "false"),
        DISABLED,
        COMMENT,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse a name that is taken (text: that of the IPv4 servers)."""
        self.refuse_double(router, row, values, errors.DUPLICATE_SERVER)


class BindingMenu(Menu):
    """Bindings of DHCPv6 servers: rows by hand; no client asks for one here."""

    path = "/ipv6/dhcp-server/binding"
    fields = (
        Field("address", default=""),
        Field("duid", required=True),
        Field("iaid", required=True),
        Field("server", Ref(SERVER6, "all"), default="all"),
        Field("life-time", TIME, default="3d"),
        Field("prefix-pool", hidden=""),
        Field("rate-limit", hidden=""),
        Field("address-lists", default=""),
        Field("ia-type", default="pd", since=_PREFIX_POOL_SINCE),
        state("status", "waiting"),
        state("last-seen", "never"),
        state("dynamic", "false"),
        DISABLED,
        COMMENT,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse a DUID without `0x` (recorded)."""
        del router, row
        if not values["duid"].startswith("0x"):
            raise RouterError("failure: Invalid DUID!")


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

    path = "/ipv6/address"
    fields = (
        Field("address", required=True),
        Field("from-pool", default=""),
        Field("interface", Ref(INTERFACE), required=True),
        Field("eui-64", BOOL, default="false"),
        Field("advertise", BOOL, default="true"),
        Field("no-dad", BOOL, default="false"),
        state("dynamic", "false"),
        state("global", "true"),
        state("invalid", "false"),
        DISABLED,
        COMMENT,
    )


class Pool6Menu(Menu):
    """Pools of prefixes."""

    path = "/ipv6/pool"
    named = True
    fields = (
        Field("name", required=True),
        Field("prefix", required=True),
        Field("prefix-length", Number(0, 128), required=True),
        state("dynamic", "false"),
        COMMENT,
    )


class Settings6Menu(Singleton):
    """Whether IPv6 is on at all."""

    path = "/ipv6/settings"
    fields = (
        Field("disable-ipv6", BOOL, default="false"),
        Field("forward", BOOL, default="true"),
        Field("accept-router-advertisements", default="yes-if-forwarding-disabled"),
    )


def menus() -> list[Menu]:
    """Give this module's menus."""
    return [
        *(Server6Menu(), BindingMenu(), NdMenu(), Address6Menu(), Pool6Menu(), Settings6Menu()),
    ]
