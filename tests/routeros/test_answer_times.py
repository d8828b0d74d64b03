"""How long a router takes to answer is collected when its session is given back."""

import pytest

from tests.routeros.peers import add, config_for, nothing, settings
from worker.errors import StoreUnavailable
from worker.inventory import Inventory
from worker.ports import AnswerTimes
from worker.routeros.sessions import AnswerCollector, Sessions

pytestmark = pytest.mark.router

LATE_MS = 30


@pytest.fixture
def answers():
    return AnswerCollector()


def taken(answers):
    """What would be stored now."""
    stored = []
    answers.store(stored.append)
    return stored[0] if stored else {}


def test_each_question_counts_once_however_many_commands_it_has(router, transport, answers):
    router.set_faults(latency_ms=LATE_MS)
    inventory = Inventory("acme", {"R1": config_for(router, transport)}, {})
    sessions = Sessions(inventory, settings(), answers)
    session = sessions.open("R1")
    sessions.give_back("R1", session)
    login = taken(answers)["R1"]
    assert login.most_ms >= LATE_MS
    assert login.sum_ms >= LATE_MS * login.number
    sessions.open("R1")
    session.write([add(number) for number in range(5)], nothing)
    session.read_leases(None, nothing)
    assert taken(answers) == {}, "while the session is in use"
    sessions.give_back("R1", session)
    found = taken(answers)["R1"]
    assert found.number == 2
    assert found.sum_ms >= 2 * LATE_MS
    assert taken(answers) == {}
    sessions.close_all()


def test_answers_of_several_sessions_are_taken_together(answers):
    answers.add("R1", AnswerTimes(2, 30, 20))
    answers.add("R1", AnswerTimes(1, 50, 50))
    answers.add("R2", AnswerTimes(0, 0, 0))
    assert taken(answers) == {"R1": AnswerTimes(3, 80, 50)}


def test_what_cannot_be_stored_is_not_kept(answers):
    def fail(_answered):
        raise StoreUnavailable("away")

    answers.add("R1", AnswerTimes(1, 5, 5))
    with pytest.raises(StoreUnavailable):
        answers.store(fail)
    assert taken(answers) == {}
