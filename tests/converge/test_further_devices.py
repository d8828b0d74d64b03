"""Services with several devices: a row for each, one outcome, one queue."""

from time import monotonic

import pytest

from tests import builders, ppp
from tests.builders import mac
from tests.converge.queues import (
    LEASE,
    LEASES,
    QUEUES,
    active,
    installation,
    ipv4,
    limit_watched,
    own,
    queues,
    report,
    switch,
)
from tests.converge.test_late_rows import add_late, recheck
from tests.converge.test_make_effective import ADDRESS, OTHER, passes, tracked, two_flows
from tests.installation import MAC_ENTRIES
from tests.ppp import PppInstallation
from tests.small_installation import SERVER, SmallInstallation, activated
from tests.user_manager import Users
from worker.admin.adoption import Adoption
from worker.admin.restore import restored
from worker.admin.router_actions import reconcile
from worker.convergence.concurrency import RouterLock
from worker.convergence.full_read import read_fully
from worker.errors import NotPossible

pytestmark = [pytest.mark.redis, pytest.mark.router]


def device(number, at=None, **given):
    """The further device with this number, at an address of the network."""
    address = {"mode": "static", "ipv4": ipv4(at or 10 + number)}
    return {"number": number, "mac": mac(at or 10 + number), "address": address, **given}


def event(name, revision, service_id="SVC-1", **data):
    return builders.event(name, service_id, revision=revision, **data)


def rows(here):
    """Comment -> MAC and address of our leases."""
    return {
        row["comment"]: (row["mac-address"], row["address"])
        for row in here.rows("R1")
        if row.get("comment", "").startswith("leasewire:")
    }


def tag(member):
    return f"leasewire:acme:{member}"


def at(number):
    return mac(number), ipv4(number)


def read(here):
    """A full read of the router, as reports and people make."""
    session = here.sessions.open("R1")
    try:
        return read_fully(here.store, session, "R1", here.policies["R1"])
    finally:
        here.sessions.give_back("R1", session)


def say(here, *events):
    """Say events and let passes do their work; returns the outcome of the last."""
    for said in events:
        here.say(said)
    here.drain()
    return here.outcome(events[-1])


def applied(here, *events):
    outcome = say(here, *events)
    assert outcome.startswith("applied"), outcome


def test_each_device_has_a_row_and_events_add_replace_and_remove_one():
    with installation(LEASES) as here:
        applied(here, active(devices=[device(2)]))
        assert rows(here) == {tag("SVC-1"): at(10), tag("SVC-1/2"): at(12)}
        assert {row["rate-limit"] for row in here.rows("R1")} == {"5M/20M"}
        applied(here, event("device_added", 2, device=device(3)))
        assert rows(here)[tag("SVC-1/3")] == at(13)
        ids = {row[".id"] for row in here.rows("R1")}
        applied(here, event("device_added", 3, device={**device(3), "mac": mac(23)}))
        others = {tag("SVC-1"): at(10), tag("SVC-1/3"): (mac(23), ipv4(13))}
        assert rows(here) == others | {tag("SVC-1/2"): at(12)}
        assert {row[".id"] for row in here.rows("R1")} == ids, "changed in place"
        applied(here, event("device_removed", 4, number=2))
        assert rows(here) == others
        assert list(here.record().placements["R1"].devices) == ["3"]
        here.r["R1"].reset_counters()
        applied(here, active(revision=5, devices=[{**device(3), "mac": mac(23)}]))
        assert rows(here) == others
        applied(here, builders.cancelled(revision=6))
        assert rows(here) == {}
        assert here.record().placements == {}


def test_two_devices_exchange_addresses_and_a_service_takes_a_freed_one():
    with installation(LEASES) as here:
        applied(here, active(devices=[device(2), device(3)]), active("SVC-2", 20))
        swapped = [device(2) | {"mac": mac(13)}, device(3) | {"mac": mac(12)}]
        applied(
            here,
            builders.snapshot(
                revision=2, router="R1", server=SERVER, ipv4=ipv4(10), mac=mac(10), devices=swapped
            ),
        )
        assert rows(here)[tag("SVC-1/2")] == (mac(13), ipv4(12))
        assert rows(here)[tag("SVC-1/3")] == (mac(12), ipv4(13))
        wants = {"address": {"mode": "static", "ipv4": ipv4(12)}}
        outcome = say(here, event("address_changed", 2, "SVC-2", **wants))
        assert outcome.startswith("waiting: claim-held"), outcome
        assert "is held by service SVC-1" in outcome
        applied(here, event("device_removed", 3, number=2))
        assert rows(here) == {
            tag("SVC-1"): at(10),
            tag("SVC-1/3"): (mac(12), ipv4(13)),
            tag("SVC-2"): (mac(20), ipv4(12)),
        }


