"""Each problem of an event stands beside the field that has it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from contracts.parse import pointer
from gateway.console.failed.event_lines import MOST_LINES, event_lines

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab/~é", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


def pointers(value, path=()):
    yield pointer(*path)
    children = ()
    if isinstance(value, dict | list):
        children = value.items() if isinstance(value, dict) else enumerate(value)
    for step, child in children:
        yield from pointers(child, (*path, step))


@given(st.dictionaries(st.text("ab/~", max_size=2), JSON, max_size=4))
def test_lines_are_the_event_and_each_problem_is_at_its_place(event):
    places = list(dict.fromkeys(pointers(event)))
    lines = event_lines(event, [{"pointer": place, "message": "is wrong"} for place in places])
    assert json.loads("\n".join(line.text for line in lines)) == event
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    said = [problem for line in lines for problem in line.problems]
    assert sorted(said) == sorted(f"{place or 'The event'} is wrong" for place in places)
    for line in lines:
        for problem in line.problems:
            name = problem.removesuffix(" is wrong").rpartition("/")[2]
            name = name.replace("~1", "/").replace("~0", "~")
            assert line.number == 1 or name.isdecimal() or json.dumps(name) in line.text


def test_what_is_missing_stands_at_the_object_that_should_have_it():
    event = {"id": "1", "data": {"service": {"plan": None}}}
    problem = {"pointer": "/data/service/device/mac", "message": "is missing"}
    (line,) = [line for line in event_lines(event, [problem]) if line.problems]
    assert line.text == '    "service": {'
    assert line.problems == ("/data/service/device/mac is missing",)


def test_a_large_event_is_shown_around_its_problems():
    event = {"data": {f"f{n}": n for n in range(3000)}, "x": "y" * 9000}
    problems = [{"pointer": f"/data/f{n}", "message": "is wrong"} for n in (1500, 2900)]
    lines = event_lines(event, problems)
    assert len(lines) <= MOST_LINES + 20
    assert [line.text.strip() for line in lines if line.problems] == [
        '"f1500": 1500,',
        '"f2900": 2900,',
    ]
    assert [line.number for line in lines].count(0) == 3
    assert max(len(line.text) for line in event_lines(event | {"data": 1}, [])) < 200


def test_what_is_no_json_is_shown_as_it_is():
    lines = event_lines("{\n \u202e<b>", [{"pointer": "", "message": "is not JSON"}])
    assert [line.text for line in lines] == ["{", " \\u202e<b>"]
    assert lines[0].problems == ("The event is not JSON",)
    assert event_lines("", []) == []


def test_a_deep_event_is_cut():
    deep = {}
    for _ in range(900):
        deep = {"a": deep}
    assert "…" in event_lines(deep, [])[41].text
