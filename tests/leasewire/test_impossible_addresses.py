"""Addresses that no device can use are told wherever a person looks, and the router's own wait."""

import pytest

from tests.builders import activated, mac
from tests.leasewire.conftest import LEASES

pytestmark = [pytest.mark.redis, pytest.mark.router]

OUTSIDE, BROADCAST, FINE = "10.9.9.9", "223.203.225.255", "223.203.225.40"
OWN = "223.203.225.1"


def given(service, number, address):
    return activated(service, server=None, mac=mac(number), ipv4=address)


@pytest.fixture
def three(world):
    """Three services whose addresses fit, and fit not."""
    world.say(given("SVC-1", 1, OUTSIDE), given("SVC-2", 2, BROADCAST), given("SVC-3", 3, FINE))
    world.converge.run("R1")
    return world


def test_the_routers_own_address_is_never_written(world, leasewire):
    world.say(given("SVC-1", 1, OWN), given("SVC-3", 3, FINE))
    world.converge.run("R1")
    assert [row["address"] for row in world.r1.rows(LEASES)] == [FINE]
    [listed, _] = leasewire("services", "list", "--json").document["services"]
    assert (listed["sync"], listed["reason"]) == ("waiting", "address-of-router")
    why = leasewire("why", "SVC-1")
    assert why.code == 1
    assert f"{OWN} is the router's own address on vlan-32" in why.out
    assert "address-of-router" in leasewire("services", "verify", "SVC-1").out
    plan = leasewire("plan", "R1")
    assert f"? SVC-1: waits (address-of-router): {OWN} is the router's own address" in plan.out
    [own] = world.r1.rows("/ip/address")
    world.r1.set_row("/ip/address", own[".id"], {"address": "223.203.225.2/24"})
    [network] = world.r1.rows("/ip/dhcp-server/network")
    world.context.store.routers.add_work("R1", ["SVC-1"])
    world.converge.run("R1")
    assert "is the gateway of 223.203.225.0/24" in leasewire("why", "SVC-1").out
    gateway = {"gateway": "223.203.225.2"}
    world.r1.set_row("/ip/dhcp-server/network", network[".id"], gateway)
    world.context.store.routers.add_work("R1", ["SVC-1"])
    world.converge.run("R1")
    assert {row["address"] for row in world.r1.rows(LEASES)} == {FINE, OWN}


@pytest.mark.parametrize("options", [(), ("--offline",)])
def test_why_says_that_no_device_can_use_an_address(three, leasewire, options):
    for service, code, message in (
        ("SVC-1", "address-outside-networks", "10.9.9.9 is in none of the router's DHCP networks"),
        ("SVC-2", "address-not-a-hosts", "is the broadcast address of 223.203.225.0/24"),
    ):
        [answer] = leasewire("why", service, "--json", *options).document["answers"]
        assert answer["code"] == code
        assert message in answer["sentence"]
        assert answer["advice"]


def test_verify_list_plan_and_status_say_it(three, leasewire):
    checks = leasewire("services", "verify", "SVC-1", "--json").document["checks"]
    assert {each["level"] for each in checks if each["what"] == "address"} == {"fail"}
    listed = leasewire("services", "list", "--json").document["services"]
    assert [(each["sync"], each.get("reason")) for each in listed] == [
        ("in_sync", "address-outside-networks"),
        ("in_sync", "address-not-a-hosts"),
        ("in_sync", None),
    ]
    plan = leasewire("plan", "R1")
    assert "! SVC-1: address-outside-networks: 10.9.9.9 is in none" in plan.out
    assert "! SVC-2: address-not-a-hosts" in plan.out
    assert "! SVC-3" not in plan.out
    assert plan.code == 0
    finding = "2 services have addresses that no device can use: SVC-1 on R1, SVC-2 on R1"
    assert finding in leasewire("status").out


def test_a_corrected_network_ends_it(three, leasewire):
    assert "no device can use" in leasewire("status").out
    [network] = three.r1.rows("/ip/dhcp-server/network")
    three.r1.add_row("/ip/dhcp-server/network", {"address": "10.9.9.0/24"})
    three.r1.set_row("/ip/dhcp-server/network", network[".id"], {"address": "223.203.224.0/21"})
    three.context.store.routers.add_work("R1", ["SVC-1", "SVC-2"])
    three.converge.run("R1")
    assert "no device can use" not in leasewire("status").out
    listed = leasewire("services", "list", "--json").document["services"]
    assert [each.get("reason") for each in listed] == [None, None, None]


def test_the_preview_of_a_file_says_it(three, leasewire, tmp_path):
    rows = [("SVC-5", 5, OUTSIDE), ("SVC-6", 6, OWN), ("SVC-7", 7, "223.203.225.47")]
    lines = ["service_id,router,mac,ipv4,revision"]
    lines += [f"{service},R1,{mac(number)},{address},1" for service, number, address in rows]
    file = tmp_path / "some.csv"
    file.write_text("\n".join(lines))
    shown = leasewire("import", str(file))
    assert f"! SVC-5: {OUTSIDE} is in none of the router's DHCP networks (R1)" in shown.out, shown
    assert f"! SVC-6: waits: {OWN} is the router's own address on vlan-32" in shown.out
    assert "! SVC-7" not in shown.out
    document = leasewire("import", str(file), "--json").document
    assert [message[:5] for message in document["warnings"]] == ["SVC-5", "SVC-6"]
