"""What people changed on a router by hand is shown field by field, and put right when asked."""

import pytest

from tests.builders import activated, cancelled, ipv4, mac, mac_changed, suspended
from tests.leasewire.conftest import LEASES

pytestmark = [pytest.mark.redis, pytest.mark.router]

COMMENT = "leasewire:acme:SVC-{}"


def served(world, numbers):
    """Services SVC-1 and so on, each with its row on R1."""
    world.say(
        *(activated(f"SVC-{n}", server=None, mac=mac(n), ipv4=ipv4(100 + n)) for n in numbers)
    )
    world.converge.run("R1")


def row_of(world, number):
    tag = COMMENT.format(number)
    (row,) = [row for row in world.r1.rows(LEASES) if row.get("comment") == tag]
    return row[".id"]


def found(leasewire, *arguments):
    (document,) = leasewire(*arguments, "R1", "--json").document["routers"]
    return {
        (d["service"], d["kind"], d["field"], d["wanted"], d["found"]) for d in document["drift"]
    }


def writes(router):
    return [each for each in router.journal() if each["session"] != "operator"]


def test_thirty_changes_by_hand_are_shown_and_put_right(world, leasewire):
    served(world, range(1, 41))
    wanted = world.r1.rows(LEASES)
    expected = set()
    for n in range(1, 6):
        world.r1.set_row(LEASES, row_of(world, n), {"mac-address": mac(200 + n)})
        expected.add((f"SVC-{n}", "changed", "mac-address", mac(n), mac(200 + n)))
    for n in range(6, 11):
        world.r1.set_row(LEASES, row_of(world, n), {"address": ipv4(200 + n)})
        expected.add((f"SVC-{n}", "changed", "address", ipv4(100 + n), ipv4(200 + n)))
    for n in range(11, 16):
        world.r1.set_row(LEASES, row_of(world, n), {"block-access": "yes"})
        expected.add((f"SVC-{n}", "changed", "block-access", "no", "yes"))
    for n in range(16, 21):
        world.r1.set_row(LEASES, row_of(world, n), {"server": "all"})
        expected.add((f"SVC-{n}", "changed", "server", "dhcp-vlan-32", "all"))
    for n in range(21, 26):
        world.r1.set_row(LEASES, row_of(world, n), {"comment": "mine"})
        tag = f"{COMMENT.format(n)} mine"
        expected.add((f"SVC-{n}", "untagged", "comment", tag, "mine"))
    for n in range(26, 31):
        world.r1.remove_row(LEASES, row_of(world, n))
    shown = leasewire("drift", "R1")
    assert shown.code == 4
    assert "R1: 40 services, 35 rows; 30 services with drift" in shown.out
    drift = found(leasewire, "drift")
    assert {each for each in drift if each[1] != "missing"} == expected
    assert {each[0] for each in drift if each[1] == "missing"} == {
        f"SVC-{n}" for n in range(26, 31)
    }
    assert leasewire("reconcile", "R1", "--apply", "--actor", "ann").code == 0
    world.drain()
    assert leasewire("drift", "R1").code == 0

    def as_written(rows):
        kept = {".id", "comment"}
        return sorted(sorted((k, v) for k, v in row.items() if k not in kept) for row in rows)

    assert as_written(world.r1.rows(LEASES)) == as_written(wanted)
    (entry,) = leasewire("audit", "list", "--json").document["entries"]
    assert (entry["by"], entry["what"]) == ("ann", "router.reconciled")


def test_swapped_rows_are_shown_with_what_they_hold_and_not_with_a_placeholder(world, leasewire):
    served(world, (1, 2))
    first, second = row_of(world, 1), row_of(world, 2)
    world.r1.set_row(LEASES, first, {"address": ipv4(250)})
    world.r1.set_row(LEASES, second, {"address": ipv4(101)})
    world.r1.set_row(LEASES, first, {"address": ipv4(102)})
    assert found(leasewire, "drift") == {
        ("SVC-1", "changed", "address", ipv4(101), ipv4(102)),
        ("SVC-2", "changed", "address", ipv4(102), ipv4(101)),
    }


