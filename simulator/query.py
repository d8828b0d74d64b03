"""Query words of `print`: a program for a stack machine with booleans.

It runs once over the table's indexes, with sets of rows for truths, so that a query of
many equal-or terms does not walk the table; where that stays unsure, it runs for each row
that is left.

Source: MAN-API, "Queries".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

from simulator.errors import RouterError
from simulator.state import Row, Table

View = Mapping[str, str]
Normalise = Callable[[str, str], str]


class PropertyTest(NamedTuple):
    """Pushes the result of a test of one property: operator `=`, `<`, `>`, `has` or `lacks`."""

    name: str
    operator: str
    value: str


class Copy(NamedTuple):
    """Pushes a copy of the truth this deep in the stack."""

    depth: int


class Keep(NamedTuple):
    """Leaves only the truth this deep in the stack."""

    depth: int


class Combine(NamedTuple):
    """`!`, `&` or `|` on the top of the stack."""

    sign: str


Step = PropertyTest | Copy | Keep | Combine


class Candidates(NamedTuple):
    """Rows for which an expression may be true; None: all. `exact`: it is true for each."""

    rows: dict[str, Row] | None
    exact: bool


_ALL = Candidates(None, exact=True)
_UNSURE = Candidates(None, exact=False)


def compile_query(words: Sequence[str], normalise: Normalise) -> list[Step]:
    """Turn query words (without their `?`) into steps.

    A value is taken in the form in which rows show it.

    Raises:
        RouterError: an operation word that cannot be read.
    """
    steps: list[Step] = []
    for word in words:
        if word.startswith("#"):
            steps.extend(_operations(word[1:]))
        else:
            steps.append(_term(word, normalise))
    return steps


def select(steps: Sequence[Step], table: Table, view_of: Callable[[Row], View]) -> Iterable[Row]:
    """Return the rows of the table that match the query, in the order of the table."""
    found = _over_table(steps, table)
    if found.rows is None:
        rows: Iterable[Row] = table.rows.values()
    elif len(found.rows) * 8 < len(table.rows):
        rows = sorted(found.rows.values(), key=lambda row: int(row.id[1:], 16))
    else:
        rows = [row for row in table.rows.values() if row.id in found.rows]
    return rows if found.exact else [row for row in rows if matches(steps, view_of(row))]


def matches(steps: Sequence[Step], view: View) -> bool:
    """Run the query for one row: it matches if no false is left on the stack."""
    stack: list[bool] = []

    def at(depth: int) -> bool:
        return stack[-1 - depth] if depth < len(stack) else True  # "infinite" trues below

    for step in steps:
        match step:
            case PropertyTest():
                stack.append(_test(step, view))
            case Copy(depth):
                stack.append(at(depth))
            case Keep(depth):
                stack[:] = [at(depth)]
            case Combine("!"):
                stack.append(not (stack.pop() if stack else True))
            case Combine(sign):
                right = stack.pop() if stack else True
                left = stack.pop() if stack else True
                stack.append(left and right if sign == "&" else left or right)
    return all(stack)


def _term(word: str, normalise: Normalise) -> PropertyTest:
    if word.startswith("-"):
        return PropertyTest(word[1:], "lacks", "")
    operator = "="
    if word[:1] in ("=", "<", ">"):
        operator, word = word[0], word[1:]
    name, equals, value = word.partition("=")
    return (
        PropertyTest(name, operator, normalise(name, value))
        if equals
        else PropertyTest(name, "has", "")
    )


def _operations(signs: str) -> Iterable[Step]:
    index = ""
    for sign in signs:
        if sign in "0123456789":
            index += sign
            continue
        if index:
            yield Copy(_depth(index))
        if sign in "!&|":
            yield Combine(sign)
        elif sign != ".":
            raise RouterError("invalid query", 1)  # words assumed
        elif not index:
            yield Copy(0)  # "." after an index does nothing
        index = ""
    if index:
        yield Keep(_depth(index))


def _depth(digits: str) -> int:
    return int(digits[:9])


def _test(term: PropertyTest, view: View) -> bool:
    held = view.get(term.name)
    if term.operator == "lacks":
        return held is None
    if held is None or term.operator == "has":
        return held is not None
    if term.operator == "=":
        return held == term.value
    less, more = _compare(held, term.value)
    return less if term.operator == "<" else more


def _compare(left: str, right: str) -> tuple[bool, bool]:
    """Say whether left is less, and whether it is more: as numbers, addresses or text."""
    for turn in (int, _address_number):
        try:
            mine, theirs = turn(left), turn(right)
        except ValueError:
            continue
        return mine < theirs, mine > theirs
    return left < right, left > right


def _address_number(text: str) -> int:
    return int(IPv4Address(text))


def _over_table(steps: Sequence[Step], table: Table) -> Candidates:
    stack: list[Candidates] = []

    def at(depth: int) -> Candidates:
        return stack[-1 - depth] if depth < len(stack) else _ALL

    def pop() -> Candidates:
        return stack.pop() if stack else _ALL

    for step in steps:
        match step:
            case PropertyTest():
                stack.append(_indexed(step, table))
            case Copy(depth):
                stack.append(at(depth))
            case Keep(depth):
                stack[:] = [at(depth)]
            case Combine("!"):
                pop()
                stack.append(_UNSURE)
            case Combine(sign):
                right, left = pop(), pop()
                stack.append(_both(left, right) if sign == "&" else _either(left, right))
    result = _ALL
    for found in stack:
        result = _both(result, found)
    return result


def _indexed(term: PropertyTest, table: Table) -> Candidates:
    if term.operator != "=":
        return _UNSURE
    if term.name == ".id":
        row = table.rows.get(term.value)
        return Candidates({} if row is None else {row.id: row}, exact=True)
    index = table.indexes.get(term.name)
    return _UNSURE if index is None else Candidates(index.get(term.value, {}), exact=True)


def _both(left: Candidates, right: Candidates) -> Candidates:
    if left.rows is None or right.rows is None:
        rows = right.rows if left.rows is None else left.rows
    else:
        small, large = sorted((left.rows, right.rows), key=len)
        rows = {key: row for key, row in small.items() if key in large}
    return Candidates(rows, left.exact and right.exact)


def _either(left: Candidates, right: Candidates) -> Candidates:
    if left.rows is None or right.rows is None:
        return _UNSURE
    return Candidates(left.rows | right.rows, left.exact and right.exact)
