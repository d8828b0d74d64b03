"""`/ipv6/dhcp-server/binding`: static bindings that clients write, dynamic ones that DHCPv6 makes.

Fields: RR, MAN-B6, MANE. A client is its DUID and the IAID of one identity association; from 7.17
on the kind of that association counts, too. Nobody has recorded what RouterOS refuses here but an
invalid DUID: the other texts are those of leases with "binding" in them (assumed).
"""

from simulator import errors
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menus.binding_rows import BINDING, HELD, MAC, SERVER6, leases_beside, refresh
from simulator.menus.dhcp6 import (
    ADDRESSES_SINCE,
    POOL6,
    RENEW,
    Options6,
    reconfigure,
    send_reconfigure6,
)
from simulator.menus.held import HeldMenu
from simulator.menus.lease_effects import refresh_lease
from simulator.menus.made_rows import QUEUE
from simulator.rates import RATE_LIMIT
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values
from simulator.values import BOOL, TIME, Enum, Form, Number, Ref
from simulator.values6 import mac_in_duid, read_duid, read_prefix6

CLIENT = "_client"  # who holds it: a stored value that no field shows
_KEPT_S = 600  # a dynamic row that is no longer bound, for the same client (MAN-B6)
# what a binding has only while a client holds it
_ACTIVE = frozenset(
    {
        *(HELD, CLIENT, "_rate-limit", "_address-lists", "active-server", "client-address"),
        *("reconfigure-key", "reconfigure-last-sent", "reconfigure-status"),
    }
)
# a change of these makes a server that uses reconfigure let the device ask (MAN-S6)
_RECONFIGURES = frozenset(
    {"address", "prefix-pool", "life-time", "dhcp-option", "rate-limit", "address-lists"}
)


class BindingMenu(HeldMenu):
    """Bindings."""

    path = BINDING
    held = HELD
    servers = SERVER6
    word = "binding"
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
        kept = {name: value for name, value in old.items() if name not in _ACTIVE}
        table.update(row, {**kept, "status": "waiting"})
        if row.dynamic:
            table.expire_at(row, "expires-after", router.now() + _KEPT_S)
        self.follow(router, old, row)

    def follow(self, router: RouterState, before: Values | None, row: Row | None) -> None:
        """Keep route, address lists and queue in step, and what a lease makes beside."""
        after = None if row is None else row.values
        refresh(router, before, after)
        for values in (before, after):
            for lease in leases_beside(router, values) if values else ():
                refresh_lease(router, lease)

    def ends(self, values: Values) -> dict[str, bool]:
        """Say why a bound row may no longer be its client's."""
        return {
            "disabling": values["disabled"] == "true",
            "address_change": values["address"] not in ("", values.get(HELD)),
            "mac_change": client_of(values) != values.get(CLIENT),
        }

    def became_static(self, row: Row, values: Values) -> None:
        """Wait for good where no client holds it."""
        if HELD not in values:
            row.times.pop("expires-after", None)
            values["status"] = "waiting"

    def send_reconfigure(self, router: RouterState, row: Row) -> None:
        """Tell its client to renew."""
        send_reconfigure6(router, self.server_of(router, row), row, RENEW)

    def booted(self, router: RouterState, table: Table) -> None:
        """Keep dynamic rows, let static ones wait (assumed: as leases)."""
        for row in list(table.rows.values()):
            if not row.dynamic and HELD in row.values:
                self.let_go(router, row)

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Tell the device, too, where the server does so."""
        super().changed(router, before, row)
        if before is None or HELD not in before or HELD not in row.values:
            return
        if any(before.get(name) != row.values.get(name) for name in _RECONFIGURES):
            reconfigure(router, self.server_of(router, row), row, RENEW)

    def removed(self, router: RouterState, row: Row) -> None:
        """Take along what the binding made, at once whatever the switch `removal` says."""
        self.follow(router, row.values, None)

    # --- rules -----------------------------------------------------------------------------

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Keep client and address unique among static bindings, where the switch says so."""
        values[MAC] = mac_in_duid(values["duid"])
        refused = router.switches.double_binding == "refuse"
        if values.get("dynamic") == "true" or values["disabled"] == "true" or not refused:
            return
        table = self.rows(router)
        same_client = ("iaid", "ia-type")
        for other in self.statics(table.having("duid", values["duid"]), row, values["server"]):
            if all(other.values.get(n) == values.get(n) for n in same_client):
                raise RouterError(errors.DUPLICATE_BINDING_CLIENT)
        address = values["address"]
        if address and self.statics(table.having("address", address), row):
            raise RouterError(errors.DUPLICATE_BINDING_ADDRESS)


def client_of(values: Values) -> str:
    """Give the client that a binding is for: DUID, IAID, kind of association."""
    return f"{values['duid']} {values['iaid']} {values.get('ia-type', 'pd')}"


BINDINGS = BindingMenu()
MENUS = (BINDINGS,)
