"""A BSS that cancels by mistake, against real workers and simulated routers."""

import pytest

from tests import builders
from tests.brake.floor import ipv4, mac
from tests.installation import SERVER, Installation
from tests.waiting import eventually
from worker.admin import approvals
from worker.store.brake import Announcement

pytestmark = [pytest.mark.redis, pytest.mark.router, pytest.mark.e2e]


@pytest.fixture
def here(short_directory):
    with Installation(short_directory, routers=2, brake="enabled = true") as here:
        here.start_workers("events", "routers")
        yield here


def test_a_mistake_is_held_and_undone_and_an_announced_run_goes_through(here):
    busy, small = here.control
    services = {busy: [f"B{i}" for i in range(60)], small: [f"S{i}" for i in range(20)]}
    everybody = [(router, service) for router, those in services.items() for service in those]
    here.publisher.publish(
        [
            builders.activated(
                service, router=router, server=SERVER, mac=mac(i), ipv4=ipv4(i), revision=1
            )
            for i, (router, service) in enumerate(everybody, start=1)
        ]
    )
    eventually(
        lambda: len(here.rows(busy)) + len(here.rows(small)) == 80, "all are served", within_s=20
    )
    here.wait_until_settled()

    wrong = [*services[busy][:15], *services[small]]
    here.publisher.publish([builders.cancelled(service, revision=2) for service in wrong])
    eventually(lambda: here.store.journal.depth("events") == 0, "all is folded", within_s=20)
    eventually(
        lambda: here.store.views.router_queued(busy) <= held(here), "the rest written", within_s=20
    )
    eventually(
        lambda: here.store.views.router_queued(small) <= held(here), "the rest written", within_s=20
    )
    assert len(here.rows(busy)) >= 60 - 5
    assert len(here.rows(small)) >= 20 - 5
    assert len(held(here)) == 35 - (80 - len(here.rows(busy)) - len(here.rows(small)))

    stood = here.rows(small)
    for held_list in approvals.approvals(here.store, {}):
        decision = approvals.reject(
            here.store, {}, held_list.id, held_list.digest, "anna", here.publisher.publish
        )
        assert decision.result == "done"
    here.wait_until_settled()
    assert here.rows(small) == stood
    assert held(here) == set()

    run = services[busy][30:]
    now_ms = here.store.records.now_ms()
    announced = Announcement(
        f"source:{builders.SOURCE}", len(run), 0, now_ms, now_ms + 60_000, "anna"
    )
    here.store.brake.announce(announced, now_ms)
    here.publisher.publish([builders.suspended(service, revision=3) for service in run])
    eventually(
        lambda: {each[0].get("block-access") for each in blocked(here, busy, run)} == {"true"},
        "all of the run are blocked",
        within_s=20,
    )
    assert held(here) == set()


def blocked(here, router, services):
    rows = here.rows(router)
    return [rows[service] for service in services]


def held(here):
    return {work_item.service_id for work_item in here.store.brake.held()}
