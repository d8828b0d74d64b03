"""Sentences as bytes: whatever the words, however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librouteros.exceptions import ProtocolError

from worker.routeros import wire
from worker.routeros.wire import SentenceReader, encode_sentence

words = st.binary(min_size=1).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
sentences = st.lists(st.lists(words, min_size=1, max_size=5), max_size=5)


def read_in_pieces(data, sizes):
    reader, found = SentenceReader(), []
    at = 0
    for size in sizes:
        found += reader.feed(data[at : at + size])
        at += size
    return found + reader.feed(data[at:])


@given(said=sentences, sizes=st.lists(st.integers(1, 9), max_size=20))
def test_any_words_come_back_however_they_are_cut(said, sizes):
    data = b"".join(map(encode_sentence, said))
    assert read_in_pieces(data, sizes) == said


@pytest.mark.parametrize("length", [0x7F, 0x80, 0x3FFF, 0x4000, 0x1FFFFF, 0x200000])
def test_every_form_of_length_comes_back(length):
    said = ["!re", "=comment=" + "x" * (length - 9)]
    data = encode_sentence(said)
    assert read_in_pieces(data, [5, 1, 1, 1, 1, 1]) == [said]


def test_a_length_is_told_in_bytes_not_in_characters():
    assert encode_sentence(["ü"]) == b"\x02\xc3\xbc\x00"
    assert encode_sentence(["\udcfc"]) == b"\x01\xfc\x00"


def test_empty_sentences_are_left_out():
    assert SentenceReader().feed(b"\x00\x00\x01a\x00\x00") == [["a"]]


@pytest.mark.parametrize("start", [b"\xf0\x00\x00\x00\x10", b"\xf8", b"\xff"])
def test_lengths_that_no_router_sends_are_refused(start):
    with pytest.raises(ProtocolError):
        SentenceReader().feed(start)


def test_a_sentence_that_would_fill_the_memory_is_refused(monkeypatch):
    with pytest.raises(ProtocolError):
        SentenceReader().feed(b"\xef\xff\xff\xff")
    monkeypatch.setattr(wire, "_LARGEST_SENTENCE", 1000)
    with pytest.raises(ProtocolError):
        SentenceReader().feed(b"\x01a" * 20)
    assert SentenceReader().feed(b"\x01a\x00" * 20) == [["a"]] * 20


def test_a_long_word_in_small_pieces_is_not_looked_at_again_and_again():
    reader = SentenceReader()
    reader.feed(b"\xe0\x7f\xff\xff")
    # quadratic work would take minutes here
    for _ in range(0x7FFF):
        assert reader.feed(b"x" * 256) == []
    (sentence,) = reader.feed(b"x" * 255 + b"\x00")
    assert len(sentence[0]) == 0x7FFFFF


@given(data=st.binary(), sizes=st.lists(st.integers(1, 5), max_size=20))
def test_any_bytes_are_sentences_or_a_protocol_error(data, sizes):
    try:
        found = read_in_pieces(data, sizes)
    except ProtocolError:
        return
    assert all(sentence and all(sentence) for sentence in found)
