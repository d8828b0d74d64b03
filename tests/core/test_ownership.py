"""Our tag in a comment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.rows.rows import Tag, comment_for, member_id, parse_tag, tag_text

installations = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
service_ids = st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True)


@given(installations, service_ids, st.text())
def test_a_comment_of_ours_is_read_as_it_was_written(installation, service_id, rest):
    comment = comment_for(installation, service_id, rest)
    assert comment.startswith(tag_text(installation, service_id))
    assert parse_tag(comment) == Tag(installation, service_id, rest)


@pytest.mark.parametrize(
    "comment",
    ["", "printer", " leasewire:acme:SVC-1", "Leasewire:acme:SVC-1", "leasewire:acme", "leasewire:",
     "leasewire:acme:", "leasewire::SVC-1", "leasewire:acme: SVC-1", "old leasewire:acme:SVC-1"],
)  # fmt: skip
def test_what_does_not_start_with_a_whole_tag_is_nobodys(comment):
    assert parse_tag(comment) is None


@pytest.mark.parametrize("space", [" ", "\t", "\n"])
def test_the_tag_ends_at_white_space_of_any_kind(space):
    assert parse_tag(f"leasewire:acme:a:b{space}moved  here ") == Tag("acme", "a:b", "moved  here ")


@pytest.mark.parametrize("text", [",VIP", "/VIP", "=x y", "\udce4"])
def test_the_tag_ends_where_a_service_id_does(text):
    assert parse_tag(f"leasewire:acme:SVC-1{text}") == Tag("acme", "SVC-1", text)


def test_what_is_longer_than_any_service_id_is_no_tag():
    assert parse_tag("leasewire:acme:" + "a" * 64).service_id == "a" * 64
    assert parse_tag("leasewire:acme:" + "a" * 65) is None


def test_bytes_that_are_no_text_are_kept():
    assert parse_tag(comment_for("acme", "SVC-1", "Ger\udce4t")).rest == "Ger\udce4t"


@pytest.mark.parametrize(
    ("text", "number", "rest"),
    [
        ("/2", "2", ""),
        ("/8 Ada", "8", "Ada"),
        ("/2/3", "2", "/3"),
        ("/1", "", "/1"),
        ("/9", "", "/9"),
        ("/22", "", "/22"),
        ("/2x", "", "/2x"),
        (" /2", "", "/2"),
    ],
)
def test_a_tag_names_a_further_device_by_its_number_alone(text, number, rest):
    tag = parse_tag(f"leasewire:acme:SVC-1{text}")
    assert tag == Tag("acme", "SVC-1", rest, number)
    assert tag.member == ("SVC-1" if not number else f"SVC-1/{number}")


@given(service_ids, st.integers(2, 8).map(str))
def test_no_tag_of_a_service_is_that_of_a_device(service_id, number):
    tag = parse_tag(comment_for("acme", member_id(service_id, number), "Ada"))
    assert tag == Tag("acme", service_id, "Ada", number)
    assert parse_tag(comment_for("acme", service_id)).number == ""
