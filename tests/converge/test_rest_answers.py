"""What a pass over REST makes of answers that belong to another request.

Seen on real routers: another menu's rows for seconds after a boot (7.22.1), and the status of an
aborted request given to the next connection (7.21.5).
"""

import pytest

from tests import builders
from tests.converge.test_verdicts import Passes, activated, named
from tests.full_read.test_hourly_reports import make_due
from tests.leasewire.conftest import LEASES
from tests.waiting import eventually

pytestmark = [
    pytest.mark.redis,
    pytest.mark.router,
    pytest.mark.parametrize("world", [{"rest_port": 0}], indirect=True),
]


@pytest.fixture
def passes(world, edited, caplog, monkeypatch):
    monkeypatch.setenv("LEASEWIRE_COMMAND_TIMEOUT_S", "0.5")
    over_rest = f'port = {world.r1.rest_port}\ntransport = "rest"'
    _, converge = edited((f"port = {world.r1.api_ssl_port}", over_rest))
    mine = Passes(world, caplog)
    mine.converge = converge
    return mine


def state(passes):
    return passes.store.views.state("R1")


def wait_ms(passes):
    return state(passes).next_at_ms - passes.store.records.now_ms()


@pytest.fixture
def applied(world, passes):
    """One service that is on the router."""
    event = activated(1)
    world.say(event)
    passes.run()
    assert passes.state(event) == "applied"
    return event


@pytest.mark.parametrize("of", ["/system/identity", "/ip/dhcp-server", "/user"])
def test_another_menus_answer_is_not_taken_for_an_empty_table(world, passes, applied, of):
    event = builders.cancelled("SVC-1", revision=2)
    world.say(event)
    world.r1.set_faults(wrong_bodies=1, wrong_body_of=of, fault_command="lease/print")
    passes.run()
    assert passes.rows() == {"SVC-1"}
    assert passes.state(event) == "accepted"
    assert state(passes).state == "unreachable"
    passes.run()
    assert passes.rows() == set()
    assert passes.state(event) == "applied"


@pytest.mark.parametrize("of", ["/system/identity", "/ip/dhcp-server", "/user"])
def test_nor_for_the_whole_table(world, passes, of):
    event = activated(1)
    world.say(event)
    world.r1.set_faults(wrong_bodies=1, wrong_body_of=of, fault_command="lease/print")
    passes.run()
    assert world.r1.journal() == []
    assert state(passes).state == "unreachable"
    passes.run()
    assert passes.state(event) == "applied"


def test_a_router_that_boots_and_answers_wrongly_is_read_until_it_answers_rightly(
    world, passes, applied
):
    world.r1.set_faults(wrong_bodies_after_boot=6)
    world.r1.power_off()
    world.r1.power_on()
    event = builders.cancelled("SVC-1", revision=2)
    world.say(event)
    for _ in range(8):
        passes.run()
        assert state(passes).state in ("up", "unreachable")  # it is no other router
        assert (passes.state(event) == "applied") is (world.r1.rows(LEASES) == [])
    assert passes.state(event) == "applied"


def test_a_login_that_worked_is_tried_again_before_anybody_is_called(world, passes, applied):
    world.r1.set_faults(wrong_unauthorized=1, fault_command="lease/print")
    event = builders.suspended("SVC-1", "block", revision=2)
    world.say(event)
    logs = passes.run()
    assert len(named(logs, "router.login_refused_once")) == 1
    assert state(passes).state == "up"
    assert 2_500 < wait_ms(passes) <= 3_500
    assert passes.store.alerts.all_open() == []
    passes.run()
    assert passes.state(event) == "applied"
    assert passes.store.client.get(passes.store.keys.router("R1").state) is None


def test_refused_twice_and_seconds_apart_it_calls_a_person(world, passes, applied):
    world.say(builders.suspended("SVC-1", "block", revision=2))
    world.r1.set_faults(refuse_login=True)
    passes.run(2)
    began_ms = passes.store.records.now_ms()
    assert state(passes).state == "up"

    def is_blocked():
        passes.run()
        return state(passes).state == "blocked"

    eventually(is_blocked, "the router is blocked", within_s=10)
    assert passes.store.records.now_ms() - began_ms >= 2_000
    (alert,) = passes.store.alerts.all_open()
    assert "Check the password" in alert.text


def test_after_a_request_that_was_given_up_the_router_is_left_alone(world, passes, applied):
    world.r1.set_faults(service_ms_by_command={f"{LEASES}/print": 2_000})
    world.say(builders.suspended("SVC-1", "block", revision=2))
    passes.run()
    assert "no answer in time" in state(passes).message
    assert 2_500 < wait_ms(passes) <= 3_500


def test_an_empty_list_cannot_be_told_apart_and_the_hourly_report_finds_the_row(
    world, passes, applied, leasewire
):
    event = builders.cancelled("SVC-1", revision=2)
    world.say(event)
    empty = {"wrong_bodies": 1, "wrong_body_of": "/ip/neighbor"}
    world.r1.set_faults(**empty, fault_command="lease/print")
    passes.run()
    assert passes.state(event) == "applied"
    assert passes.rows() == {"SVC-1"}
    make_due(world)
    passes.run()
    (alert,) = passes.store.alerts.all_open()
    assert (alert.kind, alert.subject) == ("drift", "R1")
    assert leasewire("reconcile", "R1", "--apply").code == 0
    passes.run()
    assert passes.rows() == set()
