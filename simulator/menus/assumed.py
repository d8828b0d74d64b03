"""Menus that clients ask on connecting and that no source here describes: *assumed*.

Each is one line of data, enough for a monitoring tool to go on.
"""

import calendar
import time
from collections.abc import Iterable

from simulator.errors import invalid_value
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Computed, Menu, Singleton
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import BOOL

# singletons: path -> values; {version} and {board} are the router's
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
    "/system/package/update": {"channel": "stable", "installed-version": "{version}"},
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
# LAB: always there
_DEFAULTS: dict[str, Values] = {"/ip/dns/static": {"type": "A", "ttl": "1d"}}


class _Single(Singleton):
    def __init__(self, path: str, defaults: Values) -> None:
        self.path = path
        self.fields = tuple(Field(name, default=value) for name, value in defaults.items())
        super().__init__()

    def fresh(self, router: RouterState) -> Values:
        version = router.options.version
        return {name: text.format(version=version) for name, text in super().fresh(router).items()}


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
        del row
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


class _Empty(Computed):
    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__()

    def compute(self, router: RouterState) -> Iterable[Values]:  # noqa: ARG002 - nothing anywhere
        return ()


class _Plain(Menu):
    def __init__(self, path: str, names: str) -> None:
        self.path = path
        held = _DEFAULTS.get(path, {})
        own = tuple(
            Field(name, default=held.get(name), hidden="")
            for name in names.split()
            if name != "comment"
        )
        self.first_id = 0 if path == "/system/scheduler" else 1
        self.fields = (*own, state("dynamic", "false"), DISABLED, COMMENT)
        self.named = names.startswith("name ")
        super().__init__()


class PackageMenu(Computed):
    """One package with everything, as version 7 has it."""

    path = "/system/package"
    fields = tuple(state(name) for name in ("name", "version", "build-time", "scheduled"))

    def compute(self, router: RouterState) -> Iterable[Values]:
        """Give the one."""
        yield {"name": "routeros", "version": router.options.version, "scheduled": ""}


class HealthMenu(Computed):
    """Name and value in rows on version 7 (6 had a singleton: not simulated)."""

    path = "/system/health"
    fields = tuple(state(name) for name in ("name", "value", "type"))

    def compute(self, router: RouterState) -> Iterable[Values]:
        """Give temperature and voltage; nothing on a virtual router."""
        if router.options.board != "chr":
            yield {"name": "cpu-temperature", "value": "41", "type": "C"}
            yield {"name": "voltage", "value": "24.1", "type": "V"}


class CpuMenu(Computed):
    """Load by core."""

    path = "/system/resource/cpu"
    fields = tuple(state(name) for name in ("cpu", "load", "irq", "disk"))

    def compute(self, router: RouterState) -> Iterable[Values]:
        """Give four of them."""
        del router
        for core in range(4):
            yield {"cpu": f"cpu{core}", "load": "3", "irq": "0", "disk": "0"}


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
        del router
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
        del row
        values["size"] = str(len(values["contents"]))
        values["last-modified"] = router.date()


def menus() -> list[Menu]:
    """Give this module's menus."""
    own: list[Menu] = [
        PackageMenu(),
        ClockMenu(),
        HealthMenu(),
        CpuMenu(),
        LogMenu(),
    ]
    own.append(FileMenu())
    own += [_Single(path, defaults) for path, defaults in _SINGLE.items()]
    own += [_Empty(path) for path in _EMPTY]
    own += [_Plain(path, names) for path, names in _TABLES.items()]
    return own
