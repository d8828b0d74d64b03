"""A router that the running workers do not know, or never reached, is not said to be up."""

import pytest

from tests.builders import activated, mac
from tests.signs import give_signs

pytestmark = [pytest.mark.redis, pytest.mark.router]


def test_why_says_which_inventory_the_running_workers_have(world, leasewire):
    """The command reads R1; the worker was started before it was added."""
    views = world.context.store.views
    give_signs(world.context.store, "routers@here:1")
    views.save_inventory("routers@here:1", world.context.store.records.now_ms() - 600_000)
    world.converge.policies.pop("R1")
    world.say(activated("SVC-1", server=None, ipv4="223.203.225.40"))
    world.converge.run("R1")
    [answer] = leasewire("why", "SVC-1", "--json").document["answers"]
    assert answer["code"] == "unknown-router"
    assert answer["sentence"].startswith("SVC-1 waits: the running workers read the inventory at ")
    assert answer["sentence"].endswith(", before router R1 was added")
    assert "SIGHUP" in answer["advice"]
    world.say(activated("SVC-2", server=None, mac=mac(2), router="R9"))
    world.converge.run("R9")
    [answer] = leasewire("why", "SVC-2", "--json").document["answers"]
    assert "router R9 is not in the inventory" in answer["sentence"]
    assert "the running workers read the inventory at" in answer["sentence"]


def test_a_router_that_nobody_reached_or_knows_is_not_up(world, leasewire):
    world.say(activated("SVC-1", server=None, ipv4="223.203.225.40"))
    world.converge.run("R1")
    world.say(activated("SVC-2", server=None, mac=mac(2), router="R9"))
    world.converge.run("R9")
    listed = leasewire("routers", "list", "--json").document["routers"]
    assert [(each["router"], each["state"]) for each in listed] == [("R1", "up"), ("R2", "new")]
    document = leasewire("status", "--json").document
    assert document["routers"] == {"new": 1, "unknown": 1, "up": 1}
    assert "routers" not in {each["what"] for each in document["findings"]}
