"""A router that the inventory does not have: services wait; a name nobody knew leaves nothing."""

import pytest

from tests.builders import cancelled, event
from tests.small_installation import SERVER, SmallInstallation, activated
from worker.store.purge import NotPurgedError, purge
from worker.watching.maintenance import wake_unknown

pytestmark = [pytest.mark.redis, pytest.mark.router]


@pytest.fixture
def here():
    with SmallInstallation() as installation:
        yield installation


def keys_that_name(here, router):
    return [
        *(key for key in here.client.scan_iter(match=f"*:router:{router}:*")),
        *(
            each
            for each in here.client.zrange(here.store.keys.routers_due, 0, -1)
            if each == router
        ),
    ]


def moved(router, revision=2):
    return event("moved", revision=revision, access={"router": router, "dhcp_server": SERVER})


def test_a_typing_error_that_was_corrected_leaves_nothing(here):
    first = activated(router="R1x")
    here.say(first)
    here.drain("R1x")
    assert here.outcome(first).startswith("waiting: unknown-router (router 'R1x'")
    corrected = moved("R1")
    here.say(corrected)
    here.drain("R1x", "R1")
    assert here.outcome(corrected).startswith("applied")
    assert [row["comment"] for row in here.rows("R1")] == ["leasewire:acme:SVC-1"]
    assert list(here.record().placements) == ["R1"]
    assert keys_that_name(here, "R1x") == []
    end = cancelled(revision=3)
    here.say(end)
    here.drain("R1")
    assert here.outcome(end) == "applied"
    assert here.rows("R1") == []
    assert purge(here.store, "SVC-1", "ada")["journal"] == 0


def test_a_service_that_was_cancelled_where_no_router_is_is_over(here):
    end = cancelled(revision=2)
    here.say(activated(router="R1x"))
    here.say(end)
    here.drain("R1x")
    assert here.outcome(end) == "applied"
    assert not here.record().placements
    assert keys_that_name(here, "R1x") == []


def test_a_router_that_a_worker_knew_may_have_a_row_still(here):
    here.say(activated())
    here.drain("R1")
    here.write_inventory(skip=["R1"])
    here.load()
    end = cancelled(revision=2)
    here.say(end)
    here.drain("R1")
    assert here.outcome(end).startswith("waiting: unknown-router")
    with pytest.raises(NotPurgedError):
        purge(here.store, "SVC-1", "ada")
    # Nor is it known of one whose write was under way when its worker ended.
    record = here.record("SVC-2")
    here.say(activated("SVC-2", 2))
    here.drain("R1")
    here.say(cancelled("SVC-2", revision=2))
    here.drain("R1")
    assert not record.placements
    assert list(here.record("SVC-2").placements) == ["R1"]


def test_a_router_is_used_at_once_when_a_worker_comes_that_has_it(here):
    here.write_inventory(skip=["R2"])
    here.load()
    event = activated(router="R2")
    here.say(event)
    here.drain("R2")
    assert here.outcome(event).startswith("waiting: unknown-router")
    assert here.due("R2") == []
    here.write_inventory()
    here.load()
    assert wake_unknown(here.store, here.policies) == 1
    assert here.due("R2") == ["SVC-1"]
    here.drain("R2")
    assert here.outcome(event).startswith("applied")
    assert wake_unknown(here.store, here.policies) == 0


def test_workers_that_are_not_restarted_yet_keep_it_waiting_for_a_minute_only(here):
    here.write_inventory(skip=["R2"])
    here.load()
    here.say(activated(router="R2"))
    here.drain("R2")
    now_ms = here.store.records.now_ms()
    [(_, score)] = here.client.zrange(here.block("R2").due, 0, -1, withscores=True)
    assert 50_000 < int(score) % 10**13 - now_ms <= 60_000
