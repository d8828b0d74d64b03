"""What a source is told of the services of others, and what of theirs it may take."""

import json
from datetime import UTC, datetime

import pytest

from leasewire.context import Context
from leasewire.serve import StoreRecords
from producers.connection import open_publisher
from tests import builders
from tests.small_installation import SmallInstallation, activated

pytestmark = [pytest.mark.redis, pytest.mark.router]

A, B = "urn:isp:bss:a", "urn:isp:bss:b"
THEIRS = ("SVC-B", "bss:b", "b-", "suspended", "cancelled")
"""Ids, owner and states of B."""
REVISIONS = 'order = "revisions"'


@pytest.fixture
def start(quiet_logging):
    made = []

    def begin(of_a=REVISIONS, of_b=REVISIONS):
        made.append(SmallInstallation(sources={A: of_a, B: of_b}))
        return made[-1].__enter__()

    yield begin
    for each in made:
        each.__exit__(None, None, None)


def readable(here, source, events, services):
    """All that a key of a source may read, as text."""
    context = Context(here.inventory_path, redis_url=here.server.url)
    with open_publisher(here.server.url, clock=lambda: datetime.now(UTC)) as publisher:
        records = StoreRecords(context, publisher)
        said = [*records.outcomes([source], None, 1000).events]
        said += [records.event(each["id"], [source]) for each in events]
        found = [records.service(each) for each in services]
        for each in found:
            if each is not None and each["owner"] == source:
                said += [each, *records.history(each["service"])]
    context.store.client.close()
    assert said
    return [json.dumps(each) for each in said]


def test_no_word_to_a_source_tells_of_services_of_another(start):
    here = start()
    here.say(
        activated("SVC-B1", 1, source=B),
        activated("SVC-B2", 2, source=B),
        activated("SVC-B3", 3, source=B),
    )
    here.say(builders.suspended("SVC-B2", source=B, revision=2))
    here.drain()
    mine = [
        activated("LK-1", 1, source=A),  # MAC and address of theirs
        builders.activated(
            "LK-2",
            source=A,
            router="R1",
            server="dhcp-vlan-32",
            mac=builders.mac(9),
            ipv4=builders.ipv4(2),
        ),
        activated("LK-3", 4, source=A),
        builders.mac_changed("LK-3", builders.mac(3), source=A, revision=2),
    ]
    probes = {
        "suspended": builders.suspended("SVC-B1", source=A, revision=9),
        "mac": builders.mac_changed("SVC-B2", source=A, revision=9),
        "moved": builders.event("cancelled", "SVC-B3", source=A, revision=9),
    }
    here.say(*mine, *probes.values())
    here.drain()
    here.say(builders.event("cancelled", "SVC-B3", source=B, revision=2))
    here.drain()
    assert here.outcome(mine[0]).startswith("waiting: claim-held")
    said = readable(here, A, [*mine, *probes.values()], ["LK-1", "LK-2", "LK-3"])
    for each in said:
        # What it said itself it may read.
        own = each
        for service in ("SVC-B1", "SVC-B2", "SVC-B3"):
            own = own.replace(f'"service": "{service}"', "").replace(f"service/{service}", "")
        for kind in ("suspended", "cancelled"):
            own = own.replace(f"leasewire.service.{kind}.v1", "").replace(f'"{kind}-', "")
        assert [word for word in THEIRS if word in own] == [], each
    assert any("is held by a service of another source" in each for each in said)


def test_the_holder_of_ones_own_is_named(start):
    here = start()
    second = activated("LK-2", 1, source=A)
    here.say(activated("LK-1", 1, source=A))
    here.drain()
    here.say(second)
    here.drain()
    assert "is held by service LK-1 (active)" in here.outcome(second)


def test_ids_of_another_cannot_be_squatted(start):
    here = start(of_b=REVISIONS + '\nservices = ["b-*", "SVC-B7"]')
    squat = [activated(name, n, source=A) for n, name in enumerate(("b-1", "SVC-B7", "x-1"), 1)]
    here.say(*squat)
    words = [here.outcome(each) for each in squat]
    assert all(each.startswith("rejected: service-not-allowed") for each in words[:2])
    assert words[2].startswith("accepted")
    assert all(B not in each for each in words)
    theirs = [activated("b-1", 5, source=B), activated("x-2", 6, source=B)]
    here.say(*theirs)
    here.drain()
    assert here.outcome(theirs[0]).startswith("applied")
    assert here.outcome(theirs[1]).startswith("rejected: service-not-allowed")


def test_a_source_keeps_to_its_routers(start):
    here = start(of_a=REVISIONS + '\nrouters = ["R1"]')
    moved = builders.event(
        "moved", "LK-1", source=A, revision=2, access={"router": "R2"}, service=None
    )
    events = [activated("LK-1", 1, source=A), activated("LK-2", 2, source=A, router="R2"), moved]
    here.say(*events)
    here.drain()
    assert here.outcome(events[0]).startswith("applied")
    for each in events[1:]:
        assert here.outcome(each).startswith("rejected: router-not-allowed")
    assert here.rows("R2") == []


def test_one_that_is_not_isolated_hears_names_and_takes_free_ids(start):
    here = start(REVISIONS + "\nisolated = false", REVISIONS + '\nservices = ["b-*"]')
    here.say(activated("b-1", 1, source=B))
    events = [builders.suspended("b-1", source=A, revision=9), activated("b-2", 2, source=A)]
    here.say(*events)
    assert f"belongs to source {B}" in here.outcome(events[0])
    assert here.outcome(events[1]).startswith("accepted")
