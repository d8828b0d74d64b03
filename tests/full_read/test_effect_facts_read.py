"""A full read finds what decides when changes act, keeps it, and alerts on what defeats them."""

import pytest

from tests.full_read.test_hourly_reports import make_due

pytestmark = [pytest.mark.redis, pytest.mark.router]

FILTER = "/ip/firewall/filter"
SERVER = "dhcp-vlan-32"
UP = {"src-address-list": "suspended", "dst-address-list": "!suspended-garden"}
DOWN = {"dst-address-list": "suspended", "src-address-list": "!suspended-garden"}
LIST = ('password_file = "secret"', 'password_file = "secret"\nsuspend_list = "suspended"')


def add(router, action, **more):
    return router.add_row(FILTER, {"chain": "forward", "action": action, **more})


@pytest.fixture
def read(world, edited):
    """The next full read, with a list for suspended services; returns the open alerts."""
    _, converge = edited(LIST)

    def go():
        make_due(world)
        converge.run("R1")
        return {alert.kind: alert.text for alert in world.context.store.alerts.all_open()}

    return go


def facts(world):
    return world.context.store.memory.effect("R1")


def test_before_a_full_read_nothing_is_known(world):
    assert facts(world).read_at_ms == 0
    assert facts(world).suspension == "none"


def test_the_order_of_rules_is_found_and_what_is_wrong_is_told(world, read):
    first = read()
    assert "no firewall rules drop all packets" in first["suspension-rule"]
    assert (facts(world).suspension, facts(world).fasttrack) == ("none", False)

    add(world.r1, "fasttrack-connection", **{"connection-state": "established,related"})
    for matchers in (UP, DOWN):
        add(world.r1, "drop", **matchers)
    second = read()
    assert "suspension-rule" not in second
    assert "action=fasttrack-connection" in second["fasttrack-defeats-suspension"]
    assert (facts(world).suspension, facts(world).fasttrack) == ("after-fasttrack", True)

    fasttrack = next(r for r in world.r1.rows(FILTER) if r["action"] == "fasttrack-connection")
    world.r1.remove_row(FILTER, fasttrack[".id"])
    assert read() == {}
    assert (facts(world).suspension, facts(world).fasttrack) == ("first", False)
    assert facts(world).version == (7, 18, 2)
    assert facts(world).lease_times_s[SERVER] > 0


def test_a_rule_that_accepts_before_ours_is_named(world, read):
    add(world.r1, "accept", comment="let them all in")
    for matchers in (UP, DOWN):
        add(world.r1, "drop", **matchers)
    assert "comment 'let them all in'" in read()["suspension-rule"]
