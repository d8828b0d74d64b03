"""Applies operations to rows in memory, as RouterOS would, and refuses what RouterOS refuses.

Who calls it: the properties of the planner, `leasewire plan`. Where it is not known what RouterOS
does (a static row on an address that another device's dynamic row holds), it refuses.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv6Network
from typing import TypeVar

from worker.core.rows.menus import BINDING, QUEUE
from worker.core.rows.operations import Add, MakeStatic, Move, Operation, Remove, Set
from worker.core.rows.queues import QueueRow
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ADDRESS_LISTS6,
    BINDINGS,
    NO_MAC,
    OPTIONS,
    QUEUES,
    BindingRow,
    Lease,
    ListedAddress,
    MenuPath,
    OptionRow,
    Row,
    is_host_address,
    parse_tag,
    scopes_meet,
)

_R = TypeVar("_R", bound=Row)


class OperationRefusedError(Exception):
    """RouterOS would say no; the message is its own, where it is known."""


class Tables:
    """The menus of one router that we write. `apply` changes them, or leaves them as they were."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        held = list(rows)
        self._leases = LeaseTable(row for row in held if isinstance(row, Lease))
        self._others: dict[MenuPath, _PlainTable] = {
            OPTIONS: _PlainTable(
                OptionRow, ("name",), "failure: option with such name already exists", held
            ),
            **{
                menu: _PlainTable(
                    ListedAddress,
                    ("list", "address"),
                    "failure: already have such entry",
                    [row for row in held if row.menu == menu],
                )
                for menu in (ADDRESS_LISTS, ADDRESS_LISTS6)
            },
            BINDINGS: _BindingTable(BindingRow, (), "", held),
            QUEUES: _QueueTable(QueueRow, ("name",), "failure: already have such name", held),
        }

    def rows(self) -> list[Row]:
        """All rows of all menus, in no certain order."""
        others = (row for table in self._others.values() for row in table.rows.values())
        return [*self._leases.rows(), *others]

    def apply(self, operation: Operation) -> None:
        """Do one operation.

        Raises:
            OperationRefusedError: with RouterOS's words.
        """
        other = self._others.get(operation.menu)
        if other is not None:
            other.apply(operation)
            return
        if not isinstance(operation, Remove | MakeStatic):
            named = set(operation.fields.get("dhcp-option", "").split(",")) - {""}
            options = self._others[OPTIONS].rows.values()
            if not named <= {row.fields["name"] for row in options}:
                raise OperationRefusedError("input does not match any value of dhcp-option")
        self._leases.apply(operation)


class _PlainTable:
    """The rows of a menu in which only some fields together must be of one row."""

    def __init__(
        self, kind: type[Row], unique: tuple[str, ...], message: str, rows: Iterable[Row]
    ) -> None:
        self.rows = {row.id: row for row in rows if isinstance(row, kind)}
        self._kind = kind
        self._unique = unique
        self._message = message
        self._next = max((int(each[1:], 16) for each in self.rows), default=0) + 1

    def apply(self, operation: Operation) -> None:
        match operation:
            case Add(fields=fields):
                self._put(_with(self._kind(f"*{self._next:X}", fields), fields))
                self._next += 1
            case Set(row_id=row_id, fields=fields) if row_id in self.rows:
                self._put(_with(self.rows[row_id], fields))
            case Remove(row_id=row_id) if row_id in self.rows:
                del self.rows[row_id]
            case MakeStatic():
                raise OperationRefusedError("no such command")
            case _:
                raise OperationRefusedError("no such item (4)")

    def _put(self, row: Row) -> None:
        for other in self.rows.values():
            if other.id != row.id and all(
                other.fields[name] == row.fields[name] for name in self._unique
            ):
                raise OperationRefusedError(self._message)
        self.rows[row.id] = row


class _BindingTable(_PlainTable):
    """Bindings. What RouterOS refuses is not known: two of a client, or overlapping prefixes."""

    def apply(self, operation: Operation) -> None:
        match operation:
            case Add(fields=fields):
                row = BindingRow(f"*{self._next:X}", dict(BINDING.defaults))
                self._put(_with(row, fields))
                self._next += 1
            case Set(row_id=row_id) if row_id in self.rows and self.rows[row_id].dynamic:
                raise OperationRefusedError("failure: can not change dynamic binding")
            case MakeStatic(row_id=row_id) if row_id in self.rows:
                self._put(replace(self.rows[row_id], dynamic=False))
            case _:
                super().apply(operation)

    def _put(self, row: Row) -> None:
        for other in self.rows.values():
            if other.id != row.id and _is_same_client(row, other):
                raise OperationRefusedError("a binding of this client is there")
            own = parse_tag(other.comment), parse_tag(row.comment)
            # an address may be in the prefix of the same service
            if other.id != row.id and own[0] != own[1] and _overlap(row, other):
                raise OperationRefusedError("the prefix overlaps that of another binding")
        self.rows[row.id] = row


