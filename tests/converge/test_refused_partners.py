"""Services that exchange MACs or addresses, and a router that refuses the write of some of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tests.small_installation import LEASES, SERVER, SmallInstallation, activated
from tests.worker.test_claim_histories import Here, notify
from worker.core.rows.operations import Set
from worker.core.rows.rows import NO_ADDRESS
from worker.ports import Refusal, Written

pytestmark = [pytest.mark.redis, pytest.mark.router]

WRONG = "7M/7M"
REFUSED = "invalid value for argument rate-limit"


def with_plan(event, kbps):
    event["data"]["service"]["plan"] = {"code": "P", "down_kbps": kbps, "up_kbps": kbps}
    return event


@pytest.fixture
def here():
    with SmallInstallation(1, defaults='plan_rates = "events"') as here:
        refused = {"menu": LEASES, "field": "rate-limit", "value": WRONG, "text": REFUSED}
        here.r["R1"].set_faults(refuse_values=[refused])
        here.say(*(with_plan(activated(f"SVC-{n}", n), 1000) for n in (1, 2)))
        here.drain()
        yield here


def macs(here):
    return {row["comment"].rpartition(":")[2]: row["mac-address"] for row in here.rows("R1")}


def wrong(service_id, revision):
    plan = {"code": "Q", "down_kbps": 7000, "up_kbps": 7000}
    return builders.event("plan_changed", service_id, revision=revision, plan=plan)


@pytest.mark.parametrize(("bad", "good"), [(1, 2), (2, 1)])
def test_who_swaps_with_one_whose_write_is_refused_is_served(here, bad, good):
    swapped = builders.mac_changed(f"SVC-{good}", builders.mac(bad), revision=2)
    here.say(
        swapped,
        builders.mac_changed(f"SVC-{bad}", builders.mac(good), revision=2),
        wrong(f"SVC-{bad}", 3),
    )
    here.drain("R1")
    assert macs(here)[f"SVC-{good}"] == builders.mac(bad)
    assert here.outcome(swapped).startswith("applied")
    (dead_letter,) = here.store.views.dead_letters()
    assert (dead_letter.service_id, dead_letter.detail) == (f"SVC-{bad}", REFUSED)


def test_who_was_given_up_before_gives_way_and_is_tried_once_more_by_itself(here):
    here.say(builders.mac_changed("SVC-2", builders.mac(9), revision=2), wrong("SVC-2", 3))
    here.drain("R1")
    assert [dead_letter.service_id for dead_letter in here.store.views.dead_letters()] == ["SVC-2"]
    here.say(moved := builders.mac_changed("SVC-1", builders.mac(2), revision=2))
    here.drain("R1")
    assert here.outcome(moved).startswith("applied")
    assert macs(here)["SVC-1"] == builders.mac(2)
    assert here.client.hkeys(here.block("R1").work_items) == []
    here.r["R1"].clear_faults()
    here.say(builders.mac_changed("SVC-1", builders.mac(3), revision=3))
    here.store.routers.add_work("R1", ["SVC-2"])  # as `dead-letters retry` does
    here.drain("R1")
    assert macs(here) == {"SVC-1": builders.mac(3), "SVC-2": builders.mac(9)}
    assert here.store.views.dead_letters() == []


@pytest.mark.parametrize("refused", [1, 2])
def test_of_several_devices_only_the_refused_one_is_not_served(refused):
    """The write of the others comes in a later phase, as another service frees their address."""
    other = 3 - refused
    with SmallInstallation(1) as here:
        here.say(activated("SVC-1", 1, devices=[further(2)]), activated("SVC-9", 9))
        here.drain()
        fault = {"menu": LEASES, "field": "address", "value": builders.ipv4(66), "text": REFUSED}
        here.r["R1"].set_faults(refuse_values=[fault])
        places = {refused: 66, other: 9}
        changed = builders.snapshot(
            "SVC-1",
            revision=2,
            mac=builders.mac(1),
            ipv4=builders.ipv4(places[1]),
            router="R1",
            server=SERVER,
            devices=[further(2, places[2])],
        )
        address = {"mode": "static", "ipv4": builders.ipv4(10)}
        here.say(changed, builders.event("address_changed", "SVC-9", revision=2, address=address))
        here.drain()
        member = {1: "SVC-1", 2: "SVC-1/2"}
        at = {row["comment"].rpartition(":")[2]: row["address"] for row in here.rows("R1")}
        assert at[member[other]] == builders.ipv4(9)
        assert at[member[refused]] == builders.ipv4(refused)
        named = "device 2: " if refused == 2 else ""
        assert here.outcome(changed) == f"failed: operation-refused ({named}{REFUSED})"


def test_a_device_that_waited_when_its_service_failed_is_written_when_that_is_retried(here):
    fault = {"menu": LEASES, "field": "mac-address", "value": builders.mac(3), "text": REFUSED}
    here.r["R1"].set_faults(refuse_values=[fault])
    row = {"mac-address": builders.mac(4), "address": builders.ipv4(99)}
    foreign = here.r["R1"].add_row(LEASES, row)
    event = activated("SVC-3", 3, devices=[further(4)])
    here.say(event)
    here.drain()
    assert here.outcome(event) == f"failed: operation-refused ({REFUSED})"
    here.r["R1"].remove_row(LEASES, foreign)
    here.store.routers.add_work("R1", ["SVC-3"])  # as `dead-letters retry` does
    here.drain()
    assert macs(here)["SVC-3/4"] == builders.mac(4)
    assert "SVC-3" not in macs(here)


def further(number, at=None):
    address = {"mode": "static", "ipv4": builders.ipv4(at or number)}
    return {"number": number, "mac": builders.mac(number), "address": address}


def refuse(router, services):
    """Have a router in memory refuse what would give these services the row that they want."""
    write = router.write
    placeholders = ("02:", NO_ADDRESS)

    def some(operations, progress):
        answers = []
        for operation in operations:
            frees = isinstance(operation, Set) and all(
                value.startswith(placeholders)
                for name, value in operation.fields.items()
                if name in {"mac-address", "address"}
            )
            if operation.service_id in services and not frees:
                answers.append(Written(operation, Refusal("refused", f"bad {operation.number}")))
            else:
                answers += write([operation], progress)
        return answers

    router.write = some


@settings(max_examples=40)
@given(
    size=st.integers(2, 5),
    turn=st.integers(1, 4),
    batch=st.sampled_from([1, 2, 500]),
    data=st.data(),
)
def test_of_a_ring_all_get_their_row_but_those_refused(valkey_server, size, turn, batch, data):
    """Real claims and real passes: no double MAC or address, as the router's table says."""
    refused = data.draw(st.sets(st.integers(0, size - 1), max_size=size - 1), label="refused")
    with valkey_server.client() as client:
        here = Here(client, batch)
        here.fold(0, notify(here, size, 0))
        for _ in range(size):
            here.pass_()
        refuse(here.router, {f"SVC-{n}" for n in refused})
        here.fold(0, data.draw(st.permutations(notify(here, size, turn))))
        for _ in range(3 * size):
            here.pass_()
            here.check()
            if not here.due():
                break
        addresses = {row.comment: row.address for row in here.router.table.rows()}
        assert len(addresses) == size
        taken = [each for each in addresses.values() if each != NO_ADDRESS]
        assert len(set(taken)) == len(taken)
        for n in set(range(size)) - refused:
            assert addresses[f"leasewire:acme:SVC-{n}"] == builders.ipv4(10 + (n + turn) % size)
