"""Menus that are data: those that clients ask on connecting and no source describes (*assumed*).

Each is one line, enough for a monitoring tool to go on. Of some there are recorded trees.
"""

import calendar
import time
from collections.abc import Iterable, Iterator

from simulator.errors import invalid_value
from simulator.fields import COMMENT, DISABLED, Field, state, with_defaults
from simulator.menu import Computed, Menu, Singleton
from simulator.router_state import RouterState
from simulator.schema import every_argument
from simulator.state import Row, Table, Values
from simulator.values import BOOL

# singletons: path -> values
_SINGLE: dict[str, Values] = {
    "/ip/cloud": {"ddns-enabled": "false", "ddns-update-interval": "none", "update-time": "true"},
    "/ip/dns": {
        "servers": "",
        "dynamic-servers": "",
        "use-doh-server": "",
        "verify-doh-cert": "false",
        "allow-remote-requests": "false",
        "cache-size": "2048",
        "cache-used": "40",
    },
    "/system/note": {"show-at-login": "true", "note": ""},
    "/snmp": {"enabled": "false", "contact": "", "location": "", "trap-version": "1"},
    "/system/ntp/client": {"enabled": "false", "mode": "unicast", "servers": "", "vrf": "main"},
    "/ip/firewall/connection/tracking": {
        "enabled": "auto",
        "tcp-established-timeout": "1d",
        "udp-timeout": "30s",
        "udp-stream-timeout": "3m",
        "icmp-timeout": "10s",
    },
    "/ip/settings": {"ip-forward": "true", "rp-filter": "no"},
    "/tool/mac-server": {"allowed-interface-list": "all"},
    "/tool/mac-server/mac-winbox": {"allowed-interface-list": "all"},
    "/tool/mac-server/ping": {"enabled": "true"},
}
# read-only tables that are empty here
_EMPTY = [
    "/interface/wireless/registration-table",
    "/interface/wireless",
    "/interface/wifi",
    "/caps-man/registration-table",
    "/caps-man/interface",
    "/caps-man/remote-cap",
    "/container",
    "/ip/neighbor",
    "/ip/kid-control/device",
    "/interface/ethernet/poe",
    "/ip/ipsec/active-peers",
    "/routing/bgp/session",
    "/routing/ospf/neighbor",
    "/ip/hotspot/active",
    "/interface/wifi/registration-table",
    "/interface/wifi/capsman/remote-cap",
    "/interface/bridge/vlan",
    "/interface/ethernet/switch/port",
    "/interface/ethernet/switch/unicast-fdb",
    "/routing/stats/process",
    "/tool/mac-server/sessions",
    "/interface/bridge/host",
]
# tables that can be written, with free-text properties
_TABLES = {
    "/interface/eoip": "name local-address remote-address tunnel-id mtu comment",
    "/interface/gre": "name local-address remote-address mtu comment",
    "/interface/ipip": "name local-address remote-address mtu comment",
    "/ip/vrf": "name interfaces comment",
    "/routing/bgp/connection": "name remote.address remote.as local.role comment",
    "/snmp/community": "name addresses read-access write-access comment",
    "/interface/list": "name include exclude comment",
    "/interface/list/member": "list interface comment",
    "/ip/route": "dst-address gateway distance comment",
    "/ip/dns/static": "name address type ttl comment",
    "/tool/netwatch": "host interval up-script down-script comment",
    "/queue/tree": "name parent packet-mark max-limit comment",
    "/queue/type": "name kind comment",
    "/system/scheduler": "name interval on-event start-time comment",
    "/system/script": "name source policy comment",
}
# known from recorded trees alone: their arguments are checked, their values are text
# with defaults as community.routeros knows them (ANS)
_RECORDED: dict[str, Values] = {
    "/ip/dhcp-relay": {
        "name": "relay1",
        "interface": "",
        "dhcp-server": "",
        "local-address": "0.0.0.0",  # noqa: S104 - the default by ANS
        "delay-threshold": "none",
        "add-relay-info": "false",
    },
    "/ip/dhcp-server/matcher": {"name": "", "server": "all", "code": "", "value": ""},
    "/ip/dhcp-server/alert": {"interface": "", "valid-server": "", "alert-timeout": "1h"},
    "/radius": {"service": "", "address": "0.0.0.0", "timeout": "300ms"},  # noqa: S104 - as above
}
# LAB: always there
_DEFAULTS: dict[str, Values] = {"/ip/dns/static": {"type": "A", "ttl": "1d"}}


class UpdateMenu(Singleton):
    """Whether there is another version."""

    path = "/system/package/update"
    fields = (Field("channel", default="stable"), Field("installed-version", default=""))

    def fresh(self, router: RouterState) -> Values:
        """Know the version."""
        return {**super().fresh(router), "installed-version": router.options.version}