class _QueueTable(_PlainTable):
    """Queues, which stand in order; those that the router makes for leases are left out."""

    def apply(self, operation: Operation) -> None:
        order = sorted(self.rows.values(), key=lambda row: row.place)  # type: ignore[attr-defined]
        ids = [row.id for row in order]
        match operation:
            case Add(fields=fields):
                before = fields.get("place-before", "")
                fields = {name: value for name, value in fields.items() if name != "place-before"}
                row = QueueRow(f"*{self._next:X}", dict(QUEUE.defaults))
                self._put(_with(row, fields))
                self._next += 1
                ids.insert(ids.index(before) if before else len(ids), row.id)
            case Move(row_id=row_id, before=before):
                ids.remove(row_id)
                ids.insert(ids.index(before) if before else len(ids), row_id)
            case _:
                super().apply(operation)
        self.rows = {
            row_id: replace(self.rows[row_id], place=place)
            for place, row_id in enumerate(row_id for row_id in ids if row_id in self.rows)
        }


class LeaseTable:
    """The lease table of one router. `apply` changes it, or raises and leaves it as it was."""

    def __init__(self, rows: Iterable[Lease] = ()) -> None:
        self._rows: dict[str, Lease] = {}
        self._by_key: dict[str, dict[str, Lease]] = {}
        self._next = 1
        for row in rows:
            self._put(row)
            self._next = max(self._next, int(row.id[1:], 16) + 1)

    def rows(self) -> list[Lease]:
        """All rows, in no certain order."""
        return list(self._rows.values())

    def apply(self, operation: Operation) -> None:
        """Do one operation.

        Raises:
            OperationRefusedError: with RouterOS's words.
        """
        match operation:
            case Add(fields=fields):
                self._replace(None, _with(Lease(f"*{self._next:X}", {}), fields))
                self._next += 1
            case Set(row_id=row_id, fields=fields):
                row = self._row(row_id)
                if row.dynamic:
                    raise OperationRefusedError("failure: can not change dynamic lease")
                self._replace(row, _with(row, fields))
            case MakeStatic(row_id=row_id):
                row = self._row(row_id)
                if not row.dynamic:
                    raise OperationRefusedError("the row is static already")
                self._replace(row, replace(row, dynamic=False))
            case Remove(row_id=row_id):
                self._take(self._row(row_id))

    def _row(self, row_id: str) -> Lease:
        if row_id not in self._rows:
            raise OperationRefusedError("no such item (4)")
        return self._rows[row_id]

    def _replace(self, old: Lease | None, new: Lease) -> None:
        for key in _keys(new):
            for other in self._by_key.get(key, {}).values():
                if old is None or other.id != old.id:
                    _refuse_beside(new, other)
        if old is not None:
            self._take(old)
        self._put(new)

    def _take(self, row: Lease) -> None:
        del self._rows[row.id]
        for key in _keys(row):
            del self._by_key[key][row.id]

    def _put(self, row: Lease) -> None:
        self._rows[row.id] = row
        for key in _keys(row):
            self._by_key.setdefault(key, {})[row.id] = row


def _is_same_client(row: Row, other: Row) -> bool:
    names = ("ia-type", "duid", "iaid")
    same = all(row.fields[name] == other.fields[name] for name in names)
    return same and scopes_meet(row.fields["server"], other.fields["server"])


def _overlap(row: Row, other: Row) -> bool:
    networks = [IPv6Network(binding.fields["address"]) for binding in (row, other)]
    return networks[0].overlaps(networks[1])


def _keys(row: Lease) -> list[str]:
    macs = [row.device] if row.device != NO_MAC and not row.disabled else []
    return [*macs, row.address] if is_host_address(row.address) else macs


def _refuse_beside(row: Lease, other: Lease) -> None:
    same_mac = row.device == other.device
    if other.dynamic:
        if not same_mac and row.address == other.address:
            raise OperationRefusedError("another device's dynamic lease holds the address")
        return
    if row.address == other.address and is_host_address(row.address):
        raise OperationRefusedError("failure: already have static lease with this IP address")
    if same_mac and scopes_meet(row.server, other.server):
        raise OperationRefusedError("failure: already have static lease for this client")


def _with(row: _R, fields: Mapping[str, str]) -> _R:
    comment = fields.get("comment", row.comment)
    others = {name: value for name, value in fields.items() if name != "comment"}
    return replace(row, fields={**row.fields, **others}, comment=comment)