def test_a_service_is_applied_when_all_its_devices_are():
    with installation(LEASES) as here:
        foreign = {"mac-address": mac(12), "address": ipv4(99), "server": SERVER}
        here.r["R1"].add_row(LEASE, foreign)
        outcome = say(here, active(devices=[device(2), device(3)]))
        assert outcome.startswith("waiting: foreign-row"), outcome
        assert "device 2: row" in outcome
        assert rows(here) == {tag("SVC-1"): at(10), tag("SVC-1/3"): at(13)}
        assert (
            foreign.items()
            <= next(row for row in here.rows("R1", all_=True) if row["address"] == ipv4(99)).items()
        )


def test_all_devices_are_suspended_and_cost_the_brake_one_service():
    lines = LEASES + 'suspend = "walled_garden"\nsuspend_list = "suspended"\n'
    with installation(lines, brake="router_services = 1\nrouter_percent = 1") as here:
        listed = "/ip/firewall/address-list"
        applied(here, active(devices=[device(2), device(3)]))
        applied(here, builders.suspended(revision=2, mode="walled_garden"))
        found = {(r["address"], r["comment"]) for r in here.r["R1"].rows(listed)}
        assert found == {
            (ipv4(10), tag("SVC-1")),
            (ipv4(12), tag("SVC-1/2")),
            (ipv4(13), tag("SVC-1/3")),
        }
        applied(here, event("device_removed", 3, number=2))
        assert len(here.r["R1"].rows(listed)) == 2
        applied(here, builders.suspended(revision=4, mode="block"))
        assert {row["block-access"] for row in here.rows("R1")} == {"true"}
        applied(here, builders.resumed(revision=5))
        assert here.r["R1"].rows(listed) == []
        assert not any(row.get("block-access") for row in here.rows("R1"))


def test_the_devices_of_a_service_share_its_queue_and_never_are_without_a_limit():
    with installation(QUEUES) as here:
        applied(here, active(devices=[device(2)]))
        assert own(here)["target"] == f"{ipv4(10)}/32,{ipv4(12)}/32"
        assert not any(row.get("rate-limit") for row in here.rows("R1"))
        applied(here, event("device_added", 2, device=device(3)))
        assert own(here)["target"] == f"{ipv4(10)}/32,{ipv4(12)}/32,{ipv4(13)}/32"
        assert queues(here) == [tag("SVC-1")]
        applied(here, event("device_removed", 3, number=2))
        assert own(here)["target"] == f"{ipv4(10)}/32,{ipv4(13)}/32"
        for number in (10, 13):
            assert here.r["R1"].device(mac(number), server=SERVER)["kind"] == "ack"
        with limit_watched(here, 10, 13):
            switch(here, LEASES)
            here.drain()
            assert [name[:4] for name in queues(here)] == ["dhcp", "dhcp"]
            switch(here, QUEUES)
            here.drain()
        assert queues(here) == [tag("SVC-1")]
        applied(here, builders.cancelled(revision=4))
        assert queues(here) == []


def test_a_row_of_a_device_that_nobody_wants_goes_and_what_is_no_device_stays():
    with installation(LEASES) as here:
        applied(here, active(devices=[device(2)]))
        stray = {"mac-address": mac(15), "address": ipv4(15), "server": SERVER}
        here.r["R1"].add_row(LEASE, {**stray, "comment": tag("SVC-1/5")})
        no_device = {"mac-address": mac(16), "address": ipv4(16), "server": SERVER}
        here.r["R1"].add_row(LEASE, {**no_device, "comment": tag("SVC-1/9")})
        (row,) = (row for row in here.rows("R1") if row["address"] == ipv4(12))
        here.r["R1"].set_row(LEASE, row[".id"], {"address": ipv4(50)})
        found = read(here)
        assert [(d.service_id, d.kind, d.found) for d in found.drift if d.kind != "copied"] == [
            ("SVC-1", "changed", ipv4(50)),
            ("SVC-1", "duplicate", found.drift[-1].found),
        ]
        reconcile(here.store, "R1", ["SVC-1"], "ann")
        here.drain()
        expected = {tag("SVC-1"): at(10), tag("SVC-1/2"): at(12), tag("SVC-1/9"): at(16)}
        assert rows(here) == expected


def test_a_lost_row_of_a_further_device_is_written_again():
    with installation(LEASES) as here:
        applied(here, active(devices=[device(2)]))
        (row,) = (row for row in here.rows("R1") if row["address"] == ipv4(12))
        here.r["R1"].remove_row(LEASE, row[".id"])
        report(here)
        found = read(here)
        assert [(d.service_id, d.kind) for d in found.drift] == [("SVC-1", "missing")]
        assert found.row_owners.gone == ["SVC-1"]
        reconcile(here.store, "R1", ["SVC-1"], "ann")
        here.drain()
        assert rows(here) == {tag("SVC-1"): at(10), tag("SVC-1/2"): at(12)}


