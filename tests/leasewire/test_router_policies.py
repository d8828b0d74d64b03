"""What people say of routers: policies, holds, replaced hardware, one router under two names."""

import pytest

from tests.builders import activated, cancelled, ipv4, mac
from tests.calls import lose_calls
from tests.leasewire.conftest import LEASES
from worker.store.batches import Busy

pytestmark = [pytest.mark.redis, pytest.mark.router]


def service(number, router="R1", **more):
    more = {"mac": mac(number), "ipv4": ipv4(number), "server": None, "router": router} | more
    return activated(f"SVC-{number}", **more)


def servers(handle):
    return sorted(row.get("server", "all") for row in ours(handle))


def ours(handle):
    return [row for row in handle.rows(LEASES) if "leasewire:acme:" in row.get("comment", "")]


def state(world, router="R1"):
    return world.context.store.views.state(router)


def now_due(world, router="R1"):
    """Let the wait of a parked router be over."""
    world.context.store.client.delete(world.context.store.keys.router(router).notified)


R1_ON_ALL = ("[routers.R1]\n", '[routers.R1]\ndhcp_server = "all"\n')


def test_changed_policy_writes_nothing_until_it_is_applied(world, edited, leasewire, capsys):
    world.say(service(1))
    world.converge.run("R1")
    accept, converge = edited(R1_ON_ALL)
    accept.run([service(2), service(3, router="R2")], "events")
    before = world.r1.journal()
    capsys.readouterr()
    for _ in range(3):
        now_due(world)
        converge.run("R1")
    assert capsys.readouterr().err.count("router.policy_changed") == 1, "told once"
    assert world.r1.journal() == before
    assert state(world).state == "policy-changed"
    assert world.context.store.views.router_queued("R1") == {"SVC-2"}
    converge.run("R2")
    assert servers(world.r2) == ["dhcp-vlan-32"]
    (shown, _) = leasewire("routers", "list", "--json").document["routers"]
    assert shown["state"] == "policy-changed"
    assert "leasewire routers apply R1" in shown["message"]

    dry = leasewire("routers", "apply")
    assert dry.code == 4
    assert 'R1: default_server: "dhcp-vlan-32" -> "all"' in dry.out
    assert "~ SVC-1: set" in dry.out
    assert "+ SVC-2: add" in dry.out
    assert "R2" not in dry.out
    now_due(world)
    converge.run("R1")
    assert world.r1.journal() == before

    done = leasewire("routers", "apply", "--apply", "--actor", "ada")
    assert (done.code, done.out) == (0, "R1: applied; 2 services queued\n")
    converge.run("R1")  # the one that an event had marked
    converge.run("R1")  # it rang for the other
    assert servers(world.r1) == ["all", "all"]
    assert state(world).state == "up"
    assert leasewire("routers", "apply").code == 0
    (entry,) = leasewire("audit", "list", "--json").document["entries"]
    assert (entry["by"], entry["what"], entry["subject"]) == ("ada", "router.policy_applied", "R1")
    # And who still has the former one stops in turn.
    world.say(service(4))
    before = world.r1.journal()
    world.converge.run("R1")
    assert world.r1.journal() == before


def test_policy_applied_during_a_pass_ends_it_and_keeps_its_marks(world):
    world.say(service(1))
    store = world.context.store
    acquired = store.routers.acquire("R1", "old", 10)
    store.fleet.apply_policy("R1", world.context.inventory.routers["R1"].policy, "ada")
    assert not store.routers.renew("R1", "old")
    assert not store.routers.next_batch("R1", "old", 10).held
    assert store.routers.acquire("R1", "new", 10) == Busy(), "the old one may be writing still"
    assert acquired.work_items[0].service_id in store.views.router_queued("R1")


def test_hold_during_a_backlog_stops_writes_and_release_goes_on(world, leasewire):
    world.say(service(1))
    world.converge.run("R1")
    held = leasewire("routers", "pause", "R1", "--reason", "new firmware", "--actor", "bob")
    assert held.code == 0
    world.say(*(service(n) for n in range(2, 7)))
    before = world.r1.journal()
    store = world.context.store
    world.converge.run("R1")
    now_due(world)  # even if what parks it were lost
    world.converge.run("R1")
    assert store.routers.sweep(0).routers == []
    assert world.r1.journal() == before
    assert store.views.router("R1").queued == 5
    (shown, other) = leasewire("routers", "list", "--json").document["routers"]
    assert (shown["state"], shown["paused_by"]) == ("paused", "bob")
    assert shown["message"] == "by bob: new firmware"
    assert shown["since"]
    assert other["state"] == "new"
    assert "Router R1 is paused" in leasewire("why", "SVC-2").out
    assert leasewire("routers", "resume", "R1", "--actor", "bob").code == 0
    store.client.delete(store.keys.sweep)
    lose_calls(store)
    assert store.routers.sweep(0).routers == ["R1"]
    world.converge.run("R1")
    assert len(ours(world.r1)) == 6
    assert leasewire("routers", "resume", "R1").code == 1
    entries = leasewire("audit", "list", "--json").document["entries"]
    assert [(entry["what"], entry["by"]) for entry in entries] == [
        ("router.resumed", "bob"),
        ("router.paused", "bob"),
    ]


def test_hold_takes_the_lease_from_a_pass_under_way(world):
    world.say(service(1))
    store = world.context.store
    assert store.routers.acquire("R1", "pass", 10).work_items
    assert 0 < store.fleet.pause("R1", "stop", "bob") <= store.routers.lock_ms
    assert store.routers.begin_writing("R1", "pass", (), ["SVC-1"]) is None
    assert store.client.zscore(store.keys.routers_due, "R1") is None, "it costs no message"
    store.fleet.resume("R1", "bob")
    assert store.routers.acquire("R1", "next", 10) == Busy(), "the pass may be writing still"


