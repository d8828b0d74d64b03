"""`/ip/dhcp-server` and what lies under it, but for the leases."""

from ipaddress import IPv4Network

from simulator import errors
from simulator.dhcp_options import encode_value
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu, Singleton
from simulator.menus.made_rows import QUEUE
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.values import (
    BOOL,
    IP,
    IPS,
    TEXT,
    TIME,
    Enum,
    Form,
    Kind,
    Number,
    Ref,
    RefList,
    Words,
    read_prefix,
    read_time,
)

SERVER = "/ip/dhcp-server"
NETWORK = "/ip/dhcp-server/network"
OPTION = "/ip/dhcp-server/option"
OPTION_SETS = "/ip/dhcp-server/option/sets"
_ABOUT_SINCE = (7, 16)
_LAB = (7, 23)


def _not_empty(text: str) -> str:
    """Refuse nothing (MAN)."""
    if not text:
        raise ValueError
    return text


def _network(text: str) -> str:
    """Read a prefix; host bits are refused (LAB)."""
    prefix = read_prefix(text)
    if str(IPv4Network(prefix, strict=False)) != prefix:
        raise RouterError(errors.INVALID_NETWORK)
    return prefix


def trouble_of(router: RouterState, server: Row) -> str:
    """Return why a server is invalid (MAN; the text is assumed); empty if it is valid."""
    interface, relay = server.values["interface"], server.values["relay"]
    if router.name_of("/interface", interface) is None:
        return "interface is gone"
    if server.disabled:
        return ""
    addresses = router.table("/ip/address").rows.values()
    if not any(row.values["interface"] == interface and not row.disabled for row in addresses):
        return "no IP address on interface"
    for other in router.table(SERVER).rows.values():
        if other is server:
            break
        same = other.values["interface"] == interface and other.values["relay"] == relay
        if same and not other.disabled:
            return "another DHCP server is on this interface"
    return ""


class ServerMenu(Menu):
    """DHCP servers: fields by RR, defaults by MAN-CLI and ANS."""

    path = SERVER
    named = True
    double = errors.DUPLICATE_SERVER  # LAB
    volatile = True  # its interface's addresses come and go without it
    fields = (
        Field("name"),
        Field("interface", Ref("/interface"), required=True),
        Field("relay", IP, default="0.0.0.0", hidden="0.0.0.0"),  # noqa: S104 - any relay
        Field("lease-time", TIME, default="30m"),  # MAN; 10m on version 6 (ANS)
        Field("address-pool", Ref("/ip/pool", "static-only"), default="static-only"),
        Field("server-address", IP, default="0.0.0.0", hidden="0.0.0.0"),  # noqa: S104 - own one
        Field("authoritative", Enum("yes", "no", "after-2sec-delay", "after-10sec-delay"), "yes"),
        Field(
            "bootp-support", Enum("static", "dynamic", "none"), default="static", hidden="static"
        ),
        Field(
            "bootp-lease-time",
            Form(read_time, "forever", "lease-time"),
            "forever",
            hidden="forever",
        ),
        Field("delay-threshold", Form(read_time, "none"), default="none", hidden="none"),
        Field("add-arp", BOOL, default="false", hidden="false"),
        Field("always-broadcast", BOOL, default="false", hidden="false"),
        Field("use-radius", Enum("no", "yes", "accounting"), default="no"),
        Field("client-mac-limit", Number(1, 0xFFFFFFFF, "unlimited"), hidden="unlimited"),
        Field("conflict-detection", BOOL, default="true", hidden="true"),
        Field("use-framed-as-classless", BOOL, default="true", hidden="true"),
        Field("use-reconfigure", BOOL, default="false", since=(7, 19)),
        Field("address-lists", default="", since=(7, 17)),
        Field(
            "dynamic-lease-identifiers",
            Words(("client-mac", "client-id", "opt-82")),
            "client-mac,client-id",
            since=(7, 21),
        ),
        Field("support-broadband-tr101", BOOL, default="false", since=(7, 21)),
        Field("add-dns-entries", BOOL, default="false", hidden="false", since=(7, 23)),
        Field("add-dns-entries-suffix", Form(_not_empty), default="lan", since=(7, 23)),
        Field("lease-script", default=""),
        Field("dhcp-option-set", Ref(OPTION_SETS, "none"), default="none", hidden="none"),
        Field("insert-queue-before", Ref(QUEUE, "first", "bottom"), "first", hidden="first"),
        Field("parent-queue", Ref(QUEUE, "none"), default="none", hidden="none"),
        Field("allow-dual-stack-queue", BOOL, default="true", hidden="true"),
        state("dynamic", "false"),
        state("invalid", "false"),
        DISABLED,
        COMMENT,
    )

    def fresh(self, router: RouterState) -> Values:
        """Know the older default of the lease time."""
        values = super().fresh(router)
        if router.version < (7,):
            values["lease-time"] = "10m"
        return values

    def build(self, router: RouterState, row: Row) -> Values:
        """Show why the server does not answer (RR: `.about`), for 7.23 as in LAB."""
        view = super().build(router, row)
        trouble = trouble_of(router, row)
        if trouble:
            view["invalid"] = "true"
        if trouble and router.version >= _ABOUT_SINCE:
            view[".about"] = trouble
        if router.version >= _LAB and view["authoritative"] == "yes":
            del view["authoritative"]
        return view

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Make up a name where none was given (assumed: serverN)."""
        if not values.get("name"):
            taken = {row.values["name"] for row in self.rows(router).rows.values()}
            values["name"] = next(
                name for n in range(1, len(taken) + 2) if (name := f"server{n}") not in taken
            )
        super().check(router, row, values)


class NetworkMenu(Menu):
    """Networks: overlapping rows are fine, equal ones and host bits are not (LAB)."""

    path = NETWORK
    unique = ("address",)
    double = errors.DUPLICATE_NETWORK
    indexed = ("address",)
    fields = (
        Field("address", Form(_network), required=True),
        Field("gateway", IPS, default=""),
        Field("netmask", Number(0, 32), hidden="0"),
        Field("dns-server", IPS, default=""),
        Field("dns-none", BOOL, hidden="false"),
        Field("wins-server", IPS, default=""),
        Field("ntp-server", IPS, default=""),
        Field("ntp-none", BOOL, hidden="false", since=(7, 20)),
        Field("caps-manager", IPS, default=""),
        Field("domain", hidden=""),
        Field("next-server", IP),
        Field("boot-file-name", hidden=""),
        Field("dhcp-option", RefList(OPTION), default=""),
        Field("dhcp-option-set", Ref(OPTION_SETS, "none"), hidden="none"),
        state("dynamic", "false"),
        COMMENT,
    )

    def unsettable(self, router: RouterState) -> frozenset[str]:
        """Only next-server (RR 7.21.5)."""
        return frozenset({"next-server"})

    def of_address(self, router: RouterState, address: int) -> Row | None:
        """Find the row for an address; the most specific one (assumed for overlaps)."""
        best: tuple[int, Row] | None = None
        for row in self.rows(router).rows.values():
            net = IPv4Network(row.values["address"])
            inside = int(net.network_address) <= address <= int(net.broadcast_address)
            if inside and (best is None or net.prefixlen > best[0]):
                best = (net.prefixlen, row)
        return None if best is None else best[1]


class OptionValues(Menu):
    """Options of either DHCP, by name, each with a value whose syntax is in `dhcp_options`."""

    named = True
    double = errors.DUPLICATE_NAME  # text assumed

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse a value of no form, too, and show the bytes."""
        super().check(router, row, values)
        try:
            values["raw-value"] = encode_value(values["value"]).hex()
        except ValueError:
            raise errors.invalid_value("value") from None


