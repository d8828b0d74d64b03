"""Sessions are kept a while, used again, and never two at once with one router."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from simulator.testing import running
from tests.routeros.peers import LEASE, add, config_for, nothing
from tests.waiting import eventually
from worker.errors import RouterBlocked, RouterBusy, RouterUnreachable

pytestmark = pytest.mark.router


def test_an_idle_session_is_used_again(sessions, router):
    mine = sessions(config_for(router))
    first = mine.open("R1")
    mine.give_back("R1", first)
    assert mine.open("R1") is first
    assert router.counters()["/login"] == 1


def test_one_that_the_router_closed_is_not(sessions, router, transport):
    mine = sessions(config_for(router, transport))
    first = mine.open("R1")
    mine.give_back("R1", first)
    router.reboot()  # which closes idle connections of REST too
    eventually(lambda: not first.connection.is_quiet(), "what the router sent is seen")
    second = mine.open("R1")
    assert second is not first
    assert second.read_leases(None, nothing) == []


def test_one_that_is_too_old_is_not(sessions, router):
    mine = sessions(config_for(router), idle_session_s=0)
    first = mine.open("R1")
    mine.give_back("R1", first)
    assert first.closed
    assert mine.open("R1") is not first


def test_one_that_became_too_old_meanwhile_is_not(sessions, router):
    mine = sessions(config_for(router), idle_session_s=0.05)
    first = mine.open("R1")
    mine.give_back("R1", first)
    given_back = time.monotonic()
    eventually(lambda: time.monotonic() > given_back + 0.05, "it is idle for too long")
    assert mine.open("R1") is not first


def test_idle_sessions_of_other_routers_end_in_time_too(sessions):
    with running(2) as sim:
        one, two = sim.routers
        mine = sessions(config_for(one), config_for(two), idle_session_s=0.05)
        first = mine.open("R1")
        mine.give_back("R1", first)
        assert not first.closed

        def closed_by_work_on_the_other() -> bool:
            mine.give_back("R2", mine.open("R2"))
            return first.closed

        eventually(closed_by_work_on_the_other, "the idle one is closed")


def test_a_closed_session_is_forgotten(sessions, router):
    mine = sessions(config_for(router))
    for give_back in (True, False):
        first = mine.open("R1")
        first.close()
        if give_back:
            mine.give_back("R1", first)
        second = mine.open("R1")
        assert second is not first
        mine.give_back("R1", second)


def test_there_is_one_session_a_router_at_most(sessions, router):
    mine = sessions(config_for(router))
    first = mine.open("R1")
    with pytest.raises(RouterBusy, match="another pass"):
        mine.open("R1")
    mine.give_back("R1", first)
    assert mine.open("R1") is first
    assert router.sessions() == ["api-ssl:1"]


def test_nor_a_second_one_while_the_first_is_being_opened(sessions, router):
    mine = sessions(config_for(router), connect_timeout_s=10, first_reply_timeout_s=10)
    router.set_faults(latency_ms=300)
    opened = []
    thread = threading.Thread(target=lambda: opened.append(mine.open("R1")))
    thread.start()
    eventually(router.sessions, "somebody logged in")
    with pytest.raises(RouterBusy, match="another pass"):
        mine.open("R1")
    thread.join()
    opened[0].close()


def test_after_a_failure_the_router_may_be_tried_again(sessions, router):
    mine = sessions(config_for(router))
    router.set_faults(refuse_login=True)
    for _ in range(2):
        with pytest.raises(RouterBlocked):
            mine.open("R1")
    router.clear_faults()
    assert mine.open("R1").identity == "MikroTik"


def test_a_session_of_another_is_not_taken_back(sessions, router):
    mine = sessions(config_for(router))
    first = mine.open("R1")
    first.close()
    second = mine.open("R1")
    mine.give_back("R1", first)
    with pytest.raises(RouterBusy, match="another pass"):
        mine.open("R1")
    assert not second.closed


def test_many_threads_work_with_many_routers(sessions):
    with running(8, seed_guide=True) as sim:
        mine = sessions(*(config_for(each) for each in sim.routers))

        def work(name: str) -> None:
            for number in range(1, 21):
                session = mine.open(name)
                session.write([add(number)], nothing)
                mine.give_back(name, session)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, (each.name for each in sim.routers)))
        assert [len(each.rows(LEASE)) for each in sim.routers] == [20] * 8
        assert [each.counters()["/login"] for each in sim.routers] == [1] * 8
        mine.close_all()
        eventually(lambda: not any(r.sessions() for r in sim.routers), "no session is left")


def test_at_the_end_those_in_use_are_closed_too(sessions, router):
    mine = sessions(config_for(router))
    first = mine.open("R1")
    mine.close_all()
    assert first.closed
    with pytest.raises(RouterUnreachable, match="closed"):
        first.read_leases(None, nothing)
