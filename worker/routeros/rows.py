"""Rows of the menus that we write, as words of the API and back: queries, rows, operations.

Knows the menus as data and no connection.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from worker.core.rows.menus import LEASE, MENUS, Menu
from worker.core.rows.operations import Add, MakeStatic, Operation, Remove, Set
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    OPTIONS,
    DhcpOption,
    Lease,
    ListedAddress,
    MenuPath,
    Row,
)
from worker.ports import LeaseQuery, Term
from worker.routeros.connection import Command

_ASKED: Final = ("mac-address", "address", "comment")
_YES: Final = frozenset({"true", "yes"})


def prints(query: LeaseQuery | None, terms_per_print: int) -> list[Command]:
    """The commands that together read all leases that match; see `row_prints`.

    Args:
        query: None is the whole table; an empty one needs no command.
        terms_per_print: most conditions of one command.
    """
    return menu_prints(LEASE, lease_terms(query), terms_per_print)


def lease_terms(query: LeaseQuery | None) -> list[Term] | None:
    """A query as conditions on one field each; None is the whole table."""
    if query is None:
        return None
    return [
        Term(name, value)
        for together in zip_longest(query.macs, query.addresses, query.comments)
        for name, value in zip(_ASKED, together, strict=True)
        if value is not None
    ]


def row_prints(menu: MenuPath, terms: Sequence[Term] | None, terms_per_print: int) -> list[Command]:
    """The commands that together read all rows that match any term; one may come more than once.

    Args:
        menu: whose rows.
        terms: None is the whole table; an empty one needs no command.
        terms_per_print: most conditions of one command.
    """
    return menu_prints(MENUS[menu], terms, terms_per_print)


def menu_prints(menu: Menu, terms: Sequence[Term] | None, terms_per_print: int) -> list[Command]:
    """See `row_prints`."""
    fields = ",".join((".id", *menu.fields))
    all_rows = (f"{menu.path}/print", f"=.proplist={fields}")
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
    """Leases as they came, each once."""
    return [_lease(row) for row in each_once(rows)]


def rows_of(menu: MenuPath, rows: Iterable[Mapping[str, str]]) -> list[Row]:
    """Rows of any menu as they came, each once; see `leases`."""
    return [_row(menu, row) for row in each_once(rows)]


def each_once(rows: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Rows by id, the latest of each."""
    return list({row[".id"]: row for row in rows}.values())


def _row(menu: MenuPath, row: Mapping[str, str]) -> Row:
    if menu == OPTIONS:
        return DhcpOption(row[".id"], values_of(MENUS[menu], row), row.get("comment", ""))
    if menu == ADDRESS_LISTS:
        return ListedAddress(
            row[".id"],
            values_of(MENUS[menu], row),
            row.get("comment", ""),
            dynamic=row.get("dynamic") in _YES,
            disabled=row.get("disabled") in _YES,
        )
    return _lease(row)


def _lease(row: Mapping[str, str]) -> Lease:
    return Lease(
        row[".id"],
        values_of(LEASE, row),
        row.get("comment", ""),
        dynamic=row.get("dynamic") in _YES,
        disabled=row.get("disabled") in _YES,
        radius=row.get("radius") in _YES,
    )


def values_of(menu: Menu, row: Mapping[str, str]) -> dict[str, str]:
    """The fields of a row in normal form, but for its comment and its flags."""
    values = dict(menu.defaults)
    for name, value in row.items():
        if name in values:
            values[name] = menu.fields[name].normal(value)
    return values


def command_for(operation: Operation, path: str = "") -> Command:
    """The sentence that carries one operation out.

    Args:
        operation: what is to be done.
        path: of another menu than the operation's own.
    """
    menu = path or operation.menu
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
