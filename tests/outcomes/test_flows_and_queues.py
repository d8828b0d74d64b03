"""Connections that pass by what was changed, and queues of our own: when they are said to act."""

from dataclasses import replace

import pytest

from tests import builders
from tests.outcomes.test_effects import (
    ADDRESS,
    FACTS,
    MAC,
    POLICY,
    SERVER,
    Watched,
    bound,
    change,
    here,
    plan,
)

__all__ = ["bound", "here"]

pytestmark = [pytest.mark.redis, pytest.mark.router]

CONNECTIONS = "/ip/firewall/connection"


@pytest.mark.parametrize("ports", ["joined", "apart"])
def test_a_suspension_is_not_acting_while_a_fasttracked_flow_is_left(ports):
    never = f'{POLICY}\ncut_connections = "never"'
    with Watched(routers=1, defaults=never) as here:
        here.r["R1"].set_switches(connection_ports=ports)
        here.apply(builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER))
        here.device()
        here.know(replace(FACTS, fasttrack=True))
        here.read()
        here.r["R1"].open_connections([ADDRESS], fasttrack=True)
        here.apply(builders.suspended(revision=2))
        assert here.read() == ["not-acting-yet: flows-left"]
        assert "1 tracked connections of 223.203.225.10 pass by FastTrack" in here.said[0].detail
        (row,) = here.r["R1"].rows(CONNECTIONS)
        here.r["R1"].remove_row(CONNECTIONS, row[".id"])
        assert here.read() == ["acting"]


def test_a_suspension_whose_flows_were_cut_acts_at_once(bound):
    bound.know(replace(FACTS, fasttrack=True))
    bound.r["R1"].open_connections([ADDRESS], each=3, fasttrack=True)
    bound.apply(builders.suspended(revision=2))
    assert bound.read() == ["acting"]
    assert bound.said[0].effective_by.startswith("connection-cut")


def test_a_rate_is_not_acting_while_a_fasttracked_flow_passes_by_the_queues(bound):
    bound.know(replace(FACTS, fasttrack=True))
    bound.r["R1"].open_connections([ADDRESS], fasttrack=True)
    bound.apply(change("plan_changed", 2, plan=plan(5_000, 20_000)))
    assert bound.read() == ["not-acting-yet: flows-left"]


def test_a_rate_of_an_own_queue_acts_when_the_queue_stands():
    with Watched(routers=1, defaults=f'{POLICY}\nrates = "queue"') as here:
        here.apply(builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER, plan=plan(1, 2)))
        here.device()
        here.read()
        here.apply(change("plan_changed", 2, plan=plan(5_000, 20_000)))
        assert here.read() == ["acting"]
        assert here.said[0].effective_by.startswith("own-queue")
        assert here.said[0].detail.startswith(f"{ADDRESS} is limited to 5M/20M")
