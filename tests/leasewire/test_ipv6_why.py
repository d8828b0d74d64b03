"""Why a customer has no prefix, over a router: from the first request of its device to its end."""

import pytest

from tests.builders import cancelled, mac, suspended
from tests.full_read.ipv6 import BINDINGS, prefix, row_of, stated, with_ipv6, with_server6

pytestmark = [pytest.mark.redis, pytest.mark.router]

DUID = "0x0003000100005e005301"


def ipv6(leasewire, subject="SVC-1", *more):
    """The answer about IPv6."""
    (answer,) = leasewire("why", subject, *more, "--json").document["answers"]
    return answer.get("ipv6", {})


@pytest.fixture
def one(world):
    world.say(with_ipv6(1))
    world.drain()
    return world


def test_each_step_from_a_router_without_server_to_a_device_with_its_prefix(one, leasewire):
    router = one.r1
    waits = leasewire("why", "SVC-1")
    assert (waits.code, "DHCPv6 server" in waits.out) == (1, True)
    with_server6(router)
    one.context.store.routers.add_work("R1", ["SVC-1"])
    one.drain()
    assert ipv6(leasewire)["code"] == "ipv6-client-unknown"
    assert ipv6(leasewire, "SVC-1", "--offline")["code"] == "ipv6-client-unknown"
    router.device6(mac(1))
    found = ipv6(leasewire)
    assert found["code"] == "ipv6-client-found"
    assert f"DUID {DUID}, IAID 1" in found["sentence"]
    one.context.store.routers.add_work("R1", ["SVC-1"])
    one.drain()
    router.device6_renews(mac(1))
    answer = ipv6(leasewire)
    assert answer["code"] == "all-well"
    assert prefix(1) in answer["sentence"]
    shown = leasewire("why", "SVC-1").out
    assert answer["sentence"].split(" on router")[0] in shown
    assert "device bound" in shown


def test_an_unknown_prefix_is_found_on_the_routers(one, leasewire):
    with_server6(one.r1)
    one.say(stated(2))
    one.drain()
    one.r1.device6(mac(9))  # rows of others say nothing of it
    assert "2001:db8:7::/56 is unknown" in leasewire("why", "2001:db8:7::/56").out
    fields = {"address": "2001:db8:7::/56", "duid": "0x00030001aabb", "iaid": "1"}
    row = one.r1.run(f"{BINDINGS}/add", fields)
    found = leasewire("why", "2001:db8:7::/56").out
    assert "No service has 2001:db8:7::/56, but router R1 has binding 2001:db8:7::/56" in found
    assert "not ours" in found
    one.r1.set_row(BINDINGS, row, {"comment": "leasewire:acme:GONE"})
    assert "an orphan" in leasewire("why", "2001:db8:7::/56").out


def test_what_people_do_to_a_binding_is_said(world, leasewire):
    with_server6(world.r1)
    world.say(stated(1))
    world.drain()
    assert ipv6(leasewire)["code"] == "ipv6-client-silent"
    row = row_of(world.r1, 1)[".id"]
    world.r1.set_row(BINDINGS, row, {"disabled": "yes"})
    assert ipv6(leasewire)["code"] == "binding-disabled"
    world.r1.set_row(BINDINGS, row, {"disabled": "no", "address": "2001:db8:9::/56"})
    assert ipv6(leasewire)["code"] == "binding-differs"
    world.r1.remove_row(BINDINGS, row)
    assert ipv6(leasewire)["code"] == "binding-missing"
    assert "removed by hand" in ipv6(leasewire)["sentence"]
    world.say(suspended("SVC-1", revision=2))
    world.drain()
    assert ipv6(leasewire) == {}  # suspended: said once for both


def test_two_clients_of_one_device_are_named(world, leasewire):
    with_server6(world.r1)
    world.say(with_ipv6(1))
    world.drain()
    world.r1.device6(mac(1))
    world.r1.device6(mac(1), iaid=2)
    answer = ipv6(leasewire)
    assert answer["code"] == "ipv6-client-ambiguous"
    assert "IAID 1" in answer["sentence"]
    assert "IAID 2" in answer["sentence"]
    assert "duid" in answer["advice"]


def test_verify_has_a_line_for_the_prefix(world, leasewire):
    def level():
        checks = leasewire("services", "verify", "SVC-1", "--json").document["checks"]
        return {check["what"]: check["level"] for check in checks}["prefix"]

    with_server6(world.r1)
    world.say(stated(1))
    world.drain()
    assert level() == "fail"
    world.r1.device6(mac(1))
    assert level() == "ok"


def test_a_prefix_and_an_address_in_it_lead_to_the_service(one, leasewire):
    for subject in (prefix(1), "2001:db8:1:1ab::5", "2001:0DB8:1:100::/56"):
        (answer,) = leasewire("why", subject, "--json").document["answers"]
        assert answer["service"] == "SVC-1"


def test_claim_of_another_service_is_named(world, leasewire):
    with_server6(world.r1)
    world.say(stated(1))
    world.drain()
    inside = {"mode": "static", "ipv6": prefix(1).replace("/56", "/60")}
    world.say(with_ipv6(2, prefix=inside))
    world.drain()
    (answer,) = leasewire("why", "SVC-2", "--json").document["answers"]
    assert answer["code"] == "claim-held"
    assert f"prefix {prefix(1)} is held by service SVC-1" in answer["sentence"]


def test_a_cancelled_service_gets_its_prefix_back_unless_another_has_it(world, leasewire):
    with_server6(world.r1)
    world.say(stated(1))
    world.drain()
    world.say(cancelled("SVC-1", revision=2))
    world.drain()
    assert world.r1.rows(BINDINGS) == []
    assert leasewire("services", "restore", "SVC-1").code == 0
    world.accept.run([], "events")
    world.drain()
    assert row_of(world.r1, 1)["address"] == prefix(1)
    world.say(cancelled("SVC-1", revision=3))
    inside = {"mode": "static", "ipv6": prefix(1).replace("/56", "/60")}
    world.say(with_ipv6(2, prefix=inside))
    world.drain()
    refused = leasewire("services", "restore", "SVC-1")
    assert "is held by service SVC-2" in refused.err


def test_the_document_of_a_service_has_its_bindings_as_last_written(one, leasewire):
    def bindings():
        (router,) = leasewire("services", "show", "SVC-1", "--json").document["routers"]
        return router.get("bindings")

    with_server6(one.r1)
    one.context.store.routers.add_work("R1", ["SVC-1"])
    one.drain()
    assert bindings() == [{"ia-type": "pd", "address": prefix(1), "server": "all"}]
    one.r1.device6(mac(1))
    one.context.store.routers.add_work("R1", ["SVC-1"])
    one.drain()
    client = {"duid": DUID, "iaid": "1"}
    assert bindings() == [{"ia-type": "pd", "address": prefix(1), "server": "all", **client}]
