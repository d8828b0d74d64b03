"""The text of an outcome: short, and read as it was written."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import EffectReport, Outcome, State
from worker.core.service.record_parts import AssignedKind
from worker.core.storage_format import UnknownFormatError, full_type, short_type

texts = st.text(max_size=12)
times = st.integers(0, 2**53)
types = texts | texts.map(lambda name: f"leasewire.service.{name}.v1") | st.just("=a.b")
outcomes = st.builds(
    Outcome,
    st.builds(EventRef, texts, texts, texts, types, times, st.booleans()),
    texts,
    st.sampled_from(get_args(State)),
    *(times, texts, texts, texts, times, texts),
    st.none()
    | st.builds(
        EffectReport,
        st.sampled_from(["acting", "not-acting-yet"]),
        *(texts, times, times, texts, texts, times),
    ),
    st.dictionaries(st.sampled_from(get_args(AssignedKind)), texts),
)

APPLIED = Outcome(
    EventRef(
        key="b04ecad01e0760b41341cb95",
        id="0b6f4f0e-5d5e-5f37-9a39-0c1f6a2d1a02",
        source="urn:isp:bss:test",
        type="leasewire.service.activated.v1",
        accepted_at_ms=1795796989297,
    ),
    service_id="SVC-171",
    state="applied",
    at_ms=1795796989366,
    router="R1",
    effective_by="lease-time server dhcp-vlan-32",
)


@given(outcomes)
def test_an_outcome_comes_back_from_text_as_it_was(outcome):
    assert Outcome.from_json(outcome.to_json(), outcome.key) == outcome


def test_an_outcome_is_small_and_can_be_read():
    text = APPLIED.to_json()
    assert len(text) < 150
    assert text == (
        '[2,"applied",69,1795796989297,"activated","0b6f4f0e-5d5e-5f37-9a39-0c1f6a2d1a02",'
        '"urn:isp:bss:test","SVC-171","R1","lease-time server dhcp-vlan-32"]'
    )


def test_what_a_newer_version_adds_is_dropped_and_another_format_refused():
    effect = EffectReport("acting", "rate", 9, 2)
    bulk = APPLIED.event._replace(bulk=True)
    assigned = {"address": "100.64.0.10"}
    outcome = APPLIED._replace(effective_at_ms=7, event=bulk, effect=effect, assigned=assigned)
    raw = json.loads(outcome.to_json())
    assert Outcome.from_json(json.dumps([*raw, "new"]), APPLIED.key) == outcome
    with pytest.raises(UnknownFormatError, match="the outcome has format 3"):
        Outcome.from_json(json.dumps([3, *raw[1:]]))


@pytest.mark.parametrize(
    ("full", "short"),
    [
        ("leasewire.service.mac_changed.v1", "mac_changed"),
        ("leasewire.service.a.b.v1", "leasewire.service.a.b.v1"),
        ("leasewire.service..v1", "leasewire.service..v1"),
        ("leasewire.service.=x.v1", "leasewire.service.=x.v1"),
        ("leasewire.service.v1", "leasewire.service.v1"),
        ("mac_changed", "=mac_changed"),
        ("=a.b", "==a.b"),
        ("", ""),
    ],
)
def test_a_type_is_kept_short_and_never_taken_for_another(full, short):
    assert short_type(full) == short
    assert full_type(short) == full
