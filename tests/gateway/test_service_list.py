"""`GET /v1/services`: a source lists what it owns, and no more."""

import pytest

from tests import builders
from tests.gateway.asking import refusal
from tests.gateway.test_reading import fold

pytestmark = pytest.mark.redis

NOC = "urn:isp:noc"


def walk(client, **query):
    """All services of all pages."""
    found, pages = [], 0
    while True:
        answer = client.get("/v1/services", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["services"]
        pages += 1
        if "next" not in page:
            return found, pages
        query["cursor"] = page["next"]


def ids(found):
    return {each["service"] for each in found}


def test_a_key_lists_the_services_of_its_sources_only(gateway):
    fold(
        gateway,
        builders.activated("SVC-1"),
        builders.activated("SVC-2"),
        builders.activated("NOC-1", source=NOC, revision=None),
    )
    mine, _ = walk(gateway.client())
    assert ids(mine) == {"SVC-1", "SVC-2"}
    assert {each["owner"] for each in mine} == {builders.SOURCE}
    assert ids(walk(gateway.client("read", sources=[NOC]))[0]) == {"NOC-1"}
    assert ids(walk(gateway.client("ops", sources=[]))[0]) == {"SVC-1", "SVC-2", "NOC-1"}
    assert walk(gateway.client("read", sources=["urn:isp:other"]))[0] == []
    refusal(gateway.client("publish").get("/v1/services"), 403, "scope-missing")
    refusal(gateway.client_of("").get("/v1/services"), 401, "unauthorized")


def test_it_can_be_narrowed_by_router_status_and_sync(gateway):
    fold(
        gateway,
        builders.activated("SVC-1"),
        builders.suspended("SVC-1", revision=2),
        builders.activated("SVC-2", router="tower-9", mac=builders.mac(2)),
    )
    client = gateway.client()
    (suspended,) = walk(client, status="suspended")[0]
    assert suspended["service"] == "SVC-1"
    router = suspended["router"]
    assert ids(walk(client, router=router)[0]) == {"SVC-1"}
    assert ids(walk(client, router="tower-9")[0]) == {"SVC-2"}
    assert walk(client, router="tower-9", status="suspended")[0] == []
    assert walk(client, router="nowhere")[0] == []
    assert ids(walk(client, sync="pending")[0]) == {"SVC-1", "SVC-2"}
    assert walk(client, sync="in_sync")[0] == []


def test_many_come_in_pages_each_at_least_once(gateway):
    names = [f"SVC-{n}" for n in range(300)]
    fold(gateway, *(builders.activated(name) for name in names))
    found, pages = walk(gateway.client(), most=20)
    assert ids(found) == set(names)
    assert pages > 5
    assert ids(walk(gateway.client(), most=7, router=found[0]["router"])[0]) == set(names)


def test_a_page_reads_a_bounded_part_of_the_store(gateway, client, prefix):
    for number in range(3000):
        client.set(f"{prefix}other:{number}", "")
    fold(gateway, builders.activated("SVC-1"))
    before = client.info("commandstats")["cmdstat_scan"]["calls"]
    page = gateway.client().get("/v1/services", params={"most": 1}).json()
    assert "next" in page
    assert client.info("commandstats")["cmdstat_scan"]["calls"] - before <= 20
    assert ids(walk(gateway.client(), most=100)[0]) == {"SVC-1"}


@pytest.mark.parametrize(
    "query",
    [{"cursor": "x"}, {"cursor": "9" * 20}, {"most": 0}, {"most": 501}, {"status": "x"}],
)
def test_invalid_filters_and_cursors_are_refused(gateway, query):
    refusal(gateway.client().get("/v1/services", params=query), 400, "malformed")


def test_it_counts_against_the_rate(gateway):
    client = gateway.client(rate=1.0)
    answers = [client.get("/v1/services") for _ in range(4)]
    refusal(answers[-1], 429, "rate-limited")
