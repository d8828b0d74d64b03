"""The list of routers: the state by which it is sorted is the one that each row shows."""

from dataclasses import replace

import pytest
import redis
from redis.client import Pipeline

from worker.admin.router_documents import PAGE, STATES, list_document
from worker.core.policy.circuit import RouterState
from worker.core.policy.policy import RouterPolicy
from worker.inventory import RouterConfig

pytestmark = pytest.mark.redis

NOW_MS = 1_800_000_000_000
STORED = {
    "up": None,
    "draining": RouterState("up", since_ms=NOW_MS, away_since_ms=NOW_MS - 1),
    "blocked": RouterState("blocked", since_ms=NOW_MS, cause="orphans", message="of another"),
    "unreachable": RouterState("unreachable", since_ms=NOW_MS, next_at_ms=NOW_MS + 1),
    "probing": RouterState("unreachable", since_ms=NOW_MS),
    "policy-changed": RouterState("policy-changed", message="see apply"),
    "observed": None,
}


def config(name):
    policy = RouterPolicy("acme", mode="observe" if name == "observed" else "manage")
    return RouterConfig(
        name=name, host=name, port=8729, transport="api-ssl", username="leasewire", policy=policy
    )


def seen(store, *names):
    store.client.hset(store.keys.fleet.full_reads, mapping=dict.fromkeys(names, "1"))


@pytest.fixture
def configs(store):
    for name, state in STORED.items():
        if state is not None:
            store.client.set(store.keys.router(name).state, state.to_json())
    seen(store, *STORED)
    store.client.set(store.keys.router("probing").lock, "a worker")
    store.fleet.pause("paused", "firmware", "anna")
    return {name: config(name) for name in (*STORED, "paused", "new")}


def test_each_state_is_shown_as_it_is_sorted(store, configs):
    document = list_document(store, configs, "", "", 1)
    assert [row["shown"] for row in document["routers"]] == list(STATES)
    assert [row["router"] for row in document["routers"]] == list(STATES)
    assert document["states"] == dict.fromkeys(STATES, 1)
    for state in STATES:
        (row,) = list_document(store, configs, "", state, 1)["routers"]
        assert row["router"] == state


def test_of_routers_in_one_state_the_longest_in_it_and_the_oldest_work_come_first(store):
    names = ["a", "b", "c", "d"]
    seen(store, *names)
    store.client.zadd(store.keys.routers_due, {"c": NOW_MS, "d": NOW_MS - 1})
    for name, since_ms in (("a", NOW_MS), ("b", NOW_MS - 1)):
        state = replace(STORED["unreachable"], since_ms=since_ms)
        store.client.set(store.keys.router(name).state, state.to_json())
    configs = {name: config(name) for name in [*names, "e"]}
    seen(store, "e")
    rows = list_document(store, configs, "", "", 1)["routers"]
    assert [row["router"] for row in rows] == ["b", "a", "d", "c", "e"]


def test_a_part_of_the_name_finds_in_any_case_and_pages_have_fifty(store):
    names = [f"Tower-{n:03}" for n in range(PAGE + 10)] + ["mast"]
    configs = {name: config(name) for name in names}
    first = list_document(store, configs, "tower", "", 1)
    second = list_document(store, configs, "tower", "", 2)
    assert (first["found"], first["total"], first["more"]) == (PAGE + 10, PAGE + 11, True)
    shown = [row["router"] for page in (first, second) for row in page["routers"]]
    assert shown == names[:-1]
    assert not second["more"]
    assert list_document(store, configs, "tower", "", 3)["routers"] == []


def test_an_inventory_without_routers_has_an_empty_list(store):
    assert list_document(store, {}, "", "", 1)["routers"] == []


def test_a_page_costs_the_same_round_trips_however_many_routers(store, configs, monkeypatch):
    trips = []
    for kind, name in ((redis.Redis, "execute_command"), (Pipeline, "execute")):
        monkeypatch.setattr(kind, name, counted(getattr(kind, name), trips))

    def made(many):
        trips.clear()
        list_document(store, many, "", "", 1)
        return len(trips)

    few = made(configs)
    assert 0 < few <= 12
    assert made(configs | {f"r{n}": config(f"r{n}") for n in range(300)}) == few


def counted(method, trips):
    def counting(*arguments, **options):
        trips.append(method)
        return method(*arguments, **options)

    return counting
