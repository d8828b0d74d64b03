"""DHCPv6 bindings in a full read: drift, reconcile, rebuild, orphans and the lease table."""

import pytest

from tests.bindings import duid
from tests.builders import activated, cancelled, event, ipv4, mac, suspended
from tests.full_read.ipv6 import BINDINGS, prefix, row_of, stated, with_ipv6, with_server6
from tests.full_read.test_hourly_reports import make_due
from tests.full_read.test_rebuilding_routers import look_now, restart, state
from tests.leasewire.conftest import LEASES
from worker.admin.last_written import LastWritten
from worker.convergence.full_read import read_fully
from worker.core.policy.policy import SUSPENDED6
from worker.core.rows.rows import ADDRESS_LISTS6 as LIST6

pytestmark = [pytest.mark.redis, pytest.mark.router]

STATIC = {"mode": "static", "ipv6": "2001:db8:9::/56"}


@pytest.fixture
def served(world):
    """SVC-1 to SVC-5, each with a lease and a binding."""
    with_server6(world.r1)
    world.say(*(stated(number) for number in range(1, 6)))
    world.drain()
    assert len(world.r1.rows(BINDINGS)) == 5
    return world


@pytest.fixture
def learned(world):
    """SVC-1, whose device was seen and learned."""
    with_server6(world.r1)
    world.say(with_ipv6(1))
    world.drain()
    world.r1.device6(mac(1))
    assert make_due(world)
    world.drain()
    assert row_of(world.r1, 1)["address"] == prefix(1)
    return world


def drift(leasewire):
    (document,) = leasewire("drift", "R1", "--json").document["routers"]
    return {(d["service"], d["kind"], d["menu"], d["field"], d["found"]) for d in document["drift"]}


def as_written(router):
    kept = ("address", "duid", "iaid", "server", "disabled", "comment")
    return sorted([row.get(name, "") for name in kept] for row in router.rows(BINDINGS))


def test_changes_of_bindings_by_hand_are_shown_and_put_right(served, leasewire):
    router, wanted = served.r1, as_written(served.r1)
    ids = {number: row_of(router, number)[".id"] for number in range(1, 6)}
    assert leasewire("drift", "R1").code == 0
    router.set_row(BINDINGS, ids[1], {"address": "2001:db8:9::/56"})
    router.set_row(BINDINGS, ids[2], {"comment": "mine"})
    router.remove_row(BINDINGS, ids[3])
    router.set_row(BINDINGS, ids[4], {"iaid": "77"})
    assert {d for d in drift(leasewire) if d[1] != "missing"} == {
        ("SVC-1", "changed", BINDINGS, "address", "2001:db8:9::/56"),
        ("SVC-2", "untagged", BINDINGS, "comment", "mine"),
        ("SVC-4", "changed", BINDINGS, "iaid", "77"),
    }
    assert {d[0] for d in drift(leasewire) if d[1:3] == ("missing", BINDINGS)} == {"SVC-3"}
    assert leasewire("reconcile", "R1", "--apply").code == 0
    served.drain()
    assert leasewire("drift", "R1").code == 0
    kept = [[*row[:-1], row[-1].removesuffix(" mine")] for row in as_written(router)]
    assert sorted(kept) == wanted


def test_a_binding_of_which_redis_lost_the_record_is_removed(served, leasewire):
    """Its service was activated without IPv6 when the event came again, and cancelled."""
    served.say(activated("SVC-9", server=None, mac=mac(9), ipv4=ipv4(109)))
    served.drain()
    served.say(cancelled("SVC-9", revision=2))
    served.drain()
    wanted = as_written(served.r1)
    comment = row_of(served.r1, 1)["comment"].replace("SVC-1", "SVC-9")
    lost = {"address": prefix(9), "duid": duid(9), "iaid": "9", "comment": comment}
    served.r1.add_row(BINDINGS, lost)
    served.r1.add_row(LIST6, {"list": SUSPENDED6, "address": prefix(9), "comment": comment})
    assert {found[:3] for found in drift(leasewire)} == {
        ("SVC-9", "duplicate", BINDINGS),
        ("SVC-9", "duplicate", LIST6),
    }
    assert leasewire("reconcile", "R1", "--apply").code == 0
    served.drain()
    assert as_written(served.r1) == wanted
    assert served.r1.rows(LIST6) == []
    assert leasewire("drift", "R1").code == 0


