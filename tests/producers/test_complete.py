import json
from datetime import UTC, datetime, timedelta

import pytest

from contracts.errors import ContractViolation
from contracts.identity import event_key
from contracts.parse import MAX_EVENT_BYTES, parse_event
from producers.publisher import complete_event

NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
BARE = {
    "source": "urn:isp:bss:acme",
    "type": "leasewire.service.mac_changed.v1",
    "data": {"service_id": "SVC-1", "revision": 2, "mac": "00-00-5e-00-53-02"},
}


def test_what_follows_from_the_rest_is_filled_in():
    completed = complete_event(BARE, NOW)
    assert completed.event == {
        **BARE,
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "subject": "service/SVC-1",
        "time": "2026-11-24T10:00:00Z",
        "id": completed.id,
        "data": BARE["data"] | {"mac": "00:00:5E:00:53:02"},
    }
    assert completed.key == event_key(completed.source, completed.id)
    assert json.loads(completed.body) == completed.event


def test_what_is_given_is_kept():
    given = complete_event(BARE, NOW).event | {
        "id": "mine",
        "time": "2026-11-24T09:00:00Z",
        "traceparent": "00-x",
        "comexample": True,
    }
    assert complete_event(given, NOW).event == given


def test_models_text_and_bytes_are_taken_as_well():
    event = complete_event(BARE, NOW).event
    assert complete_event(parse_event(event), NOW).event == event
    assert complete_event(json.dumps(event), NOW).event == event
    assert complete_event(json.dumps(event).encode(), NOW).event == event


def test_a_second_attempt_gets_the_same_id_when_there_is_a_revision():
    spelt_otherwise = BARE | {"data": BARE["data"] | {"mac": "00005E005302"}}
    later = NOW + timedelta(hours=1)
    assert complete_event(BARE, NOW).id == complete_event(spelt_otherwise, later).id


def test_without_a_revision_the_id_follows_the_normal_form_and_the_time():
    data = {"service_id": "SVC-1", "mac": "00-00-5e-00-53-02"}
    one = complete_event(BARE | {"data": data}, NOW)
    same = complete_event(BARE | {"data": data | {"mac": "00005E005302"}}, NOW)
    later = complete_event(BARE | {"data": data}, NOW + timedelta(seconds=1))
    assert one.id == same.id != later.id


def test_a_repeated_key_is_still_found():
    text = json.dumps(BARE).replace('"revision": 2', '"revision": 2, "revision": 3')
    with pytest.raises(ContractViolation, match="duplicate-key"):
        complete_event(text, NOW)


def test_what_cannot_be_derived_is_missing():
    with pytest.raises(ContractViolation) as raised:
        complete_event({"type": BARE["type"], "data": {}}, NOW)
    assert {(p.pointer, p.code) for p in raised.value.problems} == {
        ("/source", "missing"),
        ("/subject", "missing"),
        ("/data/service_id", "missing"),
        ("/data/mac", "missing"),
    }


def test_null_does_not_count_as_left_out():
    with pytest.raises(ContractViolation, match="/id must be text"):
        complete_event(BARE | {"id": None}, NOW)


def test_an_event_ahead_of_the_clock_or_too_large_when_complete_is_refused():
    with pytest.raises(ContractViolation, match="time-in-future"):
        complete_event(BARE | {"time": "2026-11-24T11:00:00Z"}, NOW)
    room = MAX_EVENT_BYTES - len(json.dumps(BARE | {"x": ""}, separators=(",", ":")))
    with pytest.raises(ContractViolation, match="when complete"):
        complete_event(BARE | {"x": "y" * room}, NOW)