class OptionMenu(OptionValues):
    """DHCP options."""

    path = OPTION
    fields = (
        Field("name", required=True),
        Field("code", Number(1, 254, "vendor-specific"), required=True),
        Field("value", default=""),
        Field("force", BOOL, default="false", since=(7, 1)),
        state("raw-value"),
        Field("comment", default="", hidden="", since=(7, 16)),
    )

    def check_removal(self, router: RouterState, row: Row) -> None:
        """Refuse by switch only: what RouterOS does is not known."""
        if router.switches.option_in_use_removal == "refuse" and _named_by(router, row.id):
            raise RouterError(errors.IN_USE)


class OptionSets(Menu):
    """Sets of options of either DHCP."""

    named = True
    double = errors.DUPLICATE_NAME  # text assumed

    def __init__(self, path: str, options: Kind) -> None:
        name = Field("name", required=True)
        comment = Field("comment", default="", hidden="", since=(7, 23))
        super().__init__(path, (name, Field("options", options, required=True), comment))


class ConfigMenu(Singleton):
    """Settings of all servers (defaults: ANS)."""

    path = "/ip/dhcp-server/config"
    fields = (
        Field("store-leases-disk", Form(read_time, "immediately", "never"), default="5m"),
        Field("interim-update", TIME, default="0s"),
        Field("accounting", BOOL, default="true"),
        Field("radius-password", TEXT, default="empty"),
    )


def _named_by(router: RouterState, option_id: str) -> bool:
    for path in (OPTION_SETS, NETWORK, "/ip/dhcp-server/lease"):
        key = "options" if path == OPTION_SETS else "dhcp-option"
        for row in router.table(path).rows.values():
            if option_id in row.values.get(key, "").split(","):
                return True
    return False


def only_server(router: RouterState, menu: str) -> str:
    """Give the name of the one server of a menu.

    Raises:
        ValueError: there is none, or there are several.
    """
    names = [row.values["name"] for row in router.table(menu).rows.values()]
    if len(names) != 1:
        msg = f"which DHCP server? there are: {', '.join(names) or 'none'}"
        raise ValueError(msg)
    return names[0]


MENUS = (
    ServerMenu(),
    NetworkMenu(),
    OptionMenu(),
    OptionSets(OPTION_SETS, RefList(OPTION)),
    ConfigMenu(),
)
