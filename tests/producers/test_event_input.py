import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.event_input import BrokenText, EventText, find_events

ONE = '{"id": "a", "data": {"x": [1, "]}"]}}'


def test_one_object_may_stand_on_many_lines():
    text = "\n" + json.dumps(json.loads(ONE), indent=2) + "\n"
    assert find_events(text) == [EventText(2, text)]


def test_lines_are_events_each_and_empty_ones_are_none():
    assert find_events(f"{ONE}\n\n  {ONE} \r\n") == [EventText(1, ONE), EventText(3, f"  {ONE} ")]


def test_a_broken_line_spoils_no_other():
    assert [found.line for found in find_events(f"{ONE}\n{{broken\n{ONE}")] == [1, 2, 3]


def test_items_of_an_array_keep_their_own_text():
    twice = '{"a": 1, "a": 2}'
    text = f"[\n{ONE},\n\n {twice} , 5]\n"
    found = [(item.line, item.text) for item in find_events(text)]
    assert found == [(2, ONE), (4, twice), (4, "5")]


DOCUMENTS = st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text()), max_size=3)


@given(st.lists(DOCUMENTS, min_size=1), st.sampled_from([None, 1]), st.booleans())
def test_what_was_written_as_an_array_is_found_again(documents, indent, ascii_only):
    text = json.dumps(documents, indent=indent, ensure_ascii=ascii_only)
    assert [json.loads(found.text) for found in find_events(text)] == documents


@given(st.lists(DOCUMENTS, min_size=1), st.booleans())
def test_what_was_written_as_lines_is_found_again(documents, ascii_only):
    text = "\n".join(json.dumps(document, ensure_ascii=ascii_only) for document in documents)
    assert [json.loads(found.text) for found in find_events(text)] == documents


@given(st.text(alphabet='[]{},:"0a\\ \n', max_size=20))
def test_any_text_gives_events_or_an_error(text):
    try:
        found = find_events(text)
    except BrokenText:
        return
    assert found
    assert all(item.text in text for item in found)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" \n", "holds no event"),
        ("[]", "empty array"),
        ("[{]", "line 1, column 3"),
        ('[{"a": 1}\n {"a": 2}]', r"line 2, column 2: expecting ',' or '\]'"),
        ('[{"a": 1}', "expecting"),
        ('[{"a": 1},', "Expecting value"),
        ('[{"a": 1}] x', "expecting"),
    ],
)
def test_a_text_that_cannot_be_split_into_events_says_where(text, why):
    with pytest.raises(BrokenText, match=why):
        find_events(text)


def test_what_is_too_deep_to_read_is_left_to_the_contract():
    with pytest.raises(BrokenText, match="expecting"):
        find_events("[" * 100_000)
