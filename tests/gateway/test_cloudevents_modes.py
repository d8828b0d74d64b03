"""The three HTTP modes of CloudEvents; two of them as the CloudEvents SDK writes them."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_structured_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from contracts.parse import parse_event
from gateway.api.decode import BATCHED, PLAIN, STRUCTURED, events_in
from gateway.api.problems import Refused
from producers.publisher import complete_event
from tests import builders


def of_sdk(event):
    attributes = {name: value for name, value in event.items() if name != "data"}
    attributes["time"] = datetime.fromisoformat(attributes["time"])
    return CloudEvent(attributes, event["data"])


def read(headers, body):
    """The events as the contract reads them; header names as a server gives them."""
    lower = {name.lower(): value for name, value in headers.items()}
    return [parse_event(each) for each in events_in(lower, body)]


@pytest.mark.parametrize("write", [to_structured_event, to_binary_event])
@given(note=st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_what_the_sdk_sends_is_read(write, note):
    event = builders.mac_changed(reason={"code": "rma", "note": note})
    message = write(of_sdk(event))
    assert read(message.headers, message.body) == [parse_event(event)]


def test_the_sdk_reads_what_we_write():
    event = builders.mac_changed()
    message = HTTPMessage({"Content-Type": STRUCTURED}, json.dumps(event).encode())
    theirs = from_structured_event(message)
    assert (theirs.get_id(), theirs.get_source()) == (event["id"], event["source"])
    assert theirs.get_data() == event["data"]


def test_attributes_in_headers_are_unquoted_and_decoded():
    headers = {"content-type": PLAIN, "ce-specversion": "1.0", "ce-x": '"Euro%20%E2%82%AC %2520"'}
    (event,) = events_in(headers, b'{"a":1}')
    assert event.value["x"] == "Euro € %20"
    assert event.value["data"] == {"a": 1}


def test_repeated_keys_in_a_batch_are_found_for_each_event():
    first = '{"a": 1, "a": 2}'
    found = events_in({"content-type": BATCHED}, f" [{first} ,\n{{}}]".encode())
    assert [event.value for event in found] == [{"a": 2}, {}]
    assert [[problem.code for problem in event.problems] for event in found] == [
        ["duplicate-key"],
        [],
    ]


EVENT = builders.mac_changed()
ATTRIBUTES = {f"ce-{name}": value for name, value in EVENT.items() if name != "data"}
THREE = [builders.mac_changed(f"SVC-{number}") for number in range(3)]


@pytest.mark.parametrize(
    ("headers", "body", "events"),
    [
        ({"content-type": STRUCTURED}, json.dumps(EVENT), 1),
        ({"content-type": BATCHED}, json.dumps(THREE), 3),
        ({"content-type": PLAIN} | ATTRIBUTES, json.dumps(EVENT["data"]), 1),
    ],
    ids=["structured", "batched", "binary"],
)
def test_each_event_is_decoded_once(monkeypatch, headers, body, events):
    decode, decoded = json.JSONDecoder.raw_decode, []

    def counting(*arguments, **more):
        decoded.append(arguments)
        return decode(*arguments, **more)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", counting)
    found = events_in(headers, body.encode())
    assert len([complete_event(event, datetime.now(UTC)) for event in found]) == events
    assert len(decoded) == events


def test_repeated_keys_in_binary_data_are_refused():
    with pytest.raises(Refused):
        events_in({"content-type": PLAIN, "ce-specversion": "1.0"}, b'{"a":1,"a":2}')


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_refused(body):
    for headers in (
        {"content-type": STRUCTURED},
        {"content-type": BATCHED},
        {"content-type": PLAIN, "ce-specversion": "1.0"},
    ):
        with suppress(Refused):
            assert isinstance(events_in(headers, body), list)
