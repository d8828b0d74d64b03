"""`leasewire why`: each situation is built for real, and the sentence must name what is so."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import (
    activated,
    cancelled,
    event,
    ipv4,
    mac,
    mac_changed,
    resumed,
    snapshot,
    suspended,
)
from tests.leasewire.conftest import LEASES
from tests.signs import give_signs

pytestmark = [pytest.mark.redis, pytest.mark.router]

SERVER = "dhcp-vlan-32"
SECONDS = re.compile(r"(:\d\d){2}")
"""Of times: two questions are not asked in the same second."""
MAC, ADDRESS = mac(1), "223.203.225.40"
A = activated("SVC-A", server=SERVER, ipv4=ADDRESS, id_="a1")


@pytest.fixture
def why(world, leasewire):
    """Asks, and checks that what people and programs are told agrees."""

    def ask(subject, *options):
        shown = leasewire("why", subject, *options)
        notified = leasewire("why", subject, "--json", *options)
        assert shown.code == notified.code, shown.err
        answers = notified.document["answers"]
        for answer in answers:
            assert SECONDS.sub("", answer["sentence"]) in SECONDS.sub("", shown.out)
        assert shown.code == (0 if all(each["code"] == "all-well" for each in answers) else 1)
        return answers[0] if len(answers) == 1 else answers

    return ask


def applied(world, *events, router="R1"):
    world.say(*events)
    world.converge.run(router)


def test_all_is_well_with_the_device_bound_and_the_way_there_is_told(world, why):
    applied(world, A)
    world.r1.device(MAC, server=SERVER)
    for subject in ("SVC-A", MAC, "0000.5e00.5301", ADDRESS):
        answer = why(subject)
        assert answer["code"] == "all-well"
        assert f"device {MAC} has {ADDRESS} on router R1" in answer["sentence"]
    line = [(each["what"], each.get("event", each.get("applied"))) for each in answer["timeline"]]
    assert line == [("accepted", "a1"), ("in sync", ["a1"]), ("device bound", None)]
    assert answer["timeline"][1]["wrote"]
    assert answer["rows"][0]["whose"].startswith("leasewire:acme:SVC-A")


def test_asking_writes_nothing_and_costs_a_router_two_prints(world, why, leasewire):
    applied(world, A)
    written = len(world.r1.journal())
    world.r1.reset_counters()
    keys = world.context.store.client.dbsize()
    assert leasewire("why", "SVC-A").code == 1
    counters = world.r1.counters()
    assert (counters["/ip/dhcp-server/lease/print"], counters["/ip/dhcp-server/print"]) == (1, 1)
    assert len(world.r1.journal()) == written
    assert world.context.store.client.dbsize() == keys
    assert "/login" not in world.r2.counters(), "another router is not asked"


def test_offline_asks_no_router_and_says_that_it_did_not(world, why):
    applied(world, A)
    world.r1.reset_counters()
    answer = why("SVC-A", "--offline")
    assert (answer["code"], "not asked" in answer["sentence"]) == ("all-well", True)
    assert world.r1.counters() == {}


def test_router_down(world, why):
    world.r1.power_off()
    applied(world, A)
    answer = why(MAC)
    assert answer["code"] == "router-unreachable"
    assert answer["sentence"].startswith("Router R1 is unreachable since")
    assert "next try" in answer["sentence"]
    assert answer["advice"].endswith("run `leasewire routers check R1`")


def test_router_that_went_down_after_all_was_written(world, why):
    applied(world, A)
    world.r1.power_off()
    answer = why("SVC-A")
    assert answer["code"] == "router-silent"
    assert "router R1 does not answer now" in answer["sentence"]


def test_router_blocked(world, why):
    world.r1.set_faults(refuse_login=True)
    applied(world, A)
    answer = why("SVC-A")
    assert answer["code"] == "router-blocked"
    assert answer["sentence"].startswith("Router R1 is blocked since")
    assert "login-refused" in answer["sentence"]
    assert "until a person acts; next try" in answer["sentence"]
    assert answer["advice"] == "run `leasewire routers check R1`"


def test_router_held_by_a_person(world, why, leasewire):
    world.context.store.fleet.pause("R1", "upgrade tonight", "ada")
    applied(world, A)
    answer = why("SVC-A")
    assert answer["code"] == "router-paused"
    assert "(by ada: upgrade tonight)" in answer["sentence"]
    assert "routers resume R1" in answer["advice"]
    assert "R1 (paused)" in leasewire("status").out


def test_waiting_for_a_mac_names_the_holder_and_its_state(world, why):
    applied(world, A, suspended("SVC-A"))
    applied(world, activated("SVC-B", server=SERVER, mac=MAC, ipv4="223.203.225.41"))
    answer = why("SVC-B")
    assert answer["code"] == "claim-held"
    assert f"MAC {MAC} is held by service SVC-A (suspended)" in answer["sentence"]
    (holder,) = answer["waits_for"]
    assert (holder["service_id"], holder["sync"]) == ("SVC-A", "in_sync")
    holder, waiter = why(MAC)
    assert (holder["service"], waiter["service"]) == ("SVC-A", "SVC-B")


def test_a_holder_that_waits_itself_is_named_with_what_for(world, why):
    row = {"mac-address": mac(9), "address": "223.203.225.42", "server": SERVER}
    world.r1.add_row(LEASES, row)
    stuck = activated("SVC-A", server=SERVER, mac=MAC, ipv4="223.203.225.42")
    applied(world, stuck)
    applied(world, activated("SVC-B", server=SERVER, mac=MAC, ipv4="223.203.225.41"))
    sentence = why("SVC-B")["sentence"]
    assert f"MAC {MAC} is held by service SVC-A (active, waiting: " in sentence
    assert "223.203.225.42" in sentence


def test_foreign_row_in_the_way_is_named(world, why):
    row = {"mac-address": mac(9), "address": ADDRESS, "server": SERVER, "comment": "printer"}
    world.r1.add_row(LEASES, row)
    applied(world, A)
    answer = why("SVC-A")
    assert answer["code"] == "foreign-row"
    assert ADDRESS in answer["sentence"]
    assert "printer" in answer["sentence"]
    assert any(each["comment"] == "printer" for each in answer["rows"])


def test_suspended(world, why):
    applied(world, A)
    world.r1.device(MAC, server=SERVER)
    reason = {"mode": "block", "reason_code": "nonpayment"}
    applied(world, event("suspended", "SVC-A", revision=2, suspension=reason, id_="s1"))
    answer = why(MAC)
    assert answer["code"] == "suspended"
    assert "suspended by event s1, reason nonpayment" in answer["sentence"]
    assert "its device keeps its lease until" in answer["sentence"]
    applied(world, resumed("SVC-A"))
    assert why(MAC)["code"] == "all-well"


def test_not_yet_activated(world, why):
    world.say(mac_changed("SVC-A", MAC))
    for subject in ("SVC-A", MAC):
        answer = why(subject)
        assert answer["code"] == "incomplete"
        assert "not activated yet, only mac_changed came" in answer["sentence"]


def test_scheduled(world, why):
    later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    world.say(activated("SVC-A", server=SERVER, mac=MAC, effective_at=later, id_="later"))
    answer = why("SVC-A")
    assert answer["code"] == "scheduled"
    assert f"event later (activated) takes effect at {later[:10]}" in answer["sentence"]
    assert answer["timeline"][-1]["what"] == "to take effect"
    assert answer["timeline"][-1]["at"].startswith(later[:10])


def test_unknown_router(world, why):
    applied(world, activated("SVC-A", router="R9"), router="R9")
    answer = why(MAC)
    assert answer["code"] == "unknown-router"
    assert "router R9 is not in the inventory" in answer["sentence"]


def test_refused_with_the_routers_words(world, why):
    refused = {"menu": LEASES, "field": "address", "value": ADDRESS, "text": "failure: so not"}
    world.r1.set_faults(refuse_values=[refused])
    applied(world, A)
    for _ in range(2):
        work_item(world)
        world.converge.run("R1")
    answer = why("SVC-A")
    assert answer["code"] in ("refused", "router-says")
    assert "failure: so not" in answer["sentence"]


def test_dead_lettered_service_says_which_letter(world, why):
    world.r1.set_faults(
        change_values=[
            {"menu": LEASES, "field": "address", "value": ADDRESS, "text": "223.203.225.99"}
        ]
    )
    applied(world, A)
    answer = why("SVC-A")
    assert answer["code"] == "refused"
    assert "does-not-stick" in answer["sentence"]
    assert "dead-letters show SVC-A@R1" in answer["advice"]


def test_unknown_dhcp_server(world, why):
    applied(world, activated("SVC-A", server="dhcp-nowhere"))
    answer = why("SVC-A")
    assert answer["code"] == "waiting-for-router"
    assert "DHCP server: dhcp-nowhere" in answer["sentence"]


def test_still_on_the_old_lease_of_its_row_until_the_lease_ends(world, why):
    applied(world, A)
    world.r1.device(MAC, server=SERVER)
    applied(world, snapshot("SVC-A", server=SERVER, ipv4="223.203.225.41", revision=2))
    answer = why("SVC-A")
    assert answer["code"] == "old-lease"
    assert f"still uses its old lease {ADDRESS} until 20" in answer["sentence"]
    assert "at the latest" in answer["sentence"]
    world.r1.device(MAC, server=SERVER)
    assert why("SVC-A")["code"] == "all-well"


def test_bound_to_a_dynamic_lease_that_the_router_no_longer_shows(world, why):
    world.r1.device(MAC, server=SERVER)
    applied(world, A)
    answer = why("SVC-A")
    assert answer["code"] == "device-not-moved"
    assert "may use an older lease until 20" in answer["sentence"]


def test_the_former_device_holds_the_row_after_a_mac_change(world, why):
    applied(world, A)
    world.r1.device(MAC, server=SERVER)
    applied(world, mac_changed("SVC-A", mac(2)))
    answer = why("SVC-A")
    assert answer["code"] == "former-device"
    assert f"former device {MAC} until 20" in answer["sentence"]
    assert why(MAC)["code"] == "former-device", "the old MAC is found by the row it holds"


def test_device_that_never_asked(world, why):
    applied(world, A)
    answer = why(MAC)
    # Within the lease time of the write, an older lease may still run.
    assert answer["code"] == "device-not-moved"
    assert f"({ADDRESS} for {MAC})" in answer["sentence"]


def test_row_that_was_removed_switched_off_or_changed_by_hand(world, why):
    applied(world, A)
    (row,) = world.r1.rows(LEASES)
    world.r1.set_row(LEASES, row[".id"], {"address": "223.203.225.77"})
    answer = why("SVC-A")
    assert answer["code"] == "row-differs"
    assert f"address is 223.203.225.77, not {ADDRESS}" in answer["sentence"]
    world.r1.set_row(LEASES, row[".id"], {"address": ADDRESS, "disabled": "yes"})
    assert why("SVC-A")["code"] == "row-disabled"
    world.r1.remove_row(LEASES, row[".id"])
    assert why("SVC-A")["code"] == "row-missing"


def test_event_still_in_the_journal_and_no_worker_to_take_it(world, why):
    with world.context.publisher() as publisher:
        publisher.publish([A])
    for subject in ("SVC-A", MAC, "00-00-5e-00-53-01", ADDRESS):
        answer = why(subject)
        assert answer["code"] == "journaled"
        assert "Event a1 (activated) of SVC-A is in the journal since" in answer["sentence"]
        assert "no worker" in answer["sentence"]
    give_signs(world.context.store, "events@host:1")
    assert "workers are running" in why(MAC)["sentence"]


def test_to_be_written_and_no_worker_to_do_it(world, why):
    world.say(A)
    answer = why("SVC-A")
    assert answer["code"] == "pending"
    assert "no worker for routers is running" in answer["sentence"]
    give_signs(world.context.store, "routers@host:1")
    assert "its turn comes" in why("SVC-A")["sentence"]


def test_cancelled(world, why):
    applied(world, A)
    world.r1.power_off()
    applied(world, cancelled("SVC-A", id_="c1"))
    answer = why("SVC-A")
    assert answer["code"] == "cancelled"
    assert "cancelled by event c1" in answer["sentence"]
    assert "a row may still be on R1" in answer["sentence"]


def test_what_is_still_to_clean_on_the_router_left_behind_is_told(world, why, leasewire):
    world.r2.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
    applied(world, A)
    world.r1.power_off()
    applied(world, snapshot("SVC-A", router="R2", server=None, revision=2), router="R1")
    world.converge.run("R2")
    answer = why("SVC-A")
    assert answer["code"] == "device-not-moved"
    assert answer["to_clean"] == ["R1"]
    assert "Still to clean: a row on R1." in leasewire("why", "SVC-A").out


def test_refused_event_of_a_mac_that_no_service_has(world, why):
    world.say({**A, "data": {**A["data"], "service": {**A["data"]["service"], "status": "??"}}})
    for subject in (MAC, "SVC-A"):
        answer = why(subject)
        assert answer["code"] == "rejected"
        assert "invalid-event" in answer["sentence"]
        assert "dead-letters show" in answer["advice"]


def test_unknown_mac(world, why, leasewire):
    answer = why(mac(77))
    assert answer["code"] == "unknown"
    assert f"{mac(77)} is unknown" in answer["sentence"]
    assert "and no row on the 2 routers that were read has it" in answer["sentence"]
    world.r2.power_off()
    only_one = "and no row on the router that was read has it; 1 did not answer (R2)"
    assert only_one in why(mac(77))["sentence"]
    assert "no service has it" in leasewire("why", "SVC-404").out


@pytest.mark.parametrize("subject", ["", "  "])
def test_nothing_is_no_subject(leasewire, subject):
    refused = leasewire("why", subject)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("Give a MAC, an IP, a prefix")


def test_mac_that_only_a_router_knows(world, why):
    row = {"mac-address": mac(7), "address": ADDRESS, "server": SERVER, "comment": "camera"}
    world.r2.add_row(LEASES, row)
    world.r1.device(mac(8), server=SERVER)
    camera = why(mac(7))
    assert camera["code"] == "not-ours"
    assert "router R2 has row" in camera["sentence"]
    assert "camera" in camera["sentence"]
    unknown_source = why(mac(8))
    assert "a dynamic lease" in unknown_source["sentence"]
    world.r1.add_row(LEASES, {**row, "mac-address": mac(6), "comment": "leasewire:acme:SVC-GONE"})
    assert why(mac(6))["code"] == "orphan-row"


def work_item(world):
    """Have the service looked at again now, as its recheck would."""
    world.context.store.routers.add_work("R1", ["SVC-A"])


def test_an_address_is_no_services_in_another_network(world, why):
    applied(world, A)
    assert why(ipv4(99))["code"] == "unknown"
