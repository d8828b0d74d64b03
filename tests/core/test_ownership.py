"""Our tag in a comment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.rows.rows import Tag, comment_for, parse_tag, tag_text

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
