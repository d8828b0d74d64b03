"""The record as text, and what becomes of the events that wait for a router."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import parse_event
from tests import builders
from tests.builders import activated, mac_changed, suspended, version_of
from tests.strategies import events
from worker.core.fold import fold
from worker.core.record import (
    Outstanding,
    Placement,
    ServiceRecord,
    Settled,
    UnknownRecordFormatError,
    own_version,
    place,
    record_from_json,
    record_to_json,
    settle,
)
from worker.core.version import NEVER, Version

texts = st.text(max_size=8)


@st.composite
def records(draw):
    record = ServiceRecord("SVC-1", owner=draw(st.none() | texts))
    outstanding = []
    for raw in draw(st.lists(events(), max_size=4)):
        version = version_of(raw, local=draw(st.integers(0, 2)))
        folded = fold(record, parse_event(raw), version)
        record = folded.record
        waiting = Outstanding(
            draw(texts), raw["id"], raw["source"], raw["type"], tuple(sorted(folded.wrote)),
            version, draw(st.integers(0, 2**53)), draw(st.sampled_from(["events", "bulk"])),
        )  # fmt: skip
        outstanding.append(waiting)
    written = st.none() | st.dictionaries(texts, texts, max_size=3)
    placements = draw(st.dictionaries(texts, written.map(Placement), max_size=3))
    return replace(record, placements=placements, outstanding=tuple(outstanding))


@given(records())
def test_a_record_comes_back_from_text_as_it_was(record):
    text = record_to_json(record)
    assert record_from_json(text) == record
    assert record_to_json(record_from_json(text)) == text


def test_bytes_that_a_router_gave_survive():
    record = replace(
        place(ServiceRecord("SVC-1"), "R1"), placements={"R1": Placement({"x": "\udce9"})}
    )
    assert record_from_json(record_to_json(record).encode().decode()) == record


def test_a_record_is_small():
    raw = activated(customer_id="C-501", revision=1_700_000_000_000_000)
    record = fold(ServiceRecord("SVC-1001", owner=raw["source"]), parse_event(raw), version_of(raw))
    assert len(record_to_json(place(record.record, "R1"))) < 650


def test_an_unknown_format_is_refused():
    raw = json.loads(record_to_json(ServiceRecord("SVC-1")))
    with pytest.raises(UnknownRecordFormatError, match="format 2"):
        record_from_json(json.dumps({**raw, "format": 2}))


def test_place_keeps_what_was_written_there():
    record = place(ServiceRecord("SVC-1"), "R1")
    assert record.placements == {"R1": Placement(None)}
    written = replace(record, placements={"R1": Placement({"address": builders.ipv4(10)})})
    assert place(written, "R1") == written
    assert place(written, "R2").placements.keys() == {"R1", "R2"}


def test_an_own_version_beats_all_that_was_said_and_loses_to_the_next_word():
    record = fold_outstanding(activated(revision=4))
    own = own_version(record, "0000")
    assert record.highest < own < version_of(mac_changed(revision=5))
    assert own_version(replace(record, highest=own), "0000") > own
    assert NEVER < own_version(ServiceRecord("SVC-1"), "") < Version(0, 1, 0, "")


def outstanding(raw, wrote):
    return Outstanding(
        "k-" + str(raw["id"]), raw["id"], raw["source"], raw["type"], tuple(sorted(wrote)),
        version_of(raw), 1, "events",
    )  # fmt: skip


def fold_outstanding(*raws):
    record = ServiceRecord("SVC-1")
    for raw in raws:
        folded = fold(record, parse_event(raw), version_of(raw))
        waiting = (*record.outstanding, outstanding(raw, folded.wrote))
        record = replace(folded.record, outstanding=waiting)
    return record


def test_an_event_of_which_a_register_still_stands_is_applied():
    first, second = activated(), mac_changed()
    record = fold_outstanding(first, second)
    after, settled = settle(record)
    assert after == replace(record, outstanding=())
    assert [(one.outstanding.event_id, one.outcome, one.by) for one in settled] == [
        (first["id"], "applied", None),
        (second["id"], "applied", None),
    ]


def test_an_event_of_which_nothing_stands_is_superseded_by_the_holder():
    overtaken, newest = mac_changed(revision=2), mac_changed(revision=3, mac=builders.mac(9))
    record = fold_outstanding(activated(), overtaken, newest, suspended(revision=4))
    _, settled = settle(record)
    assert settled[1] == Settled(record.outstanding[1], "superseded", newest["id"])
    assert [one.outcome for one in settled] == ["applied", "superseded", "applied", "applied"]


def test_an_event_overtaken_on_all_its_registers_names_the_newest_holder():
    first = activated(customer_id="C-1")
    again = activated(customer_id="C-1", revision=7, mac=builders.mac(3))
    newest = mac_changed(revision=8, customer_id="C-2")
    _, settled = settle(fold_outstanding(first, again, newest))
    assert (settled[0].outcome, settled[0].by) == ("superseded", newest["id"])


def test_an_event_that_had_nothing_to_write_is_applied():
    record = replace(fold_outstanding(activated()), outstanding=(outstanding(activated(), ()),))
    assert settle(record)[1][0].outcome == "applied"
