"""`/ipv6/dhcp-server` and its options, and `/ipv6/pool`; bindings are in `binding`.

Fields: RR, MAN-S6, ANS, TF.
"""

from collections.abc import Iterator
from ipaddress import IPv6Network

from simulator import errors
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Computed, Menu
from simulator.menus.binding_rows import BINDING, HELD, SERVER6
from simulator.menus.dhcp import OptionSets, OptionValues
from simulator.menus.held import note_reconfigure, uses_reconfigure
from simulator.menus.made_rows import QUEUE
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.values import BOOL, TIME, Kind, Names, Number, Ref
from simulator.values6 import PREFIX6

OPTION6 = "/ipv6/dhcp-server/option"
OPTION_SETS6 = "/ipv6/dhcp-server/option/sets"
POOL6 = "/ipv6/pool"
ADDRESSES_SINCE = (7, 17)  # from then on `address-pool` gives addresses, `prefix-pool` prefixes
# the settings whose change tells devices to ask again (MAN-S6)
_RECONFIGURES = ("address-pool", "prefix-pool", "lease-time", "dhcp-option")
RENEW, REBIND = 5, 6  # what a device is told to send (RFC 8415, RFC 6644)


class Options6(Kind):
    """Names of options and of option sets with commas between, or nothing (MAN-B6).

    Kept by name, so that a renamed option is lost (assumed).
    """

    def parse(self, text: str, name: str, names: Names, /) -> str:
        """Accept names that are all there."""
        for option in text.split(",") if text else ():
            if not any(names.id_of(menu, option) for menu in (OPTION6, OPTION_SETS6)):
                raise errors.no_match(name)
        return text


class Server6Menu(Menu):
    """DHCPv6 servers; before 7.17 `address-pool` is the pool of prefixes."""

    path = SERVER6
    double = errors.DUPLICATE_SERVER  # text: that of the IPv4 servers
    named = True
    fields = (
        Field("name", required=True),
        Field("interface", Ref("/interface"), required=True),
        Field("address-pool", Ref(POOL6, "static-only"), default="static-only"),
        Field("prefix-pool", Ref(POOL6, "static-only"), "static-only", since=ADDRESSES_SINCE),
        Field("lease-time", TIME, default="3d"),
        Field("rapid-commit", BOOL, default="true"),
        Field("preference", Number(0, 255), default="255"),
        Field("use-radius", default="no"),
        Field("use-reconfigure", BOOL, default="false", since=ADDRESSES_SINCE),
        Field("address-lists", default="", since=ADDRESSES_SINCE),
        Field("ignore-ia-na-bindings", BOOL, default="false", since=(7, 20)),
        Field("binding-script", default="", hidden=""),
        Field("dhcp-option", Options6(), default=""),
        Field("insert-queue-before", Ref(QUEUE, "first", "bottom"), "first", hidden="first"),
        Field("parent-queue", Ref(QUEUE, "none"), default="none", hidden="none"),
        Field("route-distance", Number(1, 255), default="1"),
        Field("allow-dual-stack-queue", BOOL, default="true", hidden="true"),
        state("duid", "0x00030001020000000001"),
        state("dynamic", "false"),
        state("invalid", "false"),
        DISABLED,
        COMMENT,
    )

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Tell all its devices to ask, where what they have depends on it (MAN-S6)."""
        if before and any(before.get(name) != row.values.get(name) for name in _RECONFIGURES):
            self._reconfigure_all(router, row, RENEW)

    def removed(self, router: RouterState, row: Row) -> None:
        """Tell its devices to ask any server (MAN-S6)."""
        self._reconfigure_all(router, row, REBIND)

    @staticmethod
    def _reconfigure_all(router: RouterState, server: Row, message: int) -> None:
        for row in router.table(BINDING).rows.values():
            if row.values.get("active-server") == server.id:
                reconfigure(router, server, row, message)


def reconfigure(router: RouterState, server: Row | None, row: Row, message: int) -> None:
    """Tell the device of a binding to ask again, where it may be told."""
    if uses_reconfigure(server) and row.values.get("reconfigure-key"):
        note_reconfigure(router.table(BINDING), row)
        send_reconfigure6(router, server, row, message)


def send_reconfigure6(router: RouterState, server: Row | None, row: Row, message: int) -> None:
    """Tell those who may know the device of a binding."""
    if server is not None:
        for send in router.reconfigure6:
            send(row.values, server.values, message)


class Option6Menu(OptionValues):
    """DHCPv6 options; there is no `force`."""

    path = OPTION6
    fields = (
        Field("name", required=True),
        Field("code", Number(1, 65535), required=True),
        Field("value", default=""),
        state("raw-value"),
        Field("comment", default="", hidden="", since=(7, 16)),
    )


class Pool6Menu(Menu):
    """Pools of prefixes, or of addresses where the length is 128."""

    path = POOL6
    named = True
    double = errors.DUPLICATE_POOL
    fields = (
        Field("name", required=True),
        Field("prefix", PREFIX6, required=True),
        Field("prefix-length", Number(1, 128), required=True),
        Field("from-pool", hidden="", since=(7, 22)),
        state("dynamic", "false"),
        COMMENT,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse a length that is none of the prefix, too (text assumed)."""
        super().check(router, row, values)
        shortest = IPv6Network(values["prefix"]).prefixlen
        if int(values["prefix-length"]) < shortest:
            raise RouterError(errors.out_of_range("prefix-length", shortest, 128).text)


def _used(router: RouterState) -> Iterator[Values]:
    """List the prefixes of pools that clients have."""
    pools = [
        (row.values["name"], IPv6Network(row.values["prefix"]))
        for row in router.table(POOL6).rows.values()
    ]
    for binding in router.table(BINDING).rows.values():
        held = binding.values.get(HELD)
        for name, whole in pools if held else ():
            if IPv6Network(str(held)).subnet_of(whole):
                duid = binding.values["duid"]
                yield {"pool": name, "prefix": str(held), "owner": "DHCP", "info": duid}


MENUS = (
    Server6Menu(),
    Option6Menu(),
    OptionSets(OPTION_SETS6, Options6()),
    Pool6Menu(),
    Computed("/ipv6/pool/used", "pool prefix owner info", _used),  # fields: RR
)
