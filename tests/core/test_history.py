"""The text of a line of a history: short, and read as it was said, in its first form as well."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.service.history import line_from_json, line_to_json
from worker.core.service.record_parts import DEFAULTS
from worker.core.storage_format import UnknownFormatError, to_json

texts = st.text(max_size=8)
registers = st.lists(st.sampled_from(sorted(DEFAULTS)) | st.just("later"), unique=True)
fields = st.dictionaries(
    st.sampled_from(["event", "router", "reason", "detail", "wrote", "by", "actor", "x"]),
    texts | st.lists(texts, max_size=2),
)
happenings = st.sampled_from(["accepted", "in sync", "removed", "waiting", "failed", "observed"])
types = texts | texts.map(lambda name: f"leasewire.service.{name}.v1")
lines = st.builds(
    lambda *parts: {k: v for part in parts for k, v in part.items()},
    fields,
    st.fixed_dictionaries({}, optional={"type": types, "changed": registers, "applied": registers}),
)


@given(st.integers(0, 2**53), happenings | texts, lines)
def test_a_line_comes_back_from_text_as_it_was(at_ms, what, more):
    before = dict(more)
    read = line_from_json(line_to_json(at_ms, what, more))
    assert read == {"at_ms": at_ms, "what": what} | more
    assert more == before


def test_the_lines_that_come_often_are_small_and_can_be_read():
    event, wrote = "0b6f4f0e-5d5e-5f37-9a39-0c1f6a2d1a02", "set *A8 block-access: no -> yes"
    accepted = {"event": event, "type": "leasewire.service.suspended.v1", "changed": ["suspension"]}
    assert line_to_json(1795796990512, "accepted", accepted) == (
        f'[2,1795796990512,"accepted","{event}","suspended","u"]'
    )
    synced = {"router": "R1", "wrote": [wrote], "applied": [event]}
    assert line_to_json(1795796990580, "in sync", synced) == (
        f'[2,1795796990580,"in sync","R1",["{wrote}"],["{event}"]]'
    )


def test_another_format_is_refused():
    with pytest.raises(UnknownFormatError, match="line of a history has format 3"):
        line_from_json('[3,7,"accepted"]')


def test_stored_texts_are_ascii_as_json_spells_it():
    text = "".join(chr(c) for c in range(0x11000) if not 0xD800 <= c < 0xE000 and c != 0x7F)
    for value in ({"a": [text, 1.5, None, True]}, text + "\udce4"):
        assert to_json(value) == json.dumps(value, separators=(",", ":"))
    assert json.loads(to_json("\x7f")) == "\x7f"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_written_that_json_lacks(number):
    assert to_json(["NaN", "Infinity"]) == '["NaN","Infinity"]'
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"rate": number})
