"""The basic story of a service over each transport, with real workers."""

import pytest

from tests import builders
from tests.installation import LEASES, SERVER, TRANSPORTS, Installation, names_both
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, names_both]


@pytest.fixture
def here(short_directory, transport):
    with Installation(short_directory, transport=transport, menu=LEASES) as installation:
        yield installation


def applied(here, *events):
    here.publisher.publish(events)
    eventually(
        lambda: all((o := here.outcome(e)) and o.state == "applied" for e in events),
        f"applied: {[here.outcome(event) for event in events]}",
        within_s=20,
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_service_lives_and_ends(here, transport):
    checked = here.leasewire("routers", "check", "R1")
    assert checked.returncode == 0, checked.stdout
    here.start_workers("events", "routers")
    place = {"server": SERVER, "mac": builders.mac(1), "ipv4": builders.ipv4(10)}
    applied(here, builders.activated(**place))
    (made,) = here.rows("R1")["SVC-1"]
    assert (made["mac-address"], made["address"]) == (builders.mac(1), builders.ipv4(10))
    applied(here, builders.mac_changed(mac=builders.mac(2)))
    applied(here, builders.suspended())
    (row,) = here.rows("R1")["SVC-1"]
    assert (row[".id"], row["mac-address"]) == (made[".id"], builders.mac(2))
    assert row["block-access"] == "true"
    applied(here, builders.resumed())
    (row,) = here.rows("R1")["SVC-1"]
    assert row.get("block-access", "false") == "false"
    assert here.leasewire("plan", "R1").returncode == 0
    applied(here, builders.cancelled())
    assert here.rows("R1") == {}
    journal = here.control["R1"].journal()
    assert {entry["session"].partition(":")[0] for entry in journal} == {transport}
    assert [entry["command"] for entry in journal] == [
        f"{LEASES}/{name}" for name in ("add", "set", "set", "set", "remove")
    ]


@pytest.mark.parametrize("transport", ["rest"])  # the API's are in tests/faults
def test_a_router_that_loses_replies_and_power_is_caught_up_with(here):
    router = here.control["R1"]
    router.set_faults(lose_replies=2, fault_command="/lease/add")
    here.start_workers("events", "routers")
    events = [
        builders.activated(f"SVC-{n}", server=SERVER, mac=builders.mac(n), ipv4=builders.ipv4(n))
        for n in range(1, 31)
    ]
    applied(here, *events[:20])
    router.power_off()
    here.publisher.publish(events[20:])
    eventually(
        lambda: here.store.views.state("R1").state != "up", "R1 is out of reach", within_s=20
    )
    router.power_on()
    applied(here, *events)
    here.wait_until_settled()
    assert len(here.rows("R1")) == 30
    added = [entry for entry in router.journal() if entry["command"] == f"{LEASES}/add"]
    assert len(added) == 30
