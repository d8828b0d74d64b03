"""What a pass concludes from a router that does not do as it is told."""

import pytest

from tests.builders import activated, ipv4, lease, mac, mac_changed
from tests.worker.memory_router import MemoryRouter
from worker.convergence.router_pass import Converge
from worker.core.effect.rungs import describe
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import OPTIONS

pytestmark = pytest.mark.redis


def converge(desk, router, policy=None):
    policies = {"R1": policy or RouterPolicy("acme", "dhcp1")}
    Converge(desk.store, router, policies).run("R1")


def test_a_field_that_does_not_stick_is_told_with_both_values_and_left_alone(desk):
    router = MemoryRouter([lease("*1", service_id="SVC-1")])
    router.stubborn = {"lease-time"}
    event = activated(mac=mac(1), ipv4=ipv4(10))
    desk.send(event)
    policy = RouterPolicy("acme", "dhcp1", lease_time="30m")
    converge(desk, router, policy)
    (dead_letter,) = desk.dead_letters.values()
    assert dead_letter.reason == "does-not-stick"
    assert dead_letter.detail == "written twice and still not so: set *1 lease-time:  -> 30m"
    assert desk.state(event) == "failed: does-not-stick"
    assert len(router.written) == 2
    converge(desk, router, policy)
    assert len(router.written) == 2


def test_a_refused_option_is_the_fault_of_all_who_need_it_and_of_nobody_else(desk):
    router = MemoryRouter()
    router.refuses = {OPTIONS: "invalid value for argument value"}
    events = [
        activated(f"SVC-{n}", mac=mac(n), ipv4=ipv4(n), dns_servers=["198.51.100.53"])
        for n in (1, 2, 3)
    ]
    other = activated("SVC-9", mac=mac(9), ipv4=ipv4(9))
    desk.send(*events, other)
    converge(desk, router)
    assert {desk.state(event) for event in events} == {"failed: operation-refused"}
    assert desk.state(other) == "applied"
    assert [operation.menu for operation in router.written].count(OPTIONS) == 1
    assert {row.menu for row in router.tables.rows()} == {"/ip/dhcp-server/lease"}


def test_what_changes_a_lease_says_from_when_it_acts_and_what_changes_nothing_does_not(desk):
    router = MemoryRouter()
    first = activated(mac=mac(1), ipv4=ipv4(10))
    desk.send(first)
    converge(desk, router)
    change = mac_changed(mac=mac(2))
    desk.send(change)
    converge(desk, router)
    until = "at the latest by the end of the lease time of DHCP server dhcp1"
    said = describe(desk.outcome(change).effective_by)
    assert said == f"at the device's next renewal, {until}"
    again = mac_changed(mac=mac(2), revision=3)
    desk.send(again)
    converge(desk, router)
    assert desk.state(again) == "applied: already-current"
    assert desk.outcome(again).effective_by == ""
