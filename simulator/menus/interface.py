"""`/interface` and, by type, `ethernet`, `bridge`, `vlan`, `macvlan`: for DHCP servers."""

from simulator import errors
from simulator.command import Request, Result
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import BOOL, MAC, Enum, Number, Ref

INTERFACE = "/interface"
BRIDGE_PORT = "/interface/bridge/port"
_COUNTERS = ("rx-byte", "tx-byte", "rx-packet", "tx-packet")
# of ethernet, bridge, vlan (MANE arp.md)
_ARP = Field(
    "arp", Enum("enabled", "disabled", "proxy-arp", "local-proxy-arp", "reply-only"), "enabled"
)
_MTU = Field("mtu", Number(68, 65535), default="1500")
_END = (state("running", "true"), DISABLED, COMMENT)


class InterfaceMenu(Menu):
    """All interfaces of whatever type (assumed: no recorded tree)."""

    path = INTERFACE
    named = True
    double = errors.DUPLICATE_INTERFACE  # seen in public logs
    volatile = True  # several menus read the same rows, each in its way
    commands = frozenset({"set", "print", "get", "enable", "disable", "comment"})
    fields: tuple[Field, ...] = (
        Field("name"),
        state("default-name"),
        state("type"),
        _MTU,
        state("actual-mtu", "1500"),
        Field("mac-address", MAC, readonly=True),
        *(state(name, "0") for name in _COUNTERS),
        state("running", "true"),
        Field("arp", default="enabled", readonly=True, secret=True),
        Field("vlan-id", readonly=True, secret=True),
        Field("interface", Ref(INTERFACE), readonly=True, secret=True),
        DISABLED,
        COMMENT,
    )

    def seed(self, router: RouterState) -> None:
        """Ether1 to ether5, as a fresh router has."""
        for number in range(1, 6):
            name = f"ether{number}"
            own = {"name": name, "default-name": name, "type": "ether"}
            own["mac-address"] = f"00:00:5E:00:53:{number:02X}"
            self.rows(router).insert(self.fresh(router) | own)


class _OneType(InterfaceMenu):
    """The interfaces of one type, with what only they have (assumed)."""

    home = INTERFACE
    kind = ""
    commands = Menu.commands - {"unset"}

    def seed(self, router: RouterState) -> None:
        """Have none of its own."""

    def fresh(self, router: RouterState) -> Values:
        """Be an interface of that type."""
        counters = dict.fromkeys(_COUNTERS, "0")
        return {"type": self.kind, "actual-mtu": "1500", **counters, **super().fresh(router)}

    def rows(self, router: RouterState) -> Table:
        """Share the rows of all interfaces."""
        return _OfType(router.table(INTERFACE), self.kind)


class EthernetMenu(_OneType):
    """The interfaces of type ether, which are neither added nor removed."""

    path = "/interface/ethernet"
    kind = "ether"
    commands = InterfaceMenu.commands | {"monitor"}
    fields = (
        Field("name"),
        state("default-name"),
        _MTU,
        Field("mac-address", MAC, readonly=True),
        _ARP,
        *_END,
    )

    def allowed(self, router: RouterState, command: str) -> frozenset[str]:
        """Know what monitoring takes."""
        if command == "monitor":
            return frozenset({"numbers", "once"})
        return super().allowed(router, command)

    def do_monitor(self, request: Request) -> Result:
        """Say once what each link does; places in the list are taken for ids (mktxp)."""
        table = list(self.rows(request.router).rows.values())
        wanted = request.arguments.get("numbers", "").split(",")
        places = [int(number) for number in wanted if number.isascii() and number.isdigit()]
        rows = [table[place] for place in places if place < len(table)]
        if not rows:
            rows = self.find(request, request.arguments.get("numbers"))
        shown = ((row.values["name"], "link-ok", "1Gbps", "true") for row in rows)
        names = ("name", "status", "rate", "full-duplex")
        made = [Row("", {}, view=dict(zip(names, values, strict=True))) for values in shown]
        return Result(made, printed=True)


class BridgeMenu(_OneType):
    """Bridges; `dhcp_clients` follows their ports to a cable, and nothing else does."""

    path = "/interface/bridge"
    kind = "bridge"
    fields = (
        Field("name", default="bridge1"),
        _MTU,
        Field("mac-address", MAC, default="00:00:5E:00:53:10", readonly=True),
        _ARP,
        Field("admin-mac", MAC, hidden=""),
        Field("auto-mac", BOOL, default="true"),
        Field("protocol-mode", Enum("none", "stp", "rstp", "mstp"), default="rstp"),
        *_END,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Have the MAC that was given, where one was."""
        super().check(router, row, values)
        if values.get("admin-mac") and values["auto-mac"] == "false":
            values["mac-address"] = values["admin-mac"]


class BridgePortMenu(Menu):
    """Ports of bridges (fields assumed)."""

    path = BRIDGE_PORT
    unique = ("interface",)
    double = "failure: device already added as bridge port"  # public forums
    fields = (
        Field("interface", Ref(INTERFACE), required=True),
        Field("bridge", Ref(INTERFACE), required=True),
        Field("pvid", Number(1, 4094), default="1"),
        state("inactive", "false"),
        state("dynamic", "false"),
        DISABLED,
        COMMENT,
    )


class MacvlanMenu(_OneType):
    """Interfaces of type macvlan: other MACs on one interface (RR 7.12.2 on, MANE macvlan.md)."""

    path = "/interface/macvlan"
    kind = "macvlan"
    since = (7, 12)
    fields = (
        Field("name", default="macvlan1"),
        _MTU,
        Field("mac-address", MAC),
        Field("interface", Ref(INTERFACE), required=True),
        Field("mode", Enum("private", "bridge"), default="bridge"),
        _ARP,
        *_END,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Make up a MAC where none was given (MANE: a random one)."""
        super().check(router, row, values)
        values.setdefault("mac-address", f"02:00:5E:00:53:{router.random.getrandbits(8):02X}")


class VlanMenu(_OneType):
    """The interfaces of type vlan."""

    path = "/interface/vlan"
    kind = "vlan"
    fields = (
        Field("name", default="vlan1"),
        _MTU,
        state("l2mtu", "1578"),
        Field("mac-address", MAC, default="00:00:5E:00:53:20", readonly=True),
        _ARP,
        Field("vlan-id", Number(1, 4095), default="1"),
        Field("interface", Ref(INTERFACE), required=True),
        *_END,
    )


class _OfType(Table):
    """The rows of one type in the table of all interfaces."""

    def __init__(self, whole: Table, kind: str) -> None:
        super().__init__()
        self._whole = whole
        self.indexes = whole.indexes
        self.rows = {key: row for key, row in whole.rows.items() if row.values["type"] == kind}
        self.insert = whole.insert  # type: ignore[method-assign]  # writes go to the whole
        self.update = whole.update  # type: ignore[method-assign]  # as above
        self.delete = whole.delete  # type: ignore[method-assign]  # as above


MENUS = (
    InterfaceMenu(),
    EthernetMenu(),
    BridgeMenu(),
    VlanMenu(),
    MacvlanMenu(),
    BridgePortMenu(),
)
