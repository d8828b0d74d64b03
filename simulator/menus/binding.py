"""`/ipv6/dhcp-server/binding`: static bindings that clients write, dynamic ones that DHCPv6 makes.

Fields: RR, MAN-B6, MANE. A client is its DUID and the IAID of one identity association; from 7.17
on the kind of that association counts, too. Nobody has recorded what RouterOS refuses here but an
invalid DUID: the other texts are those of leases with "binding" in them (assumed).
"""

from collections.abc import Iterable

from simulator import errors
from simulator.command import Request, Result
from simulator.errors import RouterError
from simulator.faults import AT_ONCE, AT_RENEWAL
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu
from simulator.menus.binding_rows import BINDING, HELD, MAC, SERVER6, leases_beside, refresh
from simulator.menus.dhcp6 import ADDRESSES_SINCE, POOL6, RENEW, Options6, reconfigure
from simulator.menus.lease_effects import refresh_lease
from simulator.menus.lease_moments import hold_back
from simulator.menus.made_rows import QUEUE
from simulator.rates import RATE_LIMIT
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import BOOL, TIME, Enum, Form, Number, Ref
from simulator.values6 import mac_in_duid, read_duid, read_prefix6

CLIENT = "_client"  # who holds it: a stored value that no field shows
KEPT_S = 600  # a dynamic row that is no longer bound, for the same client (MAN-B6)
# what a binding has only while a client holds it
ACTIVE = frozenset(
    {
        *(HELD, CLIENT, "_rate-limit", "_address-lists", "active-server", "client-address"),
        *("reconfigure-key", "reconfigure-last-sent", "reconfigure-status"),
    }
)
# a change of these makes a server that uses reconfigure let the device ask (MAN-S6)
_RECONFIGURES = frozenset(
    {"address", "prefix-pool", "life-time", "dhcp-option", "rate-limit", "address-lists"}
)