def test_a_binding_that_a_person_disabled_is_left_alone(served, leasewire):
    row = row_of(served.r1, 1)
    served.r1.set_row(BINDINGS, row[".id"], {"disabled": "yes"})
    ((service, kind, menu, field, _),) = drift(leasewire)
    assert (service, kind, menu, field) == ("SVC-1", "disabled", BINDINGS, "disabled")
    assert leasewire("reconcile", "R1", "--apply").code == 4
    served.drain()
    assert row_of(served.r1, 1)["disabled"] == "true"


def test_a_report_reads_the_ipv6_setup_again_over_a_session_that_stayed_open(world):
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)), stated(2))
    world.drain()
    waits = world.context.store.views.router_waiting("R1")
    assert list(waits) == ["SVC-2"]  # without a DHCPv6 server
    with_server6(world.r1)
    context = world.context
    session = world.converge.sessions.open("R1")
    policy = context.inventory.routers["R1"].policy
    read = read_fully(context.store, session, "R1", policy)
    world.converge.sessions.give_back("R1", session)
    assert read.plan.waiting == {}
    assert {operation.menu for operation in read.plan.operations} == {LEASES, BINDINGS}


def test_a_client_that_is_found_is_no_drift_and_is_learned_by_the_report(world, leasewire):
    with_server6(world.r1)
    world.say(with_ipv6(1))
    world.drain()
    world.r1.device6(mac(1))
    assert drift(leasewire) == set()
    assert "make static" in leasewire("plan", "R1").out
    assert make_due(world)
    world.drain()
    row = row_of(world.r1, 1)
    assert (row["duid"], row["address"], row["dynamic"]) == (duid(1), prefix(1), "false")
    assert "drift" not in {alert.kind for alert in world.context.store.alerts.all_open()}
    # Its device comes with another IAID: as little drift, and as soon learned.
    world.r1.skip(4 * 86_400)
    world.r1.device6(mac(1), iaid=9)
    assert drift(leasewire) == set()
    assert make_due(world)
    world.drain()
    row = row_of(world.r1, 1)
    assert (row["iaid"], row["address"]) == ("9", prefix(1))


def test_rebuilt_router_has_its_bindings_again_with_the_clients_that_were_learned(
    learned, leasewire
):
    learned.say(*(stated(number) for number in range(2, 9)))
    learned.drain()
    wanted = as_written(learned.r1)
    for menu in (LEASES, BINDINGS):
        learned.r1.remove_row(menu, *(row[".id"] for row in learned.r1.rows(menu)))
    restart(learned)
    learned.say(stated(9))
    learned.converge.run("R1")
    assert state(learned).cause == "rebuild"
    assert learned.r1.rows(BINDINGS) == []
    assert "approved" in leasewire("routers", "rebuild", "R1", "--apply").err
    look_now(learned)
    learned.drain()
    again = [row for row in as_written(learned.r1) if row[0] != prefix(9)]
    assert again == wanted


def test_bindings_of_unknown_services_are_orphans(served, leasewire):
    for number in (1, 2):
        fields = {"comment": f"leasewire:acme:GONE-{number} label"}
        served.r1.set_row(BINDINGS, row_of(served.r1, number)[".id"], fields)
    listed = leasewire("orphans", "list", "R1", "--json").document["orphans"]
    # Rows as last written are those of their services: only their tag was edited.
    assert listed == []
    served.r1.run(
        f"{BINDINGS}/add",
        {
            "address": "2001:db8:9::/56",
            "duid": "0x00030001aabb",
            "iaid": "1",
            "comment": "leasewire:acme:GONE-3",
        },
    )
    (orphan,) = leasewire("orphans", "list", "R1", "--json").document["orphans"]
    assert (orphan["service"], orphan["menu"]) == ("GONE-3", BINDINGS)
    assert orphan["fields"]["address"] == "2001:db8:9::/56"
    leases = leasewire("routers", "leases", "R1", "--json").document["leases"]
    assert [row["whose"] for row in leases if row["address"] == "2001:db8:9::/56"] == ["orphan"]
    assert leasewire("orphans", "remove", "R1", "--apply").code == 0
    assert leasewire("orphans", "list", "R1").code == 0
    assert len(served.r1.rows(BINDINGS)) == 5


