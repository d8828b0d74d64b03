"""Entries of `/ip/mac-server/entry`, as words of the API and back, in the form of leases.

No RouterOS release has it; what is known of it is the guide that this project started from. An
entry meets every DHCP server and serves its device, so as a lease its server is `all` and its
`block-access` `no`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from worker.core.rows import normal
from worker.core.rows.menus import Field, Menu
from worker.core.rows.operations import Add, Operation
from worker.core.rows.rows import ANY_SERVER, LEASES, Lease
from worker.ports import LeaseQuery
from worker.routeros.connection import Command
from worker.routeros.rows import (
    command_for,
    each_once,
    lease_terms,
    menu_prints,
    values_of,
)

_GUIDE: Final = "the guide that this project started from"

MAC_ENTRY: Final = Menu.of(
    "/ip/mac-server/entry",
    Field("mac-address", normal.mac, "00:00:00:00:00:00", _GUIDE),
    Field("address", normal.text, "0.0.0.0", _GUIDE),  # noqa: S104 - nothing listens
    # in the order in which a device is to ask them
    Field("dns-server", normal.text, "", _GUIDE),
    Field("comment", normal.text, "", _GUIDE),
)

PROBE: Final[Command] = (
    f"{MAC_ENTRY.path}/print",
    "=.proplist=.id",
    "?mac-address=00:00:00:00:00:00",
)
"""Answered, with no row, by a router that has the menu; with a trap by every other."""


def entry_prints(query: LeaseQuery | None, terms_per_print: int) -> list[Command]:
    """The commands that together read all entries that match; see `rows.prints`."""
    return menu_prints(MAC_ENTRY, lease_terms(query), terms_per_print)


def mac_entries(rows: Iterable[Mapping[str, str]]) -> list[Lease]:
    """Entries as they came, each once, as leases."""
    return [_as_lease(row) for row in each_once(rows)]


def _as_lease(row: Mapping[str, str]) -> Lease:
    fields = {"server": ANY_SERVER, "block-access": "no", **values_of(MAC_ENTRY, row)}
    return Lease(row[".id"], fields, row.get("comment", ""))


def entry_command(operation: Operation) -> Command:
    """The sentence that carries one operation out; other menus than the leases stay themselves."""
    if operation.menu != LEASES:
        return command_for(operation)
    if isinstance(operation, Add):
        known = {n: value for n, value in operation.fields.items() if n in MAC_ENTRY.fields}
        operation = replace(operation, fields=known)
    return command_for(operation, MAC_ENTRY.path)
