"""Pages of the pools, over a running gateway."""

import pytest

from tests.console.conftest import INVENTORY, post
from tests.worker.assigning_desk import AssigningDesk

pytestmark = pytest.mark.redis

POOL = """\
[pools.home]
ranges = ["198.51.100.0/28"]
"""


@pytest.fixture
def console(console_at):
    return console_at(INVENTORY + POOL)


@pytest.fixture
def desk(console):
    desk = AssigningDesk(console.store, *console.context.inventory.pools.pools.values())
    desk.activate(*range(1, 16))
    desk.converge()
    desk.tell("cancelled", 3)
    desk.converge()
    desk.store.samples.note_pools({"home": desk.use()}, desk.store.records.now_ms())
    return desk


def test_a_pool_is_shown_with_its_use_its_values_and_who_waits(console, desk):
    (pool,) = console.viewer.get("/console/pools.json").json()["pools"]
    assert (pool["size"], pool["given"], pool["quarantine"], pool["waiting"]) == (14, 13, 1, 1)
    listed = console.viewer.get("/console/pools").text
    assert "14 of 14 (100%)" in listed
    assert 'href="/console/pool?id=home"' in listed
    document = console.viewer.get("/console/pool.json", params={"id": "home"}).json()
    assert [service["service"] for service in document["waiting_services"]] == ["SVC-15"]
    assert [value["state"] for value in document["values"]] == ["given"] * 13 + ["quarantine"]
    assert document["samples"][0]["given"] == 13
    page = console.operator.get("/console/pool", params={"id": "home"}).text
    for words in ("SVC-15", "198.51.100.3", "Free it …", "now 13, most 13"):
        assert words in page
    assert "Free it" not in console.viewer.get("/console/pool", params={"id": "home"}).text
    assert console.viewer.get("/console/pool", params={"id": "none"}).status_code == 404
    assert desk.address(1) == "198.51.100.1"


def test_an_operator_ends_a_quarantine(console, desk):
    place = {"id": "home", "value": "198.51.100.3"}
    assert console.viewer.get("/console/pool/free", params=place).status_code == 403
    assert "SVC-3" in console.operator.get("/console/pool/free", params=place).text
    done = post(console.operator, "/console/pool/free", id_="home", value="198.51.100.3")
    assert "Any service may get 198.51.100.3 of pool home now." in done.text
    (entry,) = console.store.audit.entries()
    assert (entry.by, entry.what) == ("the-operator (console)", "pool.value_freed")
    desk.accept.assign_waiting()
    assert desk.address(15) == "198.51.100.3"
    again = post(console.operator, "/console/pool/free", id_="home", value="198.51.100.3")
    assert "Nothing was changed: service SVC-15 has 198.51.100.3." in again.text
    assert console.operator.get("/console/pool/free", params=place).status_code == 404


def test_without_pools_the_page_says_so(console_at):
    page = console_at().viewer.get("/console/pools").text
    assert "the inventory has no pools" in page


def test_the_page_of_a_service_names_its_assigned_address(console, desk):
    page = console.viewer.get("/console/service", params={"id": "SVC-2"}).text
    assert "<dt>Assigned address</dt><dd>198.51.100.2</dd>" in page
    assert desk.address(2) == "198.51.100.2"
    assert "Assigned" not in console.viewer.get("/console/service", params={"id": "SVC-15"}).text