def test_replaced_hardware_is_written_to_only_after_replace(world, leasewire):
    world.say(service(1), service(2))
    world.converge.run("R1")
    old = world.r1.serial
    for row in ours(world.r1):
        world.r1.remove_row(LEASES, row[".id"])
    world.r1.set_serial("SWAPPED")
    world.r1.reset_sessions()
    world.say(service(3))
    before = world.r1.journal()
    world.converge.run("R1")
    assert (state(world).state, state(world).cause) == ("blocked", "serial-mismatch")
    assert world.r1.journal() == before
    assert "replace R1" in leasewire("plan", "R1").err
    dry = leasewire("routers", "replace", "R1")
    assert f"{old} -> SWAPPED" in dry.out
    now_due(world)
    world.converge.run("R1")
    assert world.r1.journal() == before
    done = leasewire("routers", "replace", "R1", "--apply", "--actor", "ada")
    assert "3 services queued" in done.out
    world.converge.run("R1")
    assert len(ours(world.r1)) == 3
    assert state(world).state == "up"


def test_serial_of_another_router_is_not_bound_to_a_second_name(world, leasewire):
    world.say(service(1), service(2, router="R2"))
    world.converge.run("R1")
    world.converge.run("R2")
    world.r1.set_serial(world.r2.serial)
    refused = leasewire("routers", "replace", "R1", "--apply")
    assert refused.code == 1
    assert "This is router R2" in refused.err


def test_two_names_of_one_router_block_both_until_one_goes(world, edited, leasewire, tmp_path):
    """Fault: the inventory leads to one router by two names."""
    world.say(service(1))
    world.converge.run("R1")
    path = tmp_path / "routers.toml"
    text = path.read_text()
    two = text.replace(
        "[routers.R2]",
        f'[routers.AGAIN]\nhost = "localhost"\nport = {world.r1.api_ssl_port}\n'
        f'fingerprint = "{world.r1.fingerprint_sha256}"\n[routers.R2]',
    )
    path.write_text(two)
    accept, converge = edited()
    accept.run([service(2, router="AGAIN"), service(3), service(4, router="R2")], "events")
    before = world.r1.journal()
    converge.run("AGAIN")
    converge.run("R1")
    converge.run("R2")
    for name, other in (("R1", "AGAIN"), ("AGAIN", "R1")):
        assert (state(world, name).state, state(world, name).cause) == ("blocked", "serial-shared")
        assert other in state(world, name).message
    assert world.r1.journal() == before
    assert len(ours(world.r2)) == 1
    # The second name goes: its service is cancelled, nothing wants it.
    path.write_text(text)
    accept, converge = edited()
    assert leasewire("routers", "retire", "AGAIN", "--apply").code == 1
    accept.run([cancelled("SVC-2")], "events")
    assert leasewire("routers", "retire", "AGAIN", "--apply").code == 0
    now_due(world)
    converge.run("R1")
    assert sorted(row["address"] for row in ours(world.r1)) == [ipv4(1), ipv4(3)]


def test_corrected_host_frees_both_names(world):
    fleet = world.context.store.fleet
    assert fleet.admit("A", "S1").verdict == "ok"
    assert fleet.admit("B", "S1").serials_or_names == ("A",)
    assert fleet.admit("A", "S1").verdict == "shared"
    assert fleet.admit("B", "S2").verdict == "ok"
    assert fleet.admit("A", "S1").verdict == "ok"
    assert fleet.admit("B", "S1").verdict == "mismatch"
    assert fleet.admit("A", "").verdict == "mismatch"
    assert fleet.admit("C", "").verdict == "ok"


def test_staging_with_an_empty_redis_writes_nothing(world):
    """Must be seen: 100 rows of another installation, 20 of its own that nobody here knows."""
    for number in range(120):
        installation = "acme" if number < 20 else "production"
        world.r1.add_row(
            LEASES,
            {
                "address": f"100.64.0.{number + 1}",
                "mac-address": f"00:00:5E:00:52:{number:02X}",
                "comment": f"leasewire:{installation}:OLD-{number}",
            },
        )
    world.say(service(1))
    before, rows = world.r1.journal(), world.r1.rows(LEASES)
    for _ in range(2):
        now_due(world)
        world.converge.run("R1")
    assert world.r1.journal() == before
    assert world.r1.rows(LEASES) == rows
    assert (state(world).state, state(world).cause) == ("blocked", "orphans")
    assert "20 of 20" in state(world).message
    # What the BSS says again is no orphan any more: it goes on by itself.
    for number in range(20):
        given = {"ipv4": f"100.64.0.{number + 1}", "mac": f"00:00:5E:00:52:{number:02X}"}
        world.say(activated(f"OLD-{number}", server=None, **given))
    now_due(world)
    world.converge.run("R1")
    assert state(world).state == "up"
    assert len(ours(world.r1)) == 21


def test_a_few_orphans_are_in_nobodys_way(world):
    world.say(*(service(n) for n in range(1, 21)))
    world.converge.run("R1")
    world.r1.add_row(
        LEASES,
        {
            "address": ipv4(200),
            "mac-address": mac(200),
            "comment": "leasewire:acme:ORPHAN",
        },
    )
    store = world.context.store
    store.client.delete(store.keys.fleet.full_reads)
    world.say(service(30))
    world.converge.run("R1")
    assert len(ours(world.r1)) == 22
