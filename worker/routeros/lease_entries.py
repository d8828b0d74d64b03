"""Static leases as words of the API and back: queries, rows, operations.

Who calls it: `session.py`. Knows the menu `/ip/dhcp-server/lease` and no connection.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from librouteros.exceptions import ProtocolError

from worker.core.operations import Add, MakeStatic, Operation, Remove, Set
from worker.core.rows import Lease
from worker.ports import LeaseQuery
from worker.routeros.connection import Command
from worker.routeros.menus import LEASE

_FLAGS: Final = frozenset({"comment", "disabled", "dynamic", "radius"})
_FIELDS: Final = tuple(field for field in LEASE.fields.values() if field.name not in _FLAGS)
_PRINT: Final = (
    f"{LEASE.path}/print",
    "=.proplist=" + ",".join((".id", *LEASE.fields)),
)


def prints(query: LeaseQuery | None, terms_per_print: int) -> list[Command]:
    """The commands that together read all rows that match; a row may come more than once.

    Args:
        query: None is the whole table; an empty one needs no command.
        terms_per_print: most conditions of one command.
    """
    if query is None:
        return [_PRINT]
    terms = [
        *(f"?=mac-address={mac}" for mac in sorted(query.macs)),
        *(f"?=address={address}" for address in sorted(query.addresses)),
        *(f"?=comment={comment}" for comment in sorted(query.comments)),
    ]
    return [
        (*_PRINT, *any_of(terms[at : at + terms_per_print]))
        for at in range(0, len(terms), terms_per_print)
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
    """Rows as they came, each once.

    Raises:
        ProtocolError: a row without an id.
    """
    return list({lease.id: lease for lease in map(_lease, rows)}.values())


def _lease(row: Mapping[str, str]) -> Lease:
    if ".id" not in row:
        raise ProtocolError("a row without .id")
    return Lease(
        id=row[".id"],
        fields={
            field.name: field.normal(row[field.name]) if field.name in row else field.default
            for field in _FIELDS
        },
        comment=row.get("comment", ""),
        dynamic=row.get("dynamic") in {"true", "yes"},
        disabled=row.get("disabled") in {"true", "yes"},
        radius=row.get("radius") in {"true", "yes"},
    )


def command_for(operation: Operation) -> Command:
    """The sentence that carries one operation out."""
    match operation:
        case Add(fields=fields):
            return (f"{LEASE.path}/add", *_attributes(fields))
        case Set(row_id=row_id, fields=fields):
            return (f"{LEASE.path}/set", f"=.id={row_id}", *_attributes(fields))
        case MakeStatic(row_id=row_id):
            return (f"{LEASE.path}/make-static", f"=numbers={row_id}")
        case Remove(row_id=row_id):
            return (f"{LEASE.path}/remove", f"=.id={row_id}")


def _attributes(fields: Mapping[str, str]) -> list[str]:
    return [f"={name}={value}" for name, value in fields.items()]
