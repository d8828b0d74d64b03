"""Whether rows can be what a print asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librouteros.exceptions import ProtocolError

from simulator.query import compile_query, matches
from tests.routeros.peers import LEASE
from worker.core.entry.wanted import DEFAULT_KIND
from worker.core.rows.menus import ADDRESS_LIST
from worker.ports import FieldEquals, LeaseQuery
from worker.routeros.commands import Reply
from worker.routeros.connection import make_sure
from worker.routeros.holders import observing_commands, watching_commands
from worker.routeros.rows import entry_prints, menu_prints

(ALL,) = entry_prints(DEFAULT_KIND, None, 10)
ID = {".id": "*1"}
USER = {**ID, "name": "admin", "group": "full", "disabled": "false"}
CLOCK = ("/system/clock/print",)
WHO = ("/system/identity/print", "=.proplist=name")
BOARD = ("/system/routerboard/print", "=.proplist=serial-number")
USED = ("/ip/pool/used/print", "=.proplist=pool")


@pytest.mark.parametrize(
    ("command", "rows"),
    [
        (ALL, []),
        (ALL, [{**ID, "address": "198.51.100.1", ".about": "in conflict"}]),
        (WHO, [{"name": "R1"}]),
        (BOARD, [{}]),
        (BOARD, []),
        (CLOCK, [{"date": "2026-11-29", "time": "10:00:00"}]),
        (USED, [{"pool": "p"}, {"pool": "p"}]),
        (("/user/print",), [USER]),
        ((f"{LEASE}/add", "=comment=x"), [{"anything": "goes"}]),
    ],
)
def test_these_can(command, rows):
    make_sure(command, Reply(rows))


@pytest.mark.parametrize(
    ("command", "rows", "words"),
    [
        (ALL, [{"address": "198.51.100.1"}], "without .id"),
        (ALL, [USER], "a row with name, group"),
        (("/user/print",), [{"name": "admin"}], "without .id"),
        (WHO, [], "0 rows"),
        (WHO, [{"name": "a"}, {"name": "b"}], "2 rows"),
        (WHO, [{}], "without name"),
        (WHO, [USER], "a row with group, disabled"),
        (CLOCK, [USER], "without time"),
        (BOARD, [{"version": "7.22.1"}], "a row with version"),
    ],
)
def test_these_cannot(command, rows, words):
    with pytest.raises(ProtocolError, match=words):
        make_sure(command, Reply(rows))


VALUES = {
    "mac-address": ["00:00:5E:00:53:01", "00:00:5E:00:53:02"],
    "active-mac-address": ["00:00:5E:00:53:01", "00:00:5E:00:53:02"],
    "address": ["198.51.100.1", "198.51.100.2"],
    "active-address": ["198.51.100.1", "198.51.100.2"],
    "comment": ["a=b", "ü"],
    "list": ["a", "b"],
    "dynamic": ["true", "yes", "false"],
    "block-access": ["true", "yes", "no"],
    "status": ["bound", "waiting"],
}
some = {name: st.frozensets(st.sampled_from(values)) for name, values in VALUES.items()}
queries = st.builds(
    LeaseQuery, devices=some["mac-address"], addresses=some["address"], comments=some["comment"]
)
terms = st.lists(
    st.one_of(
        *(
            st.builds(FieldEquals, st.just(n), st.sampled_from(VALUES[n]))
            for n in ("list", "address")
        )
    ),
    max_size=5,
)
commands = st.one_of(
    queries.map(lambda query: entry_prints(DEFAULT_KIND, query, 3)),
    queries.map(observing_commands),
    terms.map(lambda them: menu_prints(ADDRESS_LIST, them, 3)),
    st.just(watching_commands()),
)
rows = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
)


@given(commands=commands, row=rows)
def test_a_row_passes_if_and_only_if_the_router_would_give_it(commands, row):
    """By the simulator's own machine for queries, which knows nothing of ours."""
    for command in commands:
        words = [word[1:].removeprefix("=") for word in command if word.startswith("?")]
        fields = next(word[11:].split(",") for word in command if word.startswith("=.proplist="))
        given = {name: value for name, value in row.items() if name in fields} | ID
        given = {name: value for name, value in given.items() if name in fields}
        steps = compile_query(words, lambda _, value: value)
        try:
            make_sure(command, Reply([given]))
        except ProtocolError:
            assert not matches(steps, given)
        else:
            assert matches(steps, given)
