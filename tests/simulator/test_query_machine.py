from hypothesis import given
from hypothesis import strategies as st

from simulator.query import compile_query, matches, select
from simulator.state import Table

VALUES = st.sampled_from(["1", "2", "3", "10"])
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=8)
TERMS = st.one_of(
    st.builds(
        "{}{}={}".format, st.sampled_from(["", "=", "<", ">"]), st.sampled_from("abc"), VALUES
    ),
    st.sampled_from(["a", "-a", "b", "-c", ".id=*1", ".id=*3"]),
)
OPERATIONS = st.text("01!&|.", min_size=1, max_size=5).map(lambda signs: f"#{signs}")
QUERIES = st.lists(st.one_of(TERMS, OPERATIONS), max_size=12)


@given(ROWS, QUERIES)
def test_indexes_never_change_what_a_query_selects(rows, words):
    table = Table(indexed=("a", "b"))
    for values in rows:
        table.insert(values)

    def view_of(row):
        return {".id": row.id, **row.values}

    steps = compile_query(words, lambda _, value: value)
    selected = [row.id for row in select(steps, table, view_of)]
    assert selected == [row.id for row in table.rows.values() if matches(steps, view_of(row))]


def check(words, view):
    return matches(compile_query(words, lambda _, value: value), view)


def test_the_manuals_operators():
    view = {"type": "ether", "mtu": "1500", "name": "ether1"}
    assert check(["type=ether", "type=vlan", "#|!"], view) is False
    assert check(["type=ether", "type=vlan", "#|"], view) is True
    assert check([">mtu=999"], view) is True  # as numbers, not as text
    assert check(["<mtu=200"], view) is False
    assert check(["-comment"], view) is True
    assert check(["comment"], view) is False
    assert check(["=name=ether1"], view) is True
    assert check(["type=vlan", "type=ether", "#0"], view) is True  # keep only the top
    assert check(["type=vlan", "type=ether", "#1"], view) is False
    assert check(["type=vlan", "#.!&"], view) is False  # a copy, turned, and both
    assert check(["type=ether", "#0.&"], view) is True  # "." after an index does nothing


def test_a_query_of_many_terms_and_copies_ends():
    words = ["a=1", "#" + ".!&" * 2000]
    assert check(words, {"a": "1"}) is False


def test_a_query_by_indexed_values_reads_no_other_rows():
    table = Table(indexed=("a",))
    for n in range(5_000):
        table.insert({"a": str(n), "b": "1"})
    looked_at = []

    def view_of(row):
        looked_at.append(row.id)
        return row.values

    words = [f"a={n}" for n in range(200)] + ["#" + "|" * 199, "b=1", "#&"]
    steps = compile_query(words, lambda _, value: value)
    assert len(list(select(steps, table, view_of))) == 200
    assert len(looked_at) == 200
