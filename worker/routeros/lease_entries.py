"""Rows of the menus that we write, as words of the API and back: queries, rows, operations.

Who calls it: `session.py`. Knows the menus as data and no connection.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from librouteros.exceptions import ProtocolError

from worker.core.operations import Add, MakeStatic, Operation, Remove, Set
from worker.core.rows import ADDRESS_LISTS, OPTIONS, DhcpOption, Lease, ListedAddress, MenuPath, Row
from worker.ports import LeaseQuery, Term
from worker.routeros.connection import Command
from worker.routeros.menus import LEASE, MENUS, Menu

_FLAGS: Final = frozenset({"comment", "disabled", "dynamic", "radius"})
_YES: Final = frozenset({"true", "yes"})


def prints(query: LeaseQuery | None, terms_per_print: int) -> list[Command]:
    """The commands that together read all leases that match; see `row_prints`.

    Args:
        query: None is the whole table; an empty one needs no command.
        terms_per_print: most conditions of one command.
    """
    if query is None:
        return row_prints(LEASE.path, None, terms_per_print)
    terms = [
        *(Term("mac-address", mac) for mac in sorted(query.macs)),
        *(Term("address", address) for address in sorted(query.addresses)),
        *(Term("comment", comment) for comment in sorted(query.comments)),
    ]
    return row_prints(LEASE.path, terms, terms_per_print)


def row_prints(menu: MenuPath, terms: Sequence[Term] | None, terms_per_print: int) -> list[Command]:
    """The commands that together read all rows that match any term; one may come more than once.

    Args:
        menu: whose rows.
        terms: None is the whole table; an empty one needs no command.
        terms_per_print: most conditions of one command.
    """
    fields = ",".join((".id", *MENUS[menu].fields))
    all_rows = (f"{menu}/print", f"=.proplist={fields}")
    if terms is None:
        return [all_rows]
    words = [f"?={name}={value}" for name, value in terms]
    return [
        (*all_rows, *any_of(words[at : at + terms_per_print]))
        for at in range(0, len(words), terms_per_print)
    ]


def any_of(terms: list[str]) -> list[str]:
    """Words that match any of the terms.

    One "or" stands behind each term but the first, so that the router's stack stays two deep.
    """
    words = terms[:1]
    for term in terms[1:]:
        words += (term, "?#|")
    return words


def leases(rows: Iterable[Mapping[str, str]]) -> list[Lease]:
    """Leases as they came, each once.

    Raises:
        ProtocolError: a row without an id.
    """
    return list({row[".id"]: _lease(row) for row in map(_with_id, rows)}.values())


def rows_of(menu: MenuPath, rows: Iterable[Mapping[str, str]]) -> list[Row]:
    """Rows of any menu as they came, each once; see `leases`."""
    return list({row[".id"]: _row(menu, row) for row in map(_with_id, rows)}.values())


def _with_id(row: Mapping[str, str]) -> Mapping[str, str]:
    if ".id" not in row:
        raise ProtocolError("a row without .id")
    return row


def _row(menu: MenuPath, row: Mapping[str, str]) -> Row:
    if menu == OPTIONS:
        return DhcpOption(row[".id"], _fields(MENUS[menu], row), row.get("comment", ""))
    if menu == ADDRESS_LISTS:
        return ListedAddress(
            row[".id"],
            _fields(MENUS[menu], row),
            row.get("comment", ""),
            dynamic=row.get("dynamic") in _YES,
            disabled=row.get("disabled") in _YES,
        )
    return _lease(row)


def _lease(row: Mapping[str, str]) -> Lease:
    return Lease(
        row[".id"],
        _fields(LEASE, row),
        row.get("comment", ""),
        dynamic=row.get("dynamic") in _YES,
        disabled=row.get("disabled") in _YES,
        radius=row.get("radius") in _YES,
    )


def _fields(menu: Menu, row: Mapping[str, str]) -> dict[str, str]:
    return {
        name: field.normal(row[name]) if name in row else field.default
        for name, field in menu.fields.items()
        if name not in _FLAGS
    }


def command_for(operation: Operation) -> Command:
    """The sentence that carries one operation out."""
    menu = operation.menu
    match operation:
        case Add(fields=fields):
            return (f"{menu}/add", *_attributes(fields))
        case Set(row_id=row_id, fields=fields):
            return (f"{menu}/set", f"=.id={row_id}", *_attributes(fields))
        case MakeStatic(row_id=row_id):
            return (f"{menu}/make-static", f"=numbers={row_id}")
        case Remove(row_id=row_id):
            return (f"{menu}/remove", f"=.id={row_id}")


def _attributes(fields: Mapping[str, str]) -> list[str]:
    return [f"={name}={value}" for name, value in fields.items()]
