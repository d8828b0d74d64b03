"""Checks that rows can be the answer to the print that was sent.

The API tags its answers; REST does not, and RouterOS 7.22.1 was seen to answer with another menu's
rows for seconds after a boot. Taken for an empty table, or for our rows, such an answer would
confirm services that were not written.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from librouteros.exceptions import ProtocolError

_ID: Final = frozenset({".id"})
_NOTHING: Final[frozenset[str]] = frozenset()
_SINGLE: Final[Mapping[str, frozenset[str]]] = {
    "/system/identity/print": frozenset({"name"}),
    "/system/resource/print": frozenset({"version"}),
    "/system/clock/print": frozenset({"time"}),
    # the number asked for is left out by a board that has none
    "/system/routerboard/print": _NOTHING,
    "/system/license/print": _NOTHING,
}
"""Menus with one row and no id: the fields it always has; without any, it may be missing."""

Row = Mapping[str, str]
_Test = Callable[[Row], bool]


def make_sure(command: Sequence[str], rows: Sequence[Row]) -> None:
    """Refuse rows that cannot answer a print.

    Each row must have an id, no field that was not asked for, and match the query. No rows at all
    may always be the answer.

    Raises:
        ProtocolError: they belong to another command.
    """
    menu, *words = command
    if not menu.endswith("/print"):
        return
    fields = next((w.removeprefix("=.proplist=") for w in words if w.startswith("=.proplist=")), "")
    asked = frozenset(fields.split(",")) if fields else None
    always = _SINGLE.get(menu, _ID if not asked or ".id" in asked else _NOTHING)
    if menu in _SINGLE and (len(rows) > 1 or (always and not rows)):
        raise ProtocolError(f"{len(rows)} rows came for {menu}, which has one")
    holds = _test([word[1:] for word in words if word.startswith("?")], asked) if rows else None
    for row in rows:
        if not always <= row.keys():
            raise ProtocolError(f"a row without {', '.join(always)} came for {menu}")
        if asked and not row.keys() <= asked and (more := _more(row, asked)):
            raise ProtocolError(f"a row with {more} came for {menu}, which was not asked for")
        if holds and not holds(row):
            raise ProtocolError(f"a row that was not asked for came for {menu}")


def _more(row: Row, asked: Collection[str]) -> str:
    """The fields that were not asked for; those with a dot belong to the protocol."""
    return ", ".join(name for name in row if name not in asked and not name.startswith("."))[:100]


def _test(query: Sequence[str], asked: Collection[str] | None) -> _Test | None:
    """The query as RouterOS evaluates it, for the words that we use; None: rows do not show it."""
    stack: list[tuple[dict[str, set[str]], list[_Test]]] = []  # any of these values, or tests
    for word in query:
        if not word.startswith("#"):
            name, _, value = word.removeprefix("=").partition("=")
            if asked and name not in asked:
                return None
            stack.append(({name: {value}}, []))
            continue
        for sign in word[1:]:
            (right, others), (left, tests) = stack.pop(), stack.pop()
            if sign == "|":  # of the many terms of one print, one look-up a field is left
                for name, values in right.items():
                    left.setdefault(name, set()).update(values)
                stack.append((left, tests + others))
            else:
                both = _any_of(left, tests), _any_of(right, others)
                stack.append(({}, [_all_of(both)]))
    return _all_of([_any_of(*terms) for terms in stack]) if stack else None


def _any_of(wanted: Mapping[str, Collection[str]], tests: Sequence[_Test]) -> _Test:
    def holds(row: Row) -> bool:
        for name, values in wanted.items():
            if row.get(name) in values:
                return True
        return any(test(row) for test in tests)

    return holds


def _all_of(tests: Sequence[_Test]) -> _Test:
    return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)
