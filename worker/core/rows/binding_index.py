"""The IPv6 bindings of one read, found by service, by client, by prefix and by device.

Every list is in the order of the row ids, so that a plan does not depend on the order of the read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from worker.core.rows.bindings import OwnBinding, mac_in_duid, mac_in_link_local
from worker.core.rows.prefixes import PrefixMap, network_of
from worker.core.rows.rows import BindingRow, scopes_meet

_Client = tuple[str, str]
BOUND: Final = "bound"
"""Status of a row that a client holds now."""


class BindingIndex:
    """Bindings by what they hold and who asks for them.

    The rows are in the order of their ids.
    """

    def __init__(self, rows: Sequence[BindingRow]) -> None:
        self.rows = rows
        self._clients: dict[_Client, list[BindingRow]] = defaultdict(list)
        self._duids: dict[str, list[BindingRow]] = defaultdict(list)
        self._devices: dict[str, list[BindingRow]] = defaultdict(list)
        self._doubtful: dict[str, list[BindingRow]] = defaultdict(list)
        self._prefixes = PrefixMap(
            (prefix, row) for row in rows if (prefix := network_of(row.address)) is not None
        )
        for row in rows:
            self._clients[row.client].append(row)
            if row.dynamic and not row.radius:
                self._duids[row.client[0]].append(row)
                self._add_device(row)

    def _add_device(self, row: BindingRow) -> None:
        in_duid = mac_in_duid(row.client[0])
        on_link = mac_on_link(row)
        if on_link or in_duid:
            self._devices[on_link or in_duid].append(row)
        if on_link and in_duid and in_duid != on_link:
            self._doubtful[in_duid].append(row)

    def overlapping(self, address: str) -> Iterator[BindingRow]:
        """The rows, static and dynamic, with a prefix that has addresses of this one."""
        prefix = network_of(address)
        return iter(()) if prefix is None else self._prefixes.overlapping(prefix)

    def of_client(self, binding: OwnBinding) -> list[BindingRow]:
        """The rows, static and dynamic, that hold the client of a binding."""
        return [row for row in self._clients.get(binding.client, ()) if _fits(row, binding)]

    def asking(self, binding: OwnBinding) -> list[BindingRow]:
        """The dynamic rows of the device that a binding is for, maybe of several clients."""
        rows = (
            self._duids.get(binding.duid, ())
            if binding.duid
            else self._devices.get(binding.mac, ())
        )
        return [row for row in rows if _fits(row, binding)]

    def doubtful(self, binding: OwnBinding) -> list[BindingRow]:
        """Dynamic rows with the device's MAC in their DUID, but with another MAC on the link."""
        rows = () if binding.duid else self._doubtful.get(binding.mac, ())
        return [row for row in rows if _fits(row, binding)]


def mac_on_link(row: BindingRow) -> str:
    """Return the MAC address that answers for the client of a row; empty: not known."""
    return row.client_mac or mac_in_link_local(row.client_address)


def clients_of(rows: Iterable[BindingRow]) -> list[BindingRow]:
    """Return a row for each client; one that is bound wins over those that are not."""
    rows = list(rows)
    found: dict[_Client, BindingRow] = {}
    for row in [row for row in rows if row.status == BOUND] or rows:
        found.setdefault(row.client, row)
    return list(found.values())


def _fits(row: BindingRow, binding: OwnBinding) -> bool:
    return (
        row.ia == binding.ia
        and scopes_meet(row.server, binding.server)
        and binding.iaid in ("", row.client[1])
    )
