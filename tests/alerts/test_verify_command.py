"""`leasewire services verify`: row, device, ping from the router and its log, each with advice."""

import pytest

from tests.builders import activated, ipv4, mac, suspended

pytestmark = [pytest.mark.redis, pytest.mark.router]

SERVER = "dhcp-vlan-32"
LEASES = "/ip/dhcp-server/lease"


def checks(answer):
    return {check["what"]: check["level"] for check in answer.document["checks"]}


def test_customer_who_is_online_is_all_ok(world, leasewire):
    world.r1.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)))
    world.converge.run("R1")
    world.r1.device(mac(1), server=SERVER)
    answer = leasewire("services", "verify", "SVC-1", "--json")
    found = checks(answer)
    assert answer.code == 0
    assert found == dict.fromkeys(("service", "row", "device", "ping", "log"), "ok")
    assert mac(1) in answer.out


def test_failures_are_reported_with_advice(world, leasewire):
    world.r1.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)))
    world.converge.run("R1")
    answer = leasewire("services", "verify", "SVC-1", "--json")
    assert (answer.code, checks(answer)["device"]) == (0, "warn")  # just written
    (row,) = [lease for lease in world.r1.rows(LEASES) if lease["mac-address"] == mac(1)]
    world.r1.set_row(LEASES, row[".id"], {"address": ipv4(200)})
    answer = leasewire("services", "verify", "SVC-1", "--json")
    assert checks(answer)["row"] == "fail"
    (line,) = [check for check in answer.document["checks"] if check["what"] == "row"]
    assert "leasewire plan R1" in line["advice"]
    world.say(suspended("SVC-1"))
    assert checks(leasewire("services", "verify", "SVC-1", "--json")) == {"service": "fail"}
    assert leasewire("services", "verify", "SVC-9").code == 1


def test_router_that_may_not_ping_for_us_is_a_warning(world, leasewire):
    world.r1.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)))
    world.converge.run("R1")
    world.r1.device(mac(1), server=SERVER)
    for group in world.r1.rows("/user/group"):
        if "test" in group["policy"].split(","):
            world.r1.set_row("/user/group", group[".id"], {"policy": "!test"})
    answer = leasewire("services", "verify", "SVC-1", "--json")
    assert (answer.code, checks(answer)["ping"]) == (0, "warn")
    assert "policy test" in answer.out
