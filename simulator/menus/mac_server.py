"""`/ip/mac-server` as the guide that this project started from describes it.

No RouterOS has such a menu (RR: not in any tree from 7.9 to 7.24); it is there only with
`--with-mac-server`, for those who expect it.
"""

from simulator.command import Request
from simulator.errors import missing
from simulator.fields import COMMENT, Field
from simulator.menu import Menu
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.values import BOOL, IP, IPS, MAC

# the guide's words
DUPLICATE_MAC = "could not add item - item with such MAC address already exists"


class _GuideMenu(Menu):
    guide_rest = True
    first_id = 0  # the guide's

    def exists(self, router: RouterState) -> bool:
        return router.options.with_mac_server


class MacServerMenu(_GuideMenu):
    """One row, `*0`, that switches the rest on."""

    path = "/ip/mac-server"
    commands = frozenset({"print", "get", "set"})
    fields = (Field("enabled", BOOL, default="true"),)

    def seed(self, router: RouterState) -> None:
        """Have the one row."""
        self.rows(router).insert(self.fresh(router))

    def find(self, request: Request, ids: str | None) -> list[Row]:
        """Give the one row, whatever was asked for."""
        return list(self.rows(request.router).rows.values())

    def build(self, router: RouterState, row: Row) -> Values:
        """Show the id last, as the guide does."""
        view = super().build(router, row)
        return {"enabled": view["enabled"], ".id": view[".id"]}


class EntryMenu(_GuideMenu):
    """MAC entries: one a MAC."""

    path = "/ip/mac-server/entry"
    unique = ("mac-address",)
    double = DUPLICATE_MAC
    indexed = ("mac-address", "address", "comment")
    fields = (
        Field("mac-address", MAC, required=True),
        Field("address", IP, required=True),
        Field("dns-server", IPS, hidden=""),
        COMMENT,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse to have no MAC, too."""
        if not values.get("mac-address"):
            raise missing("mac-address")
        super().check(router, row, values)


MENUS = (MacServerMenu(), EntryMenu())