def test_rows_that_were_there_are_adopted_for_each_device():
    with installation(LEASES) as here:
        for number in (10, 12):
            row = {"mac-address": mac(number), "address": ipv4(number), "server": SERVER}
            here.r["R1"].add_row(LEASE, row)
        assert say(here, active(devices=[device(2)])).startswith("waiting: foreign-row")
        adoption = Adoption(here.store, "R1", here.policies["R1"])
        session = here.sessions.open("R1")
        assert here.store.routers.acquire("R1", "by-hand", 1) is not None
        lock = RouterLock(here.store.routers, "R1", "by-hand", monotonic)
        found = adoption.sort(session)
        assert [each.sort for each in found] == ["adopt", "adopt"]
        adoption.apply(session, lock, found, "ann")
        again = adoption.sort(session)
        here.client.delete(here.block("R1").lock)
        here.sessions.give_back("R1", session)
        assert [each.sort for each in again] == ["ours", "ours"]
        here.drain()
        assert rows(here) == {tag("SVC-1"): at(10), tag("SVC-1/2"): at(12)}
        assert read(here).drift == []


def test_each_device_is_a_user_of_a_user_manager():
    with Users() as here:
        gold = {"plan": {"code": "gold"}}
        applied(here, activated("SVC-1", 10, devices=[device(2)], **gold))
        attributes = {mac(10): builders.ipv4(10), mac(12): ipv4(12)}
        rate = {"Mikrotik-Rate-Limit": "10M/50M"}
        assert here.users() == {
            name: {"Framed-IP-Address": address, **rate} for name, address in attributes.items()
        }
        applied(here, event("device_removed", 2, number=2))
        assert here.users().keys() == {mac(10)}


def test_a_mac_server_has_an_entry_for_each_device():
    with SmallInstallation(1, simulator={"with_mac_server": True}) as here:
        applied(here, activated("SVC-1", 10, devices=[device(2)]))
        held = {row["comment"]: row["mac-address"] for row in here.r["R1"].rows(MAC_ENTRIES)}
        assert held == {tag("SVC-1"): mac(10), tag("SVC-1/2"): mac(12)}


def test_a_device_beside_a_login_waits_with_what_to_do(tmp_path):
    with PppInstallation(tmp_path) as here:
        here.say(here.seal(ppp.activated(1, plan={"code": "gold"}, devices=[device(2)])))
        here.drain()
        why = here.store.views.service("SVC-1", ["R1"]).waiting["R1"]
        assert why["reason"] == "not-expressible"
        assert why["detail"].startswith("device 2: /ppp/secret knows no further devices")
        assert here.secret() is not None, "its own is written"


def test_connections_of_every_device_are_cut():
    with two_flows("joined") as here:
        second = {"number": 2, "mac": mac(2), "address": {"mode": "static", "ipv4": OTHER}}
        say(here, builders.cancelled("SVC-2"))
        applied(here, event("device_added", 2, device=second))
        here.flows = [here.r["R1"].flow(address).establish() for address in (ADDRESS, OTHER)]
        assert passes(here) == [True, True]
        applied(here, builders.suspended(revision=3))
        assert passes(here) == [False, False]
        applied(here, builders.resumed(revision=4))
        here.flows = [here.r["R1"].flow(address).establish() for address in (ADDRESS, OTHER)]
        assert passes(here) == [True, True]
        applied(here, event("device_removed", 5, number=2))
        assert (len(tracked(here, ADDRESS)), tracked(here, OTHER)) == (1, [])


def test_a_service_is_restored_with_its_devices_unless_one_of_them_is_taken():
    with installation(LEASES) as here:
        applied(here, active(devices=[device(2)]), builders.cancelled(revision=2))
        assert rows(here) == {}
        event_ = restored(here.store, here.policies, "SVC-1", "ann")
        assert event_["data"]["service"]["devices"] == [device(2)]
        applied(here, active("SVC-2", 12))
        with pytest.raises(NotPossible, match="held by service SVC-2"):
            restored(here.store, here.policies, "SVC-1", "ann")


def test_a_row_of_a_device_that_lands_after_it_was_removed_goes_by_the_second_look():
    with SmallInstallation(1) as here:
        applied(here, activated("SVC-1", 10))
        added = event("device_added", 2, device=device(2))
        late = add_late(here, added, event("device_removed", 3, number=2))
        late.land()
        assert rows(here)[tag("SVC-1/2")] == at(12)
        recheck(here)
        assert rows(here).keys() == {tag("SVC-1")}
        assert here.client.hgetall(here.block("R1").inflight) == {}
        # Beside another row of the same device, whose row is its own.
        other = event("device_added", 5, device=device(2, 14))
        late = add_late(here, event("device_added", 4, device=device(2)), other)
        late.land()
        recheck(here)
        assert rows(here) == {tag("SVC-1"): (mac(10), builders.ipv4(10)), tag("SVC-1/2"): at(14)}