def test_lease_table_says_whose_each_binding_is(learned, leasewire):
    router = learned.r1
    router.device6(mac(9))
    router.device6(mac(1), ia="pd", iaid=5)  # of the device of SVC-1 too
    by_hand = {"address": "2001:db8:9::/56", "duid": "0x00030001aabb", "iaid": "1"}
    router.run(f"{BINDINGS}/add", by_hand)
    shown = leasewire("routers", "leases", "R1", "--json").document["leases"]
    bindings = {(row["duid"], row["iaid"]): row for row in shown if "duid" in row}
    found = {client: (row["whose"], row.get("service")) for client, row in bindings.items()}
    assert found == {
        (duid(1), "1"): ("ours", "SVC-1"),
        (duid(1), "5"): ("service-device", "SVC-1"),
        (duid(9), "1"): ("unknown-device", None),
        ("0x00030001aabb", "1"): ("foreign", None),
    }
    assert bindings[duid(1), "1"]["address"] == prefix(1)
    table = leasewire("routers", "leases", "R1").out
    assert duid(9) in table
    assert shown[0]["address"] == ipv4(101)  # leases come first


def test_a_router_that_does_not_answer_is_planned_for_by_what_was_written(learned):
    learned.say(stated(2), with_ipv6(3), suspended("SVC-1", revision=2))
    learned.drain()
    context = learned.context
    policy = context.inventory.routers["R1"].policy
    last = LastWritten(context.store, "R1", policy)
    read = read_fully(context.store, last, "R1", last.policy)
    assert read.plan.operations == ()
    assert sorted(row.address for row in read.bindings) == [prefix(1), prefix(2)]
    change = event("address_changed", "SVC-2", revision=2, ipv6={"prefix": STATIC})
    learned.say(change)
    last = LastWritten(context.store, "R1", policy)
    (write,) = read_fully(context.store, last, "R1", last.policy).plan.operations
    assert (write.menu, write.fields["address"]) == (BINDINGS, STATIC["ipv6"])


def test_without_ipv6_no_menu_of_ipv6_bindings_is_read(world, leasewire):
    with_server6(world.r1)
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)))
    world.drain()
    world.r1.reset_counters()
    for arguments in (
        ("drift", "R1"),
        ("plan", "R1"),
        ("routers", "leases", "R1"),
        ("orphans", "list", "R1"),
        ("adopt", "R1"),
        ("why", "SVC-1"),
    ):
        leasewire(*arguments)
    read = [command for command in world.r1.counters() if command.startswith("/ipv6/")]
    assert read == []
    columns = leasewire("routers", "leases", "R1").out.splitlines()[0].lower()
    assert "duid" not in columns


def test_in_observe_mode_bindings_are_compared_and_nothing_is_written(world, edited, leasewire):
    with_server6(world.r1)
    accept, converge = edited(("[routers.R1]\n", '[routers.R1]\nmode = "observe"\n'))
    accept.run([stated(1), with_ipv6(2)], "events")
    converge.run("R1")
    world.r1.device6(mac(2))
    assert f"address={prefix(1)}" in leasewire("plan", "R1").out
    answers = {
        service: leasewire("why", service, "--json").document["answers"][0]["ipv6"]
        for service in ("SVC-1", "SVC-2")
    }
    assert {answer["code"] for answer in answers.values()} == {"observed-differs"}
    assert "no binding with its tag" in answers["SVC-1"]["sentence"]
    row = {"address": prefix(1), "duid": duid(1), "iaid": "1", "comment": "by hand"}
    world.r1.run(f"{BINDINGS}/add", row)
    world.r1.device6(mac(1))
    (answer,) = leasewire("why", "SVC-1", "--json").document["answers"]
    assert (answer["ipv6"]["code"], prefix(1) in answer["ipv6"]["sentence"]) == ("all-well", True)
    assert {entry["session"] for entry in world.r1.journal()} <= {"operator", "dhcp"}
