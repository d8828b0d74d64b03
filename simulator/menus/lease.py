"""`/ip/dhcp-server/lease`: static leases that clients write, dynamic ones that DHCP makes.

Fields: RR, MAN-CLI. Rules: LAB 7.23.7 where nothing else is said.
"""

from simulator import errors
from simulator.command import Request, Result
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menus.dhcp import OPTION, OPTION_SETS, SERVER
from simulator.menus.held import HeldMenu
from simulator.menus.lease_effects import end_kept, follow, note_removal
from simulator.menus.made_rows import QUEUE
from simulator.rates import RATE_LIMIT
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import (
    BOOL,
    MAC,
    ZERO_IP,
    ZERO_MAC,
    Form,
    IpOrPool,
    Names,
    Ref,
    RefList,
    read_time,
)

LEASE = "/ip/dhcp-server/lease"
OPTION_82 = ("agent-circuit-id", "agent-remote-id")
# what a lease has only while a client holds it (LAB: absent, not empty)
ACTIVE = (
    "active-address",
    "active-mac-address",
    "active-client-id",
    "active-server",
    "host-name",
    "src-mac-address",
    "reconfigure-key",
    "reconfigure-last-sent",
    "reconfigure-status",
)


class _OptionSet(Ref):
    """An option set; an empty value takes it away (routeros-facts §2.5, believed)."""

    def parse(self, text: str, name: str, names: Names, /) -> str:
        """Accept a name that is there, `none`, or nothing."""
        return super().parse(text or "none", name, names)


def _agent_id(text: str) -> str:
    """Read an id of option 82 in hex (ispadmin); `0x` before it, and the refusal, are assumed."""
    return bytes.fromhex(text.removeprefix("0x")).hex()


