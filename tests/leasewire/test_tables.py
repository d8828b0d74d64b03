"""A table never breaks an identifier, whatever the width of the terminal."""

import ast
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasewire import answer
from leasewire.answer import Layout, cell
from leasewire.tables import TextTable, layout

COMMANDS = Path(answer.__file__).parent
IDENTIFIERS = st.one_of(
    st.from_regex(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}", fullmatch=True),
    st.from_regex(r"(198|203)\.51\.100\.[0-9]{1,3}", fullmatch=True),
    st.uuids().map(str),
    st.from_regex(r"urn:[a-z]{1,20}:[a-z0-9-]{1,40}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_.@-]{1,70}", fullmatch=True),
    st.from_regex(r"[a-zñöß漢字]{1,30}", fullmatch=True),
)
CELLS = st.one_of(
    IDENTIFIERS,
    st.lists(IDENTIFIERS, min_size=2, max_size=12).map(" is held by service ".join),
    st.lists(IDENTIFIERS, max_size=3),
    st.just("2026-11-29T10:00:00.000Z"),
    st.none(),
    st.integers(),
)


@cache
def columns_of_commands():
    """The columns of every table in the source: a literal second argument, or a name."""
    found = set()
    for path in COMMANDS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if text.count(", ") > 1 and all(
                    part.partition("=")[0].removeprefix("+").replace(" ", "").isalpha()
                    and len(part) < 40
                    for part in text.split(", ")
                ):
                    found.add(text)
    return sorted(found)


COLUMNS = st.deferred(lambda: st.sampled_from(columns_of_commands()))
"""Found when a test runs: each process of pytest would look for them when it collects."""


def test_the_tables_of_all_commands_are_found():
    assert len(columns_of_commands()) > 25
    assert any(column.startswith("router, claim") for column in columns_of_commands())


@given(COLUMNS, st.data(), st.integers(60, 200), st.booleans())
def test_every_identifier_stands_whole_in_a_line(columns, data, width, header):
    names = [column.strip().rpartition("=")[2].removeprefix("+") for column in columns.split(",")]
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, CELLS)), max_size=4))
    for wide in (False, True):
        table = TextTable(rows, columns)
        lines = list(table.lines(cell, width, wide=wide, header=header))
        words = " ".join(lines).split()
        shown = [
            column.rpartition("=")[2].strip().removeprefix("+")
            for column in columns.split(",")
            if wide or not column.strip().startswith("+")
        ]
        for row in rows:
            for name in shown:
                for word in cell(row[name]).split():
                    assert word in words, (word, lines)


@given(st.data(), st.integers(60, 200))
def test_lines_are_no_wider_than_the_terminal_but_for_a_word_that_is(data, width):
    short = st.text("abc", min_size=1, max_size=10)
    prose = st.lists(short, min_size=3, max_size=40).map(" ".join)
    rows = data.draw(st.lists(st.tuples(short, prose, short), min_size=1, max_size=4))
    assert all(len(line) <= width for line in layout(("A", "B", "C"), rows, width))


def test_a_narrow_terminal_gets_one_record_below_the_other_without_empty_fields():
    row = {"id": "a" * 40, "event": "b" * 40, "gone": None, "detail": "it was refused by all"}
    lines = list(TextTable([row, row], "id, event, gone, detail").lines(cell, 60))
    assert lines[0] == f"id      {'a' * 40}"
    assert "" in lines
    assert not any(line.startswith("gone") for line in lines)


def test_empty_columns_go_and_a_table_without_rows_is_a_sentence():
    table = TextTable([{"a": "1", "b": ""}], "a, b", "Nothing.")
    assert list(table.lines(cell)) == ["A", "1"]
    assert list(table.lines(cell, header=False)) == ["1"]
    for rows in ([], [{"a": None, "b": ""}]):
        assert list(TextTable(rows, "a, b", "Nothing.").lines(cell)) == ["Nothing."]


@pytest.mark.parametrize("output", get_args(Layout))
def test_an_answer_is_printed_as_asked(output, capsys):
    rows = [{"a": "1", "b": "2"}]
    answer.write(answer.Answer(rows, [TextTable(rows, "a, +b")]), output)
    out = capsys.readouterr().out
    assert ("B" in out.splitlines()[0]) == (output == "wide")
    assert out.startswith("[") == (output == "json")


def test_a_value_with_parts_is_shown_in_one_line():
    ipv6 = {"prefix": {"mode": "static", "ipv6": "2001:db8::/56"}, "address": None}
    assert cell(ipv6) == "prefix=(mode=static ipv6=2001:db8::/56)"
    assert cell({"mode": "static", "ipv4": "198.51.100.10"}) == "mode=static ipv4=198.51.100.10"
    assert [cell(empty) for empty in (None, "", [], {}, ())] == [""] * 5
