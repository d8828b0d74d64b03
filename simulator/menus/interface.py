"""`/interface` and `/interface/vlan`: enough to hang a DHCP server on."""

from simulator import errors
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import MAC, Enum, Number, Ref

INTERFACE = "/interface"


class InterfaceMenu(Menu):
    """All interfaces of whatever type (assumed: no recorded tree)."""

    path = INTERFACE
    named = True
    volatile = True  # two menus read the same rows, each in its way
    commands = frozenset({"set", "print", "get", "enable", "disable", "comment"})
    fields: tuple[Field, ...] = (
        Field("name"),
        state("default-name"),
        state("type"),
        Field("mtu", Number(68, 65535), default="1500"),
        state("actual-mtu", "1500"),
        Field("mac-address", MAC, readonly=True),
        state("rx-byte", "0"),
        state("tx-byte", "0"),
        state("rx-packet", "0"),
        state("tx-packet", "0"),
        state("running", "true"),
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

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse a name that is taken (seen in public logs)."""
        self.refuse_double(router, row, values, errors.DUPLICATE_INTERFACE)


class VlanMenu(InterfaceMenu):
    """The interfaces of type vlan, with what only they have (assumed)."""

    path = "/interface/vlan"
    home = INTERFACE
    commands = Menu.commands - {"unset"}
    fields = (
        Field("name", default="vlan1"),
        Field("mtu", Number(68, 65535), default="1500"),
        state("l2mtu", "1578"),
        Field("mac-address", MAC, default="00:00:5E:00:53:20", readonly=True),
        Field("arp", Enum("enabled", "disabled", "proxy-arp", "reply-only"), default="enabled"),
        Field("vlan-id", Number(1, 4095), default="1"),
        Field("interface", Ref(INTERFACE), required=True),
        state("running", "true"),
        DISABLED,
        COMMENT,
    )

    def seed(self, router: RouterState) -> None:
        """Have none."""

    def fresh(self, router: RouterState) -> Values:
        """Be an interface of that type."""
        counters = dict.fromkeys(("rx-byte", "tx-byte", "rx-packet", "tx-packet"), "0")
        return {"type": "vlan", "actual-mtu": "1500", **counters, **super().fresh(router)}

    def rows(self, router: RouterState) -> Table:
        """Share the rows of all interfaces."""
        return _OfType(router.table(INTERFACE), "vlan")


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


def menus() -> list[Menu]:
    """Give this module's menus."""
    return [InterfaceMenu(), VlanMenu()]
