"""Rows that the router makes in other menus for a device that holds a lease or a binding.

They are found again by a mark: who holds what, at the time when they were made.
"""

from collections.abc import Iterable

from simulator.router_state import RouterState
from simulator.state import Values

MARK = "_lease"  # a stored value that no field shows
PLACE = "_place"  # likewise: before which queue, `first` or `bottom`
QUEUE = "/queue/simple"
_LISTS = frozenset({"/ip/firewall/address-list", "/ipv6/firewall/address-list"})

Made = tuple[str, Values]  # path of the menu, and values of the row


def keep_in_step(
    router: RouterState, paths: Iterable[str], mark: str | None, wanted: list[Made]
) -> None:
    """Take away what was made under a mark and is no longer wanted, and make what is wanted.

    Without a mark nothing was made before. Each wanted row has its `MARK`.
    """
    for path in paths if mark is not None else ():
        table = router.table(path)
        for row in table.having(MARK, str(mark)):
            kept = (
                menu == path and values.items() <= row.values.items() for menu, values in wanted
            )
            if not any(kept):
                table.delete(row)
    for path, values in wanted:
        _make(router, path, values)


def _make(router: RouterState, path: str, values: Values) -> None:
    table, menu = router.table(path), router.menus[path]
    if any(values.items() <= row.values.items() for row in table.having(MARK, values[MARK])):
        return
    if path in _LISTS and any(
        row.values["list"] == values["list"] and not row.disabled
        for row in table.having("address", values["address"])
    ):
        return  # there by somebody's hand
    first = next(iter(table.rows.values()), None)
    row = table.insert({**menu.fresh(router), **values, "dynamic": "true"})
    place = values.get(PLACE, "bottom")
    before = first if place == "first" else table.rows.get(place)
    if before is not None:
        table.move(row, before)


def acting(values: Values, name: str) -> str:
    """Give what acts at the bound device, where that is not yet what the row says."""
    return values.get(f"_{name}", values.get(name, ""))


def list_rows(path: str, values: Values, server: Values, address: str, mark: str) -> list[Made]:
    """Give the rows of the address lists that a lease or binding names, and its server."""
    lists = f"{acting(values, 'address-lists')},{server.get('address-lists', '')}"
    return [
        (path, {"list": name, "address": address, MARK: mark})
        for name in dict.fromkeys(lists.split(","))
        if name
    ]


def queue_place(values: Values, server: Values) -> Values:
    """Give what a lease or binding, else its server, says of the queue (MAN: first by default)."""
    parent = values.get("parent-queue") or server.get("parent-queue", "none")
    place = values.get("insert-queue-before") or server.get("insert-queue-before", "first")
    kind = values.get("queue-type")
    types = {} if not kind else {"queue": kind if "/" in kind else f"{kind}/{kind}"}
    return {"parent": parent, PLACE: place, **types}
