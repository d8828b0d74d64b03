"""What pools gave a service is in outcomes, in their feed, in its document, and in an export."""

import pytest

from leasewire.sources.export import snapshot_of
from tests import builders
from tests.worker.assigning_desk import AssigningDesk, pool
from worker.admin.documents import outcome_cloudevent
from worker.admin.service_documents import ServiceList, service_document
from worker.core.service.outcome import Outcome

pytestmark = pytest.mark.redis

IPV6 = {"prefix": {"mode": "assigned", "pool": "home6"}}
ASSIGNED = {"mode": "assigned", "pool": "home"}
STATIC = {"mode": "static", "ipv4": "198.51.100.2"}
GIVEN = {"address": "198.51.100.1", "prefix": "2001:db8:100::/56"}


@pytest.fixture
def desk(store):
    prefixes = pool("home6", "2001:db8:100::/48", prefix_length=56)
    east = pool("east", "203.0.113.0/28", routers=("R2",), known_as="home")
    return AssigningDesk(store, pool(routers=("R1",)), prefixes, east)


def states(desk, event):
    """The states of an event in the feed, each with what it names."""
    items = desk.store.feed.read([event["source"]], None, 100).items
    data = [outcome_cloudevent(item, "acme")["data"] for item in items]
    return [(at["state"], at.get("assigned")) for at in data if at["event"] == event["id"]]


def test_each_outcome_that_counts_names_what_was_assigned(desk):
    event = desk.activated(1, ipv6=IPV6)
    desk.send(event)
    desk.converge()
    assert states(desk, event) == [("accepted", GIVEN), ("applied", GIVEN)]
    plan = desk.tell("plan_changed", 1, plan={"code": "P"})
    same = desk.tell("plan_changed", 1, plan={"code": "Q"})
    desk.converge()
    assert states(desk, plan) == [("accepted", GIVEN), ("superseded", None)]
    assert states(desk, same) == [("accepted", GIVEN), ("applied", GIVEN)]


def test_a_move_to_another_pool_names_the_new_address(desk):
    desk.activate(1)
    desk.converge()
    moved = desk.tell("moved", 1, access={"router": "R2", "dhcp_server": "dhcp1"})
    desk.converge("R2")
    new = {"address": "203.0.113.1"}
    assert states(desk, moved) == [("accepted", new), ("applied", new)]


def test_a_fixed_address_is_no_assigned_one(desk):
    event = builders.activated("SVC-1", ipv4="198.51.100.2")
    desk.send(event)
    desk.converge()
    assert states(desk, event) == [("accepted", None), ("applied", None)]
    desk.send(builders.event("address_changed", revision=2, address=ASSIGNED))
    fixed = builders.event("address_changed", revision=3, address=STATIC)
    desk.send(fixed)
    assert desk.outcome(fixed).assigned == {}


def test_the_service_says_so_and_an_export_asks_for_the_same(desk):
    desk.activate(1, ipv6=IPV6)
    desk.converge()
    document = service_document(desk.store.views.service("SVC-1", ["R1"]), desk.store)
    assert document["assigned"] == GIVEN
    assert document["events"][0]["assigned"] == GIVEN
    short = ServiceList(desk.store).document(desk.record())
    assert (short["address"], short["prefix"]) == (GIVEN["address"], GIVEN["prefix"])
    block = snapshot_of(desk.record())["service"]
    assert block["address"] == {"mode": "assigned", "pool": "home", "ipv4": GIVEN["address"]}
    assert block["ipv6"]["prefix"] == IPV6["prefix"] | {"ipv6": GIVEN["prefix"]}
    desk.send(
        builders.event("snapshot", "SVC-9", service=block | {"device": {"mac": builders.mac(9)}})
    )
    assert desk.address(9) not in (None, GIVEN["address"]), "SVC-1 has it"


def test_an_export_gives_another_installation_the_same_addresses(desk):
    desk.activate(1, 2, ipv6=IPV6)
    blocks = [snapshot_of(desk.record(f"SVC-{n}"))["service"] for n in (2, 1)]
    desk.store.client.flushall()
    for number, block in zip((2, 1), blocks, strict=True):
        desk.send(builders.event("snapshot", f"SVC-{number}", service=block))
    assert desk.addresses(1, 2) == ["198.51.100.1", "198.51.100.2"]
    assert desk.address(1, "prefix") == GIVEN["prefix"]


def test_an_outcome_of_an_older_version_names_nothing():
    text = '[2,"applied",5,1,"activated","e","urn:isp:bss:test","SVC-1","R1"]'
    assert Outcome.from_json(text).assigned == {}