class BindingMenu(Menu):
    """Bindings."""

    path = BINDING
    expires = "expires-after"
    dynamic_refusal = errors.DYNAMIC_BINDING
    indexed = ("duid", "address", "comment", MAC, HELD)
    fields = (
        Field("address", Form(read_prefix6, ""), default=""),
        Field("duid", Form(read_duid), required=True),
        Field("iaid", Number(0, 0xFFFFFFFF), required=True),
        Field("ia-type", Enum("na", "pd"), default="pd", since=ADDRESSES_SINCE),
        Field("server", Ref(SERVER6, "all"), default="all"),
        Field("life-time", TIME, default="3d"),  # MANE; 1w in the manual of 2026
        Field("prefix-pool", Ref(POOL6, ""), hidden=""),
        Field("rate-limit", RATE_LIMIT, hidden=""),
        Field("address-lists", default=""),
        Field("dhcp-option", Options6(), default=""),
        Field("insert-queue-before", Ref(QUEUE, "first", "bottom")),
        Field("parent-queue", Ref(QUEUE, "none"), since=(7, 16)),
        Field("queue-type"),
        Field("allow-dual-stack-queue", BOOL),
        state("status", "waiting"),
        state("expires-after"),
        state("last-seen", "never"),
        Field("active-server", Ref(SERVER6), readonly=True),
        state("client-address"),
        state("reconfigure-key", since=ADDRESSES_SINCE),
        state("reconfigure-last-sent", since=ADDRESSES_SINCE),
        state("reconfigure-status", since=ADDRESSES_SINCE),
        state("radius", "false"),
        state("dynamic", "false"),
        state("invalid", "false"),
        DISABLED,
        COMMENT,
    )

    def expired(self, router: RouterState, table: Table, row: Row) -> None:
        """End what a client held; a dynamic row that waited or was offered goes."""
        if HELD in row.values:
            self.let_go(router, row)
        else:
            table.delete(row)

    def let_go(self, router: RouterState, row: Row) -> None:
        """Let a row wait: a static one for good, a dynamic one for a while (MAN-B6)."""
        table, old = router.table(BINDING), row.values
        row.times.pop("expires-after", None)
        kept = {name: value for name, value in old.items() if name not in ACTIVE}
        table.update(row, {**kept, "status": "waiting"})
        if row.dynamic:
            table.expire_at(row, "expires-after", router.now() + KEPT_S)
        self.follow(router, old, row)

    @staticmethod
    def follow(router: RouterState, before: Values | None, row: Row | None) -> None:
        """Make other menus match a binding that was bound, changed or let go."""
        after = None if row is None else row.values
        refresh(router, before, after)
        for values in (before, after):
            for lease in leases_beside(router, values) if values else ():
                refresh_lease(router, lease)

    def booted(self, router: RouterState, table: Table) -> None:
        """Keep dynamic rows, let static ones wait (assumed: as leases)."""
        for row in list(table.rows.values()):
            if not row.dynamic and HELD in row.values:
                self.let_go(router, row)

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Keep what the binding makes in step, and tell the device where the server does so."""
        if before is None or HELD not in before:
            return
        values = row.values
        hold_back(router, before, values)
        ended = _ends(values) - _ends(before)
        self.follow(router, before, row)
        if any(getattr(router.switches, name) == AT_ONCE for name in ended):
            self.let_go(router, row)
        elif any(before.get(name) != values.get(name) for name in _RECONFIGURES):
            server = router.table(SERVER6).rows.get(values["active-server"])
            reconfigure(router, server, row, RENEW)

    def removed(self, router: RouterState, row: Row) -> None:
        """Take along what the binding made, at once whatever the switch `removal` says."""
        self.follow(router, row.values, None)

    def printed(self, request: Request, rows: Iterable[Row]) -> Iterable[Row]:
        """`active` keeps only rows with a client (assumed: as for leases)."""
        return (
            [row for row in rows if HELD in row.values] if "active" in request.arguments else rows
        )

    # --- rules -----------------------------------------------------------------------------

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Keep client and address unique among static bindings, where the switch says so."""
        values[MAC] = mac_in_duid(values["duid"])
        refused = router.switches.double_binding == "refuse"
        if values.get("dynamic") == "true" or values["disabled"] == "true" or not refused:
            return
        table = self.rows(router)
        same_client = ("iaid", "ia-type")
        for other in _others(table.having("duid", values["duid"]), row):
            servers = {values["server"], other.values["server"]}
            shared = len(servers) == 1 or "all" in servers
            if shared and all(other.values.get(n) == values.get(n) for n in same_client):
                raise RouterError(errors.DUPLICATE_BINDING_CLIENT)
        address = values["address"]
        if address and _others(table.having("address", address), row):
            raise RouterError(errors.DUPLICATE_BINDING_ADDRESS)

    def unsettable(self, router: RouterState) -> frozenset[str]:
        """Only these four (RR 7.21.5)."""
        four = {"allow-dual-stack-queue", "insert-queue-before", "parent-queue", "queue-type"}
        return frozenset(four) & router.schema.arguments(BINDING, "set")

    # --- commands --------------------------------------------------------------------------

    def do_make_static(self, request: Request) -> Result:
        """Turn dynamic rows static in place: same row, same prefix, still bound."""
        router = request.router
        table = self.rows(router)
        for row in self.find(request, request.arguments.get("numbers")):
            if not row.dynamic:
                if router.switches.make_static_on_static == "refuse":
                    raise RouterError("failure: binding is not dynamic")  # words assumed
                continue
            values = {**row.values, "dynamic": "false"}
            self.check(router, row, values)
            before = self.view(router, row)
            if HELD not in values:
                row.times.pop("expires-after", None)
                values["status"] = "waiting"
            table.update(row, values)
            request.wrote(before, self.view(router, row))
        return Result()

    def do_send_reconfigure(self, request: Request) -> Result:
        """Tell devices to ask: only with a key, and a server that uses it (texts assumed)."""
        router = request.router
        rows = self.find(request, request.arguments.get("numbers"))
        for row in rows:
            server = router.table(SERVER6).rows.get(row.values.get("active-server", ""))
            if server is None or server.values.get("use-reconfigure") != "true":
                raise RouterError("failure: server does not use reconfigure")
            if not row.values.get("reconfigure-key"):
                raise RouterError("failure: client does not support reconfigure")
        for row in rows:
            before = self.view(router, row)
            server = router.table(SERVER6).rows.get(row.values["active-server"])
            reconfigure(router, server, row, RENEW)
            request.wrote(before, self.view(router, row))
        return Result()


def _others(rows: list[Row], row: Row | None) -> list[Row]:
    return [
        other for other in rows if other is not row and not other.dynamic and not other.disabled
    ]


def client_of(values: Values) -> str:
    """Give the client that a binding is for: DUID, IAID, kind of association."""
    return f"{values['duid']} {values['iaid']} {values.get('ia-type', 'pd')}"


def ends_at_request(router: RouterState, binding: Values) -> bool:
    """Say whether a bound row lets its client go when that asks."""
    return any(getattr(router.switches, name) == AT_RENEWAL for name in _ends(binding))


def _ends(binding: Values) -> set[str]:
    """Give the switches for why a bound row is no longer its client's."""
    reasons = {
        "disabling": binding["disabled"] == "true",
        "address_change": binding["address"] not in ("", binding.get(HELD)),
        "mac_change": client_of(binding) != binding.get(CLIENT),
    }
    return {name for name, holds in reasons.items() if holds}


MENUS = (BindingMenu(),)
