"""Claims as an operator sees and moves them."""

import pytest

from tests import builders
from tests.leasewire.conftest import LEASES
from tests.refusals import refused

pytestmark = [pytest.mark.redis, pytest.mark.router]

ADDRESS = builders.ipv4(10)


def activated(n, **given):
    fields = {"router": "R1", "server": None, "mac": builders.mac(n), "ipv4": ADDRESS} | given
    return builders.activated(f"SVC-{n}", **fields)


def passes(world, times=2):
    store = world.context.store
    for _ in range(times):
        store.client.delete(store.keys.router("R1").notified)
        world.converge.run("R1")


def addresses(world):
    return {
        row["comment"].rpartition(":")[2]: row["address"]
        for row in world.r1.rows(LEASES)
        if row.get("comment", "").startswith("leasewire:")
    }


def reasons(world):
    waiting = world.context.store.views.router_waiting("R1")
    return {service: why["detail"] for service, why in waiting.items()}


def test_claims_show_who_holds_and_who_waits(world, leasewire):
    world.say(activated(1), activated(2))
    passes(world)
    (claim,) = leasewire("claims", "show", ADDRESS, "--json").document["claims"]
    assert (claim["service"], claim["state"], claim["waiters"]) == ("SVC-1", "held", ["SVC-2"])
    (mac,) = leasewire("claims", "show", "00-00-5e-00-53-01", "--json").document["claims"]
    assert (mac["service"], mac["scope"]) == ("SVC-1", "dhcp-vlan-32")
    waited = leasewire("claims", "list", "--router", "R1", "--waited-for", "--json").document
    assert [each["claim"] for each in waited["claims"]] == [f"address:{ADDRESS}"]
    assert leasewire("claims", "show", "nonsense").code == 2


def test_a_moved_claim_makes_its_holder_wait_and_comes_back(world, leasewire):
    world.say(activated(1), activated(2))
    passes(world)
    move = ("claims", "move", ADDRESS, "--router", "R1", "--from", "SVC-1", "--to", "SVC-2")
    assert "Run with --apply" in leasewire(*move).out
    assert addresses(world) == {"SVC-1": ADDRESS}
    moved = leasewire(*move, "--apply", "--actor", "noc-7")
    assert moved.code == 0
    passes(world)
    assert addresses(world) == {"SVC-1": "0.0.0.0", "SVC-2": ADDRESS}  # noqa: S104 - a field's value
    assert reasons(world) == {"SVC-1": f"address:{ADDRESS} is held by service SVC-2 (active)"}
    for service in ("SVC-1", "SVC-2"):
        history = world.context.store.views.service(service, ["R1"]).history
        (line,) = [line for line in history if line["what"] == "claim moved"]
        assert (line["by"], line["from"], line["to"]) == ("noc-7", "SVC-1", "SVC-2")
    assert leasewire(*move, "--apply").code == 1  # SVC-1 has it no more
    (entry,) = world.context.store.audit.entries()
    assert (entry.by, entry.what, entry.subject) == ("noc-7", "claim.moved", f"address:{ADDRESS}")
    world.say(builders.cancelled("SVC-2"))
    passes(world)
    assert addresses(world) == {"SVC-1": ADDRESS}


def test_what_a_third_one_holds_stops_a_move_and_changes_nothing(world, leasewire):
    world.say(activated(1), activated(3, ipv4=builders.ipv4(30)))
    world.say(activated(2, mac=builders.mac(3)))
    passes(world)
    before = leasewire("claims", "list", "--json").document
    move = ("claims", "move", ADDRESS, "--router", "R1", "--from", "SVC-1", "--to", "SVC-2")
    refused = leasewire(*move, "--apply")
    assert refused.code == 1
    assert "SVC-3" in refused.err
    assert leasewire("claims", "list", "--json").document == before
    assert leasewire(*move[:-1], "SVC-3", "--apply").code == 1  # SVC-3 wants another address


def test_a_contract_moves_from_a_cancelled_service_at_once(world):
    world.say(activated(1))
    passes(world, 1)
    world.say(builders.cancelled("SVC-1"), activated(2, mac=builders.mac(1)))
    passes(world, 1)
    assert addresses(world) == {"SVC-2": ADDRESS}
    assert reasons(world) == {}
    assert refused(world.r1) == {}


def test_claims_of_prefixes_are_shown_and_moved_by_any_address_in_them(world, leasewire):
    def with_prefix(n, prefix):
        block = {"prefix": {"mode": "static", "ipv6": prefix}}
        return activated(n, ipv4=builders.ipv4(100 + n), ipv6=block)

    world.say(with_prefix(1, "2001:db8:1::/48"), with_prefix(2, "2001:db8:1:ff00::/56"))
    passes(world)
    (claim,) = leasewire("claims", "show", "2001:db8:1:FF05::1", "--json").document["claims"]
    assert (claim["claim"], claim["service"]) == ("prefix:2001:db8:1::/48", "SVC-1")
    assert claim["waiters"] == ["SVC-2"]
    key = ("claims", "move", "2001:db8:1:ff00::/56", "--router", "R1")
    moved = leasewire(*key, "--from", "SVC-1", "--to", "SVC-2", "--apply", "--actor", "noc-7")
    assert (moved.code, "prefix:2001:db8:1::/48 on R1: from SVC-1" in moved.out) == (0, True)
    passes(world)
    (claim,) = leasewire("claims", "show", "2001:db8:1::/48", "--json").document["claims"]
    assert (claim["service"], claim["waiters"]) == ("SVC-2", ["SVC-1"])
    assert leasewire("claims", "show", "2001:db8::/129").code == 2


@pytest.mark.parametrize(
    ("noun", "none"), [("services", "No services."), ("claims", "No such claims.")]
)
def test_a_list_says_where_it_is_asked_for_an_unknown_router(noun, none, world, leasewire):
    unknown = leasewire(noun, "list", "--router", "R-1")
    assert (unknown.code, unknown.out) == (2, "")
    assert "there is no router R-1; did you mean R1?" in unknown.err
    assert leasewire(noun, "list", "--router", "R2").out == f"{none}\n"
    world.say(builders.activated("SVC-1", router="gone", server=None))
    assert "gone" in leasewire("services", "list", "--router", "gone").out
