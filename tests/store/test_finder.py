"""Finding what names a MAC address, an address or an id, in whichever spelling it came."""

import json

import pytest

from contracts import names
from tests.builders import activated, mac, mac_changed
from worker.core.service.outcome import DeadLetter

pytestmark = pytest.mark.redis


@pytest.fixture
def finder(store):
    return store.finder


@pytest.fixture
def journaled(client, prefix):
    """Puts texts into a journal as they are."""

    def put(*bodies, lane="events"):
        for number, body in enumerate(bodies):
            key = f"{lane}-{number}"
            client.hset(names.journal_body(prefix, lane), key, body)
            client.zadd(names.journal_due(prefix, lane), {key: 1_000 + number})

    return put


@pytest.mark.parametrize(
    "spelling",
    ["00:00:5e:00:53:0A", "00-00-5E-00-53-0A", "0000.5e00.530a", "0000-5E00-530A", "00005e00530a"],
)
def test_a_mac_is_found_in_every_spelling_of_the_contract(finder, journaled, spelling):
    journaled(json.dumps(mac_changed("SVC-7", spelling)), json.dumps(mac_changed("SVC-8", mac(9))))
    ((service, entry),) = finder.journaled_naming(mac(10))
    assert (service, entry.since_ms) == ("SVC-7", 1_000)
    assert entry.type == "leasewire.service.mac_changed.v1"


def test_both_lanes_are_looked_through_and_what_is_no_event_is_passed_by(finder, journaled):
    journaled("no JSON SVC-7", '["SVC-7"]', json.dumps(activated("SVC-7")))
    journaled(json.dumps(activated("SVC-7")), lane="bulk")
    assert [service for service, _ in finder.journaled_naming("SVC-7")] == ["SVC-7", "SVC-7"]


def test_a_part_of_a_value_is_no_match(finder, journaled):
    journaled(json.dumps(activated("SVC-77", ipv4="198.51.100.10")))
    assert finder.journaled_naming("SVC-7") == []
    assert finder.journaled_naming("198.51.100.1") == []
    assert len(finder.journaled_naming("198.51.100.10")) == 1


def test_dead_letters_are_found_by_service_and_by_what_their_event_names(finder):
    by_id = DeadLetter("SVC-7@R1", "service", "refused", "", "SVC-7")
    by_body = DeadLetter("k", "event", "invalid", "", "", body=json.dumps(mac_changed("SVC-8")))
    other = DeadLetter("x", "event", "invalid", "", "SVC-9", body="SVC-7 in no JSON")
    dead_letters = [by_id, by_body, other]
    assert finder.dead_letters_naming("SVC-7", dead_letters) == [by_id]
    assert finder.dead_letters_naming(mac(2), dead_letters) == [by_body]