class ClockMenu(Singleton):
    """The clock: that of this host in UTC until it is set; then it continues from there.

    `dst-active`: LAB, always there.
    """

    path = "/system/clock"
    volatile = True
    fields = (
        Field("date", default=""),
        Field("time", default=""),
        Field("time-zone-autodetect", BOOL, default="true"),
        Field("time-zone-name", default="UTC"),
        state("gmt-offset", "+00:00"),
        state("dst-active", "false"),
    )

    def build(self, router: RouterState, row: Row) -> Values:
        """Show this moment."""
        view = super().build(router, row)
        view["date"], view["time"] = router.date().split(" ")
        return view

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Take a date and a time of day, in either form of dates; what is not given goes on."""
        date, clock = router.date().split(" ")
        date_and_time = values["date"] or date, values["time"] or clock
        if not (values["date"] or values["time"]):
            return
        try:
            form = "%Y-%m-%d" if date_and_time[0][:4].isdigit() else "%b/%d/%Y"
            moment = time.strptime(" ".join(date_and_time), f"{form} %H:%M:%S")
        except ValueError:
            raise invalid_value("date" if values["date"] else "time") from None
        router.clock_ahead = calendar.timegm(moment) - router.wall()
        values["date"] = values["time"] = ""


class RecordedMenu(Menu):
    """A table; whatever the version's tree lets one write is kept and shown."""

    def __init__(self, path: str, defaults: Values) -> None:
        self.named = "name" in defaults
        others = [name for name in every_argument(path) if name not in defaults]
        plain = (name for name in others if name not in ("disabled", "comment"))
        common = (field for field in (DISABLED, COMMENT) if field.name in others)
        hidden = (Field(name, hidden="") for name in plain)
        super().__init__(path, (*with_defaults(defaults), *hidden, *common))

    def fresh(self, router: RouterState) -> Values:
        """Leave out what this version's tree does not have."""
        known = router.schema.arguments(self.path, "add")
        return {name: text for name, text in super().fresh(router).items() if name in known}


def _package(router: RouterState) -> Iterator[Values]:
    """Give one package with everything, as version 7 has it."""
    yield {"name": "routeros", "version": router.options.version, "scheduled": ""}


def _health(router: RouterState) -> Iterator[Values]:
    """Give name and value in rows (6 has a singleton: not simulated), none on a virtual router."""
    if router.options.board != "chr":
        yield {"name": "cpu-temperature", "value": "41", "type": "C"}
        yield {"name": "voltage", "value": "24.1", "type": "V"}


def _cores(_: RouterState) -> Iterator[Values]:
    for core in range(4):
        yield {"cpu": f"cpu{core}", "load": "3", "irq": "0", "disk": "0"}


def _nothing(_: RouterState) -> Iterable[Values]:
    return ()


def _table(path: str, names: list[str]) -> Menu:
    held = _DEFAULTS.get(path, {})
    own = (Field(name, default=held.get(name), hidden="") for name in names if name != "comment")
    menu = Menu(path, (*own, state("dynamic", "false"), DISABLED, COMMENT))
    menu.named = names[0] == "name"
    menu.first_id = 0 if path == "/system/scheduler" else 1
    return menu


class LogMenu(Menu):
    """The log; lines come from the router itself."""

    path = "/log"
    first_id = 0
    commands = frozenset({"print", "get"})
    fields = (
        *(state(name) for name in ("time", "topics", "message")),
        state("extra-info", "", since=(7,)),  # LAB: always there
    )

    def booted(self, router: RouterState, table: Table) -> None:
        """Lose what was in memory."""
        for row in list(table.rows.values()):
            table.delete(row)


class FileMenu(Menu):
    """Files by name with their contents."""

    path = "/file"
    named = True
    commands = frozenset({"add", "set", "remove", "print", "get"})
    fields = (
        Field("name", required=True),
        state("type", ".txt file"),
        state("size", "0"),
        state("last-modified"),
        Field("contents", default=""),
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Keep the size right."""
        values["size"] = str(len(values["contents"]))
        values["last-modified"] = router.date()


MENUS = (
    Computed("/system/package", "name version build-time scheduled", _package),
    ClockMenu(),
    UpdateMenu(),
    Computed("/system/health", "name value type", _health),
    Computed("/system/resource/cpu", "cpu load irq disk", _cores),
    LogMenu(),
    FileMenu(),
    *(Singleton(path, with_defaults(values)) for path, values in _SINGLE.items()),
    *(Computed(path, "", _nothing) for path in _EMPTY),
    *(_table(path, names.split()) for path, names in _TABLES.items()),
    *(RecordedMenu(path, values) for path, values in _RECORDED.items()),
)
