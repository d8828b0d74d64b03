"""What leases and bindings have in common: a device holds such a row for a while."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from simulator.command import Request, Result
from simulator.errors import RouterError
from simulator.faults import AT_ONCE, KEPT
from simulator.menu import Menu
from simulator.menus.made_rows import acting
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values


class HeldMenu(Menu, ABC):
    """Rows of which a server makes dynamic ones, and clients write static ones.

    Attributes:
        held: what a row has only while a device holds it.
        servers: path of the menu of servers.
        word: for such a row, in refusals.
    """

    expires = "expires-after"
    held: str
    servers: str
    word: str

    # --- what subclasses say -----------------------------------------------------------------

    @abstractmethod
    def follow(self, router: RouterState, before: Values | None, row: Row | None) -> None:
        """Make other menus match a row that was bound, changed or let go."""

    @abstractmethod
    def let_go(self, router: RouterState, row: Row) -> None:
        """End what a device holds."""

    @abstractmethod
    def ends(self, values: Values) -> dict[str, bool]:
        """Say by the names of switches why a bound row may no longer be its device's."""

    @abstractmethod
    def became_static(self, row: Row, values: Values) -> None:
        """Drop from a row, and from its new values, what only dynamic ones have."""

    @abstractmethod
    def send_reconfigure(self, router: RouterState, row: Row) -> None:
        """Tell the device of a row to ask again."""

    # --- rules -------------------------------------------------------------------------------

    @staticmethod
    def statics(rows: Iterable[Row], row: Row | None, server: str = "all") -> list[Row]:
        """Give the static rows that are on and of this server, but for one; `all` is each."""
        return [
            other
            for other in rows
            if other is not row
            and not other.dynamic
            and not other.disabled
            and (server == other.values["server"] or "all" in (server, other.values["server"]))
        ]

    def ends_at(self, moment: str, router: RouterState, values: Values) -> set[str]:
        """Give the reasons why a bound row ends that act at a moment, by switch."""
        return {
            name
            for name, holds in self.ends(values).items()
            if holds and getattr(router.switches, name) == moment
        }

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Keep what the row makes in step, and let its device go where a change ends it at once."""
        ended = False
        if before is not None and self.held in before:
            hold_back(router, before, row.values)
            reasons = self.ends_at(AT_ONCE, router, row.values)
            ended = bool(reasons - self.ends_at(AT_ONCE, router, before))
        self.follow(router, before, row)
        if ended:
            self.let_go(router, row)

    def unsettable(self, router: RouterState) -> frozenset[str]:
        """Only these four (RR 7.21.5)."""
        four = {"allow-dual-stack-queue", "insert-queue-before", "parent-queue", "queue-type"}
        return frozenset(four) & router.schema.arguments(self.path, "set")

    # --- commands ----------------------------------------------------------------------------

    def printed(self, request: Request, rows: Iterable[Row]) -> Iterable[Row]:
        """`active` keeps only rows with a device (mktxp sends it; of bindings assumed)."""
        if "active" in request.arguments:
            return [row for row in rows if self.held in row.values]
        return rows

    def do_make_static(self, request: Request) -> Result:
        """Turn dynamic rows static in place: same row, same address, still bound (MAN-SRV)."""
        router, table = request.router, self.rows(request.router)
        for row in self.find(request, request.arguments.get("numbers")):
            if not row.dynamic:
                if router.switches.make_static_on_static == "refuse":
                    raise RouterError(f"failure: {self.word} is not dynamic")  # words assumed
                continue
            values = {**row.values, "dynamic": "false"}
            self.check(router, row, values)
            before = self.view(router, row)
            self.became_static(row, values)
            table.update(row, values)
            request.wrote(before, self.view(router, row))
        return Result()

    def do_send_reconfigure(self, request: Request) -> Result:
        """Tell devices to ask: with a key, and a server that does so (MAN-S; texts assumed)."""
        router, table = request.router, self.rows(request.router)
        rows = self.find(request, request.arguments.get("numbers"))
        for row in rows:
            if not uses_reconfigure(self.server_of(router, row)):
                raise RouterError("failure: server does not use reconfigure")
            if not row.values.get("reconfigure-key"):
                raise RouterError("failure: client does not support reconfigure")
        for row in rows:
            before = self.view(router, row)
            note_reconfigure(table, row)
            request.wrote(before, self.view(router, row))
            self.send_reconfigure(router, row)
        return Result()

    def server_of(self, router: RouterState, row: Row) -> Row | None:
        """Give the server that a device holds a row of."""
        return router.table(self.servers).rows.get(row.values.get("active-server", ""))


def uses_reconfigure(server: Row | None) -> bool:
    """Say whether a server may tell its devices to ask again."""
    return server is not None and server.values.get("use-reconfigure") == "true"


def note_reconfigure(table: Table, row: Row) -> None:
    """Count a message to a device (the values of `reconfigure-status` are assumed)."""
    count = int(row.values.get("reconfigure-last-sent", "0")) + 1
    sent = {"reconfigure-last-sent": str(count), "reconfigure-status": "sent"}
    table.update(row, {**row.values, **sent})


# --- when another rate, or other lists, act at a bound device --------------------------------
# By switch, for nobody has seen it: `at-once`; `at-renewal`, when the device asks next; or
# `kept-until-expiry` of its lease, whatever it asks. Documented is one case, which has no switch: a
# rate where none was acts at once (MAN-SRV).

_RATE, _LISTS = "rate-limit", "address-lists"


def hold_back(router: RouterState, before: Values, values: Values) -> None:
    """Keep in changed values what goes on acting at the bound device: its rate, its lists."""
    for name in (_RATE, _LISTS):
        old, new = acting(before, name), values.get(name, "")
        values.pop(f"_{name}", None)
        if old != new and _moment(router, name, old, new) != AT_ONCE:
            values[f"_{name}"] = old


def let_act(router: RouterState, values: Values, *, goes_on: bool) -> None:
    """Drop from a device's values what waited for its request; all of it for another device."""
    for name in (_RATE, _LISTS):
        old = values.pop(f"_{name}", None)
        if old is not None and goes_on:
            moment = _moment(router, name, old, values.get(name, ""))
            if moment == KEPT:
                values[f"_{name}"] = old


def _moment(router: RouterState, name: str, old: str, new: str) -> str:
    switches = router.switches
    if name == _LISTS:
        return switches.lists_change
    if not old:
        return AT_ONCE
    return switches.rate_change if new else switches.rate_clear
