from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.identity import (
    canonical_json,
    content_hash,
    deterministic_id,
    event_key,
    version_hash,
)

EVENT = {
    "id": "e-1",
    "source": "urn:isp:bss:acme",
    "type": "leasewire.service.mac_changed.v1",
    "subject": "service/SVC-1",
    "time": "2026-11-24T10:00:00Z",
    "data": {"service_id": "SVC-1", "revision": 2, "mac": "00:00:5E:00:53:02"},
}


def test_canonical_json_has_sorted_keys_no_spaces_and_utf8():
    assert canonical_json({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'.encode()


def test_lengths_of_the_hashes():
    assert len(content_hash(EVENT)) == 64
    assert len(version_hash(EVENT)) == 16
    assert len(event_key("urn:a", "b")) == 24


def test_content_hash_ignores_the_envelope_around_the_content():
    assert content_hash(EVENT) == content_hash(EVENT | {"traceparent": "x", "id": "other"})


def test_content_hash_sees_every_part_of_the_content():
    uncounted = EVENT | {"data": {"service_id": "SVC-1", "mac": "00:00:5E:00:53:02"}}
    changed = [uncounted | {name: "other"} for name in ("type", "subject", "time", "data")]
    assert len({content_hash(event) for event in [uncounted, *changed]}) == 5


def test_with_a_revision_the_time_is_no_part_of_the_content():
    assert content_hash(EVENT) == content_hash(EVENT | {"time": "2026-11-24T11:00:00Z"})
    assert content_hash(EVENT) != content_hash(EVENT | {"data": {"revision": 2}})


def test_version_hash_depends_on_type_and_data_only():
    assert version_hash(EVENT) == version_hash(EVENT | {"time": "later", "subject": "x"})
    assert version_hash(EVENT) != version_hash(EVENT | {"type": "other"})
    assert version_hash(EVENT) != version_hash(EVENT | {"data": {}})


def test_hashes_do_not_depend_on_the_order_of_keys():
    turned = dict(reversed([*(EVENT | {"data": dict(reversed(EVENT["data"].items()))}).items()]))
    assert content_hash(turned) == content_hash(EVENT)
    assert version_hash(turned) == version_hash(EVENT)


def test_half_a_surrogate_pair_can_be_hashed():
    assert len(content_hash({"data": {"note": "\ud800"}})) == 64


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_event_keys_of_different_events_differ(one, other):
    assert (event_key(*one) == event_key(*other)) == (one == other)


def test_event_key_is_not_fooled_by_where_source_ends():
    assert event_key("urn:a:b", "c") != event_key("urn:a", "b:c")
    assert event_key('a","b', "c") != event_key("a", 'b","c')


def test_an_id_depends_on_the_revision_and_not_on_the_time():
    assert UUID(deterministic_id(EVENT)).version == 5
    assert deterministic_id(EVENT) == deterministic_id(EVENT | {"time": "2026-11-24T11:00:00Z"})
    again = EVENT | {"data": EVENT["data"] | {"revision": 3}}
    assert deterministic_id(EVENT) != deterministic_id(again)


def test_an_id_without_a_revision_depends_on_data_and_time():
    unnumbered = EVENT | {"data": {"service_id": "SVC-1", "mac": "00:00:5E:00:53:02"}}
    ids = {
        deterministic_id(unnumbered),
        deterministic_id(unnumbered | {"time": "2026-11-24T11:00:00Z"}),
        deterministic_id(unnumbered | {"data": {"service_id": "SVC-1", "mac": "other"}}),
    }
    assert len(ids) == 3


def test_an_id_is_the_same_for_ever():
    assert deterministic_id(EVENT) == "9e942a7b-3173-5b1f-9fde-42a6a58f5128"
