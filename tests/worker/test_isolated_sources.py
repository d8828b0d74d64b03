"""What a source is told of the services of others, and what of theirs it may take."""

import json

import pytest

from gateway.api.api_keys import KeyScope
from gateway.api.states import STATUSES, SYNCS
from leasewire.context import Context
from tests import builders
from tests.gateway.asking import ask_all, asking
from tests.small_installation import SmallInstallation, activated
from worker.admin.documents import find_events, outcome_cloudevent
from worker.admin.service_documents import history_of, service_document

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
    store = context.store
    said = [
        outcome_cloudevent(item, "acme") for item in store.feed.read([source], None, 1000).items
    ]
    said += [found for each in events for found in find_events(store, each["id"], [source])]
    for service in services:
        record = store.records.read([service])[service].record
        view = store.views.service(service, record.placements)
        if view is not None and record.owner == source:
            said.append(service_document(view, store))
            said += [entry.document() for entry in history_of(store, service)]
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
    message = [here.outcome(each) for each in squat]
    assert all(each.startswith("rejected: service-not-allowed") for each in message[:2])
    assert message[2].startswith("accepted")
    assert all(B not in each for each in message)
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


def test_no_get_route_tells_a_source_anything_of_another(start):
    here = start()
    device = {"mac": builders.mac(41), "serial": "B-SERIAL"}
    theirs = [
        activated("SVC-B1", 1, source=B, label="B-LABEL", device=device, plan={"code": "B-PLAN"}),
        activated("SVC-B2", 42, source=B, router="R2"),
        activated("SVC-B3", 43, source=B),
        builders.suspended("SVC-B3", source=B, revision=2),
        activated("SVC-B4", 44, source=B),
        builders.cancelled("SVC-B4", source=B, revision=2),
        activated("SVC-B5", 41, source=B),  # which waits for SVC-B1
        activated("SVC-B6", 45, source=B, revision=None),  # which is refused
        builders.event(
            "cancelled",
            "SVC-B2",
            source=B,
            revision=9,
            time="2026-11-24T09:15:00Z",
            effective_at="2027-01-01T00:00:00Z",
        ),
    ]
    here.say(*theirs)
    here.drain()
    mine = [
        activated("SVC-A1", 1, source=A),  # whose address is SVC-B1's
        builders.mac_changed("SVC-A1", builders.mac(42), source=A, revision=2),
        activated("SVC-A2", 2, source=A),
        builders.suspended("SVC-B3", source=A, revision=9),
        builders.event("moved", "SVC-B2", source=A, revision=9, access={"router": "R1"}),
        builders.event(
            "cancelled", "SVC-A2", source=A, revision=9, effective_at="2027-01-01T00:00:00Z"
        ),
    ]
    here.say(*mine)
    here.drain()
    services = ["SVC-A1", "SVC-A2", *(f"SVC-B{n}" for n in range(1, 7))]
    values = {
        "event_id": [*(each["id"] for each in (*mine, *theirs)), "nothing"],
        "service_id": [*services, "nothing"],
        "event_type": [mine[0]["type"], "nothing"],
        "adapter": ["generic"],
        "endpoint_id": ["nothing"],
        "source": [A, B],
        "cursor": ["latest", "0-0", "0", "1"],
        "wait": [0],
        "most": [1],
        "reason": ["not-owner"],
        "router": ["R1", "R2"],
        "status": STATUSES,
        "sync": SYNCS,
    }
    numbers = [41, 43, 44, 45]
    secrets = [
        *(f"SVC-B{n}" for n in range(1, 7)),
        *("B-LABEL", "B-SERIAL", "B-PLAN", B),
        *(builders.mac(n) for n in numbers),
        *(builders.ipv4(n) for n in [42, *numbers]),
        *(each["id"] for each in theirs),
    ]
    said = [raw for raw in mine if "SVC-B" in raw["subject"]]
    asked, refused, nothing = {}, {}, {}
    context = Context(here.inventory_path, redis_url=here.server.url)
    with asking(context, KeyScope.PUBLISH, KeyScope.READ, sources=[A]) as client:
        asked_all = list(ask_all(client, values))
    context.store.client.close()
    for path, given, query, answer in asked_all:
        assert answer.status_code < 500, (path, answer.text)
        asked[path] = asked.get(path, 0) + answer.is_success
        text = answer.text
        for word in (*given.values(), *query.values()):  # what was asked is no news
            text = text.replace(str(word), "…") if not answer.is_success else text
        # What it said itself it may read: of which service, and of what type, its own event was.
        for raw in said:
            text = text.replace(f'"service":"{raw["data"]["service_id"]}"', "")
            text = text.replace(raw["subject"], "")
        notified = [word for word in secrets if word in text]
        assert notified == [], (path, given, query, text)
        if path.startswith(("/v1/services/{", "/v1/events/{")):
            (name,) = given.values()
            if name in secrets:
                refused[path, tuple(query.items()), name] = (answer.status_code, text)
            elif name == "nothing":
                nothing[path, tuple(query.items())] = (answer.status_code, text)
    for (path, query, name), answer in refused.items():
        assert answer == nothing[path, query], f"that there is {name} is told by {path}"
    # Of operators alone; and of webhooks, of which there is none here.
    dark = {"/v1/dead-letters", "/v1/approvals", "/v1/hooks/{adapter}/{endpoint_id}"}
    assert {path for path, count in asked.items() if not count} == dark
    assert refused
