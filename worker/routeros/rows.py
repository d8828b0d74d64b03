"""Rows as the API speaks of them: prints that read them, and the commands that write them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

from contracts.sealing import Login, Sealer, SealError
from worker.core.entry.entry import EntryKind
from worker.core.rows.menus import MENUS, Menu, version_of
from worker.core.rows.normal import YES, seconds
from worker.core.rows.operations import Add, MakeStatic, Move, Operation, Remove, Set
from worker.core.rows.queues import QueueRow
from worker.core.rows.rows import (
    BINDINGS,
    LEASES,
    OPTIONS,
    QUEUES,
    BindingRow,
    Lease,
    ListedAddress,
    MenuPath,
    OptionRow,
    Row,
    device_of,
)
from worker.ports import FieldEquals, LeaseQuery, Refusal
from worker.routeros.commands import COUNTS, Command

_READ_ONLY: Final[Mapping[str, Sequence[str]]] = {
    BINDINGS: ("status", "client-address", "last-seen", "expires-after"),
}
"""What says which client a binding has; never written, and never compared."""
_IA_TYPE: Final = "ia-type"
_SHOWN: Final = ("=show-sensitive=",)
_SHOWN_SINCE: Final = (7, 21)
"""From then on `print` has this argument (restraml's trees)."""


def entry_prints(
    kind: EntryKind,
    query: LeaseQuery | None,
    terms_per_print: int,
    version: str = "",
    *,
    counts: bool = False,
) -> list[Command]:
    """Return the prints that read all entries which match; see `menu_prints`.

    It may have more rows than match. With `counts` the rows of a whole table that is read in place
    of a part are counted first.
    """
    shown = _SHOWN if kind.secrets and version_of(version) >= _SHOWN_SINCE else ()
    if query is None or (query.addresses and not kind.finds_by_address):
        (command,) = menu_prints(kind.menu, None, terms_per_print)
        count = [(f"{kind.menu.path}/print", COUNTS)] if counts and query is not None else []
        return [*count, (*command, *shown)]
    fields = [
        kind.own_fields({name: value}) if name else kind.named_by(value)
        for together in zip_longest(query.devices, query.addresses, query.comments)
        for name, value in zip(("", "address", "comment"), together, strict=True)
        if value is not None
    ]
    prints = _prints(kind.menu, [all_of(each) for each in fields], terms_per_print)
    return [(*command[:2], *shown, *command[2:]) for command in prints]


def menu_prints(
    menu: Menu, terms: Sequence[FieldEquals] | None, terms_per_print: int
) -> list[Command]:
    """Return the prints that read all rows which match any term; a row may come more than once.

    Without a query (None) they read the whole table; without any term there is no print.
    """
    words = None if terms is None else [all_of({name: value}) for name, value in terms]
    return _prints(menu, words, terms_per_print)


def _prints(
    menu: Menu, terms: Sequence[Sequence[str]] | None, terms_per_print: int
) -> list[Command]:
    fields = ",".join((".id", *menu.fields, *_READ_ONLY.get(menu.path, ())))
    if terms is None:
        return [(f"{menu.path}/print", f"=.proplist={fields}")]
    return searches(menu.path, fields, terms, terms_per_print)


def all_of(fields: Mapping[str, str]) -> Sequence[str]:
    """Return words that match rows with all of these values."""
    first, *others = (f"?={name}={value}" for name, value in fields.items())
    return [first, *(word for other in others for word in (other, "?#&"))]


def any_of(terms: Sequence[str | Sequence[str]]) -> list[str]:
    """Return words that match any of the terms, each of one or of more words.

    One "or" stands behind each term but the first, so that the router's stack stays two deep, or
    three where terms have more words.
    """
    words: list[str] = []
    for number, term in enumerate(terms):
        words += (term,) if isinstance(term, str) else term
        words += ("?#|",) if number else ()
    return words


def searches(
    menu: str, fields: str, terms: Sequence[str | Sequence[str]], most: int, only: Command = ()
) -> list[Command]:
    """Return the prints of all rows that match any term; a row may come more than once.

    Each row must match `only` too. Without terms there is no print.
    """
    return [
        (f"{menu}/print", f"=.proplist={fields}", *any_of(terms[at : at + most]), *only)
        for at in range(0, len(terms), most)
    ]


def reconfigure_prints(macs: Collection[str], terms_per_print: int) -> list[Command]:
    """Return the prints of static leases with these MACs and a key for reconfigure messages.

    The key itself is a secret, and is not asked for.
    """
    words = [f"?=mac-address={mac}" for mac in sorted(macs)]
    only = ("?=dynamic=false", "?#&", "?>reconfigure-key=", "?#&")
    return searches(LEASES, ".id,mac-address,comment", words, terms_per_print, only)


def entry_rows(
    kind: EntryKind, answers: Iterable[Mapping[str, str]], sealer: Sealer | None = None
) -> list[Lease]:
    """Return the entries of an answer in lease form, each once.

    `sealer` seals the secrets of kinds that have some.
    """
    rows = []
    for answer in _each_once(answers):
        fields = kind.as_lease(values_of(kind.menu, answer))
        disabled = answer.get("disabled") in YES
        if sealer is not None:
            logins = {name: Login(device_of(fields), fields[name]) for name in kind.secrets}
            fields = {**fields, **{name: sealer.seal(login) for name, login in logins.items()}}
        if kind.blocks_by_disabling:
            fields, disabled = {**fields, "block-access": "yes" if disabled else "no"}, False
        rows.append(
            Lease(
                answer[".id"],
                fields,
                answer.get("comment", ""),
                dynamic=answer.get("dynamic") in YES,
                disabled=disabled,
                radius=answer.get("radius") in YES,
            )
        )
    return rows


def menu_rows(
    menu: MenuPath, answers: Iterable[Mapping[str, str]], *, whole: bool = False
) -> list[Row]:
    """Return the rows of a menu beside the entries, each once.

    The answers are in the order of the router. With `whole` they are all rows of the menu, so that
    the place of each is known.
    """
    return [
        _row(menu, answer, place if whole else -1)
        for place, answer in enumerate(_each_once(answers))
    ]


def _each_once(answers: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """By id, the latest of each."""
    return list({answer[".id"]: answer for answer in answers}.values())


def _row(menu: MenuPath, answer: Mapping[str, str], place: int) -> Row:
    values, comment = values_of(MENUS[menu], answer), answer.get("comment", "")
    if menu == OPTIONS:
        return OptionRow(answer[".id"], values, comment)
    dynamic, disabled = (answer.get(flag) in YES for flag in ("dynamic", "disabled"))
    if menu == BINDINGS:
        return BindingRow(
            answer[".id"],
            values,
            comment,
            dynamic,
            disabled,
            status=answer.get("status", ""),
            client_address=answer.get("client-address", "").lower(),
            last_seen_s=seconds(answer.get("last-seen", "")),
            expires_in_s=seconds(answer.get("expires-after", "")),
            radius=answer.get("radius") in YES,
        )
    if menu == QUEUES:
        return QueueRow(answer[".id"], values, comment, dynamic, disabled, place)
    return ListedAddress(answer[".id"], values, comment, dynamic, disabled)


def values_of(menu: Menu, answer: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a row in normal form, without its comment and its flags."""
    values = dict(menu.defaults)
    for name, value in answer.items():
        if name in values:
            values[name] = menu.fields[name].normal(value)
    return values


def renewed(kind: EntryKind, fields: Mapping[str, str], sealer: Sealer) -> Mapping[str, str]:
    """Return fields with their secrets sealed by the first key."""
    secrets = kind.secrets & fields.keys()
    return {**fields, **{name: sealer.renew(fields[name]) for name in secrets}}


def commands_for(
    operations: Sequence[Operation], kind: EntryKind, version: str, sealer: Sealer | None
) -> list[Command | Refusal]:
    """Return the command that carries each operation out; or why its secret cannot be opened."""
    found: list[Command | Refusal] = []
    for operation in operations:
        try:
            found.append(command_for(operation, kind, version, sealer))
        except SealError as error:
            advice = "put the key back, or send the password again"
            found.append(Refusal("refused", f"{error}: {advice}"))
    return found


def command_for(
    operation: Operation, kind: EntryKind, version: str = "", sealer: Sealer | None = None
) -> Command:
    """Return the command that carries one operation out.

    It is in lease form where its menu is that of the leases.

    Raises:
        SealError: one cannot be opened.
    """
    if sealer is not None and operation.menu == LEASES and isinstance(operation, Add | Set):
        opened = {
            name: sealer.open(operation.fields[name]).password
            for name in kind.secrets & operation.fields.keys()
            if operation.fields[name]
        }
        operation = replace(operation, fields={**operation.fields, **opened})
    is_entry = operation.menu == LEASES
    menu = kind.menu.path if is_entry else operation.menu
    match operation:
        case Add(fields=fields):
            own = kind.own_fields(fields) if is_entry else _stated(operation.menu, fields, version)
            return (f"{menu}/add", *attributes(own))
        case Set(row_id=row_id, fields=fields):
            own = kind.own_fields(fields) if is_entry else fields
            return (f"{menu}/set", f"=.id={row_id}", *attributes(own))
        case MakeStatic(row_id=row_id):
            return (f"{menu}/make-static", f"=numbers={row_id}")
        case Move(row_id=row_id, before=before):
            place = (f"=destination={before}",) if before else ()
            return (f"{menu}/move", f"=numbers={row_id}", *place)
        case Remove(row_id=row_id):
            return (f"{menu}/remove", f"=.id={row_id}")


def _stated(menu: MenuPath, fields: Mapping[str, str], version: str) -> Mapping[str, str]:
    """The fields of a new row, with the kind of a binding where the version asks for it.

    No source says what a binding is that states no kind.
    """
    if menu != BINDINGS or _IA_TYPE in fields:
        return fields
    field = MENUS[menu].fields[_IA_TYPE]
    return {**fields, _IA_TYPE: field.default} if version_of(version) >= field.since else fields


def attributes(fields: Mapping[str, str]) -> list[str]:
    """Return words that give these fields values."""
    return [f"={name}={value}" for name, value in fields.items()]