def test_what_is_to_be_written_anyway_is_no_drift(world, leasewire):
    served(world, (1, 2))
    world.say(mac_changed("SVC-1", mac(9)))
    shown = leasewire("drift", "R1")
    assert shown.code == 0
    assert "no drift, 1 pending" in shown.out


def test_rows_switched_off_or_copied_are_shown_and_left_to_people(world, leasewire):
    served(world, (1, 2))
    world.r1.set_row(LEASES, row_of(world, 1), {"disabled": "yes"})
    changes = {"mac-address": mac(7), "address": ipv4(77)}
    world.r1.copy_row(LEASES, row_of(world, 2), changes)
    assert {each[:3] for each in found(leasewire, "drift")} == {
        ("SVC-1", "disabled", "disabled"),
        ("SVC-2", "copied", ""),
    }
    before = writes(world.r1)
    assert leasewire("reconcile", "R1", "--apply").code == 4
    world.converge.run("R1")
    assert writes(world.r1) == before


def test_reconcile_shows_what_it_would_put_right_and_writes_only_with_apply(world, leasewire):
    served(world, (1, 2))
    row = row_of(world, 1)
    world.r1.set_row(LEASES, row, {"address": ipv4(250)})
    world.r1.set_row(LEASES, row_of(world, 2), {"disabled": "yes"})
    before = writes(world.r1)
    shown = leasewire("reconcile", "R1")
    assert shown.code == 4
    assert "R1: 1 service would be reconciled" in shown.out
    assert ipv4(250) in shown.out
    assert "Left to a person:" in shown.out
    (document,) = leasewire("reconcile", "R1", "--json").document["routers"]
    assert (document["applied"], document["reconcile"]) == (False, ["SVC-1"])
    world.drain()
    assert writes(world.r1) == before
    assert leasewire("audit", "list", "--json").document["entries"] == []
    shown = leasewire("reconcile", "R1", "--apply")
    assert shown.code == 4  # the disabled row is left
    assert "R1: 1 service queued to be reconciled" in shown.out
    world.drain()
    assert {each["address"] for each in world.r1.rows(LEASES)} == {ipv4(101), ipv4(102)}
    assert leasewire("reconcile", "R1").code == 4
    world.r1.set_row(LEASES, row_of(world, 2), {"disabled": "no"})
    assert leasewire("reconcile", "R1").code == 0


def test_row_of_a_service_that_ended_comes_back_with_an_old_backup(world, leasewire):
    served(world, (1, 2))
    backup = world.r1.snapshot()
    world.say(cancelled("SVC-2"))
    world.converge.run("R1")
    world.r1.restore(backup)
    ((service, kind, *_),) = found(leasewire, "drift")
    assert (service, kind) == ("SVC-2", "duplicate")
    assert leasewire("reconcile", "R1", "--apply").code == 0
    world.converge.run("R1")
    assert [row["comment"] for row in world.r1.rows(LEASES)] == [COMMENT.format(1)]


def test_row_in_an_address_list_is_missed(edited, world, leasewire):
    accept, converge = edited(("[defaults]", '[defaults]\nsuspend_list = "suspended"'))
    accept.run([activated("SVC-1", server=None), suspended("SVC-1")], "events")
    converge.run("R1")
    menu = "/ip/firewall/address-list"
    (row,) = world.r1.rows(menu)
    world.r1.remove_row(menu, row[".id"])
    ((service, kind, *_),) = found(leasewire, "drift")
    assert (service, kind) == ("SVC-1", "missing")


def test_every_router_is_read_and_an_unknown_one_refused(world, leasewire):
    world.r2.power_off()
    shown = leasewire("drift")
    assert shown.code == 3
    assert "R1: 0 services" in shown.out
    assert "router R2 is unreachable" in shown.err
    assert leasewire("drift", "R9").code == 2


def test_clean_entries_cost_one_read_of_each_menu_and_no_write(world, leasewire):
    served(world, range(1, 100))
    world.r1.reset_counters()
    journal = world.r1.journal()
    assert leasewire("drift", "R1").code == 0
    reads = {k: n for k, n in world.r1.counters().items() if k.endswith("/print")}
    assert reads["/ip/dhcp-server/lease/print"] == 1
    assert set(reads.values()) == {1}
    assert world.r1.journal() == journal
