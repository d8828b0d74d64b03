"""`/ip/dhcp-server/lease`: static leases that clients write, dynamic ones that DHCP makes.

Fields: RR, MAN-CLI. Rules: LAB 7.23.7 where nothing else is said.
"""

from collections.abc import Iterable

from simulator import errors
from simulator.command import Request, Result
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu
from simulator.menus.dhcp import OPTION, OPTION_SETS, SERVER
from simulator.menus.lease_effects import follow
from simulator.menus.lease_moments import end_kept, note_change, note_removal
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


class LeaseMenu(Menu):
    """Leases."""

    path = LEASE
    expires = "expires-after"
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

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Keep what the lease makes in other menus, and the log, in step."""
        ended = before is not None and note_change(router, before, row)
        follow(router, before, row)
        if ended:
            self.let_go(router, row)

    def removed(self, router: RouterState, row: Row) -> None:
        """Take along what the lease made."""
        note_removal(router, row)

    def printed(self, request: Request, rows: Iterable[Row]) -> Iterable[Row]:
        """`active` keeps only rows with a client (mktxp sends it)."""
        if "active" in request.arguments:
            return [row for row in rows if "active-address" in row.values]
        return rows

    # --- rules -----------------------------------------------------------------------------

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Keep MAC and address unique among static leases (LAB 7.23.7)."""
        values["blocked"] = values.get("block-access", "false")
        if values.get("dynamic") == "true":
            return
        table = router.table(LEASE)
        self._check_identity(router, values)
        mac, server = values["mac-address"], values["server"]
        if mac != ZERO_MAC and values["disabled"] == "false":
            for other in table.having("mac-address", mac):
                if other is row or other.dynamic or other.disabled:
                    continue
                theirs = other.values["server"]
                if server == theirs or "all" in (server, theirs):
                    raise RouterError(errors.DUPLICATE_CLIENT)
        self._check_option_82(router, table, row, values)
        self._check_address(router, table, row, values)

    @staticmethod
    def _check_option_82(
        router: RouterState, table: Table, row: Row | None, values: Values
    ) -> None:
        ids = [values.get(name, "") for name in OPTION_82]
        if (
            router.switches.double_option_82 == "allow"
            or not any(ids)
            or values["disabled"] != "false"
        ):
            return
        for other in table.having("agent-circuit-id", ids[0]):
            theirs = other.values["server"]
            if (
                other is row
                or other.dynamic
                or other.disabled
                or other.values[OPTION_82[1]] != ids[1]
            ):
                continue
            if values["server"] == theirs or "all" in (values["server"], theirs):
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

    def unsettable(self, router: RouterState) -> frozenset[str]:
        """Only these four (RR 7.21.5)."""
        four = frozenset(
            {"allow-dual-stack-queue", "insert-queue-before", "parent-queue", "queue-type"}
        )
        return four & router.schema.arguments(LEASE, "set")

    # --- commands --------------------------------------------------------------------------

    def do_make_static(self, request: Request) -> Result:
        """Turn dynamic rows static in place: same row, same address, still bound (MAN-SRV)."""
        router = request.router
        table = self.rows(router)
        for row in self.find(request, request.arguments.get("numbers")):
            if not row.dynamic:
                if router.switches.make_static_on_static == "refuse":
                    raise RouterError("failure: lease is not dynamic")  # words assumed
                continue
            values = {**row.values, "dynamic": "false"}
            self.check(router, row, values)
            before = self.view(router, row)
            row.times.pop("age", None)  # NTC: of dynamic rows alone
            table.update(row, values)
            request.wrote(before, self.view(router, row))
        return Result()

    def do_check_status(self, request: Request) -> Result:
        """Free dynamic leases in conflict: no device answers the probe here (HLP)."""
        table = self.rows(request.router)
        for row in self.find(request, request.arguments.get("numbers")):
            if row.dynamic and row.values["status"] in ("conflict", "declined", "busy"):
                table.delete(row)
        return Result()

    def do_send_reconfigure(self, request: Request) -> Result:
        """Tell devices to ask: only with a key, and a server that uses it (MAN-S; texts assumed).

        The values of `reconfigure-status` are assumed, too.
        """
        router, table = request.router, self.rows(request.router)
        rows = self.find(request, request.arguments.get("numbers"))
        for row in rows:
            server = router.table(SERVER).rows.get(row.values.get("active-server", ""))
            if server is None or server.values.get("use-reconfigure") != "true":
                raise RouterError("failure: server does not use reconfigure")
            if not row.values.get("reconfigure-key"):
                raise RouterError("failure: client does not support reconfigure")
        for row in rows:
            before = self.view(router, row)
            count = int(row.values.get("reconfigure-last-sent", "0")) + 1
            sent = {"reconfigure-last-sent": str(count), "reconfigure-status": "sent"}
            table.update(row, {**row.values, **sent})
            request.wrote(before, self.view(router, row))
            for send in router.reconfigure:
                send(row.values["active-mac-address"])
        return Result()


MENUS = (LeaseMenu(),)