class LeaseMenu(HeldMenu):
    """Leases."""

    path = LEASE
    held = "active-address"
    servers = SERVER
    word = "lease"
    dynamic_refusal = errors.DYNAMIC_LEASE  # FN 7.24.4
    indexed = (
        *("mac-address", "address", "active-address", "comment"),
        *("agent-circuit-id", "agent-remote-id"),
    )
    fields = (
        Field("address", IpOrPool(ZERO_IP), default=ZERO_IP),
        Field("mac-address", MAC, default=ZERO_MAC, hidden=ZERO_MAC),
        Field("client-id", default="", hidden=""),
        Field("address-lists", default=""),
        Field("server", Ref(SERVER, "all"), default="all", hidden="all"),  # LAB: absent on read
        Field("lease-time", Form(read_time, ""), hidden=""),
        Field("use-src-mac", BOOL, hidden="false"),
        Field("block-access", BOOL, hidden="false"),
        Field("always-broadcast", BOOL, hidden="false"),
        Field("rate-limit", RATE_LIMIT, hidden=""),
        Field("routes", hidden=""),
        Field("dhcp-option", RefList(OPTION), default=""),
        Field("dhcp-option-set", _OptionSet(OPTION_SETS, "none"), hidden="none"),
        Field("insert-queue-before", Ref(QUEUE, "first", "bottom")),
        Field("parent-queue", Ref(QUEUE, "none")),
        Field("queue-type"),
        Field("allow-dual-stack-queue", BOOL),
        Field("agent-circuit-id", Form(_agent_id), default="", since=(7, 21)),
        Field("agent-remote-id", Form(_agent_id), default="", since=(7, 21)),
        state("active-agent-circuit-id", "", since=(7, 21)),
        state("active-agent-remote-id", "", since=(7, 21)),
        state("status", "waiting"),
        state("expires-after"),
        state("last-seen", "never"),
        state("age"),
        state("active-address"),
        Field("active-mac-address", readonly=True),
        state("active-client-id"),
        Field("active-server", Ref(SERVER), readonly=True),
        state("host-name"),
        state("class-id", since=(7, 16)),
        state("src-mac-address"),
        state("reconfigure-key", since=(7, 19)),
        state("reconfigure-last-sent", since=(7, 19)),
        state("reconfigure-status", since=(7, 19)),
        state("blocked", "false"),
        state("radius", "false"),
        DISABLED,
        state("dynamic", "false"),
        COMMENT,
    )

    def build(self, router: RouterState, row: Row) -> Values:
        """Show `*FFFFFFFF` as active server once the server is gone (LAB)."""
        view = super().build(router, row)
        if "*" in (view.get("server", "")[:1], view.get("active-server", "")[:1]):
            view["active-server"] = "*FFFFFFFF"
        return view

    def expired(self, router: RouterState, table: Table, row: Row) -> None:
        """Remove a dynamic row, free a static one (MAN-SRV)."""
        self.let_go(router, row)

    def rows(self, router: RouterState) -> Table:
        """Give the leases; what removed ones left ends in time."""
        if router.kept_leases:
            end_kept(router)
        return super().rows(router)

    def let_go(self, router: RouterState, row: Row) -> None:
        """End a client's lease: a dynamic row goes, a static row waits again."""
        table = router.table(LEASE)
        if row.dynamic:
            table.delete(row)
            follow(router, row.values, None)
            return
        row.times.pop("expires-after", None)
        old = row.values
        kept = {name: value for name, value in old.items() if name not in ACTIVE}
        ids = dict.fromkeys(kept.keys() & {f"active-{name}" for name in OPTION_82}, "")
        table.update(row, {**kept, **ids, "status": "waiting"})
        follow(router, old, row)

    def booted(self, router: RouterState, table: Table) -> None:
        """Keep dynamic rows (a clean shutdown stores them, HLP), let static ones wait."""
        for kept in router.kept_leases.values():
            follow(router, kept.values, None)
        router.kept_leases.clear()
        for row in list(table.rows.values()):
            if not row.dynamic and row.values["status"] != "waiting":
                self.let_go(router, row)

    def follow(self, router: RouterState, before: Values | None, row: Row | None) -> None:
        """Keep address lists, queue, ARP and log in step."""
        follow(router, before, row)

    def ends(self, values: Values) -> dict[str, bool]:
        """Say why a bound row may no longer be its device's."""
        address, mac = values["address"], values["mac-address"]
        return {
            "block_access": values.get("block-access") == "true",
            "disabling": values["disabled"] == "true",
            "address_change": address[:1].isdigit()
            and address not in (ZERO_IP, values.get("active-address")),
            "mac_change": mac not in (ZERO_MAC, values.get("active-mac-address")),
        }

    def became_static(self, row: Row, values: Values) -> None:
        """Have no age (NTC: of dynamic rows alone)."""
        row.times.pop("age", None)

    def send_reconfigure(self, router: RouterState, row: Row) -> None:
        """Tell those who may have the MAC."""
        for send in router.reconfigure:
            send(row.values["active-mac-address"])

    def removed(self, router: RouterState, row: Row) -> None:
        """Take along what the lease made."""
        note_removal(router, row)

    # --- rules -----------------------------------------------------------------------------

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Keep MAC and address unique among static leases (LAB 7.23.7)."""
        values["blocked"] = values.get("block-access", "false")
        if values.get("dynamic") == "true":
            return
        table = router.table(LEASE)
        self._check_identity(router, values)
        mac = values["mac-address"]
        exclusive = mac != ZERO_MAC and values["disabled"] == "false"
        if exclusive and self.statics(table.having("mac-address", mac), row, values["server"]):
            raise RouterError(errors.DUPLICATE_CLIENT)
        self._check_option_82(router, table, row, values)
        self._check_address(router, table, row, values)

    def _check_option_82(
        self, router: RouterState, table: Table, row: Row | None, values: Values
    ) -> None:
        circuit, remote = values.get(OPTION_82[0], ""), values.get(OPTION_82[1], "")
        allowed = router.switches.double_option_82 == "allow" or values["disabled"] != "false"
        if allowed or not (circuit or remote):
            return
        alike = table.having("agent-circuit-id", circuit)
        rivals = self.statics(alike, row, values["server"])
        if any(other.values[OPTION_82[1]] == remote for other in rivals):
            raise RouterError(errors.DUPLICATE_CLIENT)  # text assumed

    @staticmethod
    def _check_identity(router: RouterState, values: Values) -> None:
        if router.switches.lease_without_client == "allow":
            return
        ids = any(values.get(name) for name in OPTION_82)
        if values["mac-address"] == ZERO_MAC and not values["client-id"] and not ids:
            raise errors.missing("mac-address")

    @staticmethod
    def _check_address(router: RouterState, table: Table, row: Row | None, values: Values) -> None:
        address, switches = values["address"], router.switches
        if address == ZERO_IP and not switches.zero_address_unique:
            return
        if not address[0].isdigit():
            return  # a pool's name
        for other in table.having("address", address):
            if other is row:
                continue
            if other.dynamic:
                refused = switches.static_on_dynamic_address == "refuse"
                refused &= other.values["mac-address"] != values["mac-address"]
            else:
                refused = switches.disabled_address_unique or "true" not in (
                    other.values["disabled"],
                    values["disabled"],
                )
            if refused:
                raise RouterError(errors.DUPLICATE_ADDRESS)

    # --- commands --------------------------------------------------------------------------

    def do_check_status(self, request: Request) -> Result:
        """Free dynamic leases in conflict: no device answers the probe here (HLP)."""
        table = self.rows(request.router)
        for row in self.find(request, request.arguments.get("numbers")):
            if row.dynamic and row.values["status"] in ("conflict", "declined", "busy"):
                table.delete(row)
        return Result()


LEASES = LeaseMenu()
MENUS = (LEASES,)
