"""Services that exchange MACs or addresses, and a router that refuses the write of some of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tests.small_installation import LEASES, SmallInstallation, activated
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
