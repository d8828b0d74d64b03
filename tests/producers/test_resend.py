"""What Redis accepted and lost is sent again, once it is seen under another history."""

import logging
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
from redis import Redis

from contracts.identity import event_key
from contracts.names import journal_body, journal_due, journal_lost
from producers.accepted import AcceptedEvent, AcceptedInMemory, AcceptedInSpool
from producers.connection import open_publisher
from producers.errors import PublishFailed
from producers.journal_transport import JournalTransport
from producers.publisher import Publisher
from producers.resend import Resend
from producers.spool import Spool
from tests import builders
from tests.other_history import begin_another_history
from tests.waiting import eventually

pytestmark = pytest.mark.redis

BODY, DUE = (key("lw:", "events") for key in (journal_body, journal_due))


def clock():
    return datetime.now(UTC)


@pytest.fixture
def redis(own_valkey):
    with own_valkey.client() as client:
        yield client


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "leasewire.publisher")
    return lambda: [(r.lost, r.known) for r in caplog.records if r.name == "leasewire.publisher"]


@pytest.fixture
def publishing(own_valkey):
    @contextmanager
    def opened(**options):
        with open_publisher(own_valkey.url, clock=clock, **options) as publisher:
            yield publisher

    return opened


def events(*numbers):
    return [builders.activated(f"SVC-{number}", id_=f"e{number}") for number in numbers]


def lose(client, *numbers):
    """Take events away, as a primary that did not get them; and begin another history."""
    for number in numbers:
        client.hdel(BODY, key(number))
        client.zrem(DUE, key(number))
    begin_another_history(client)


def key(number):
    return event_key(builders.SOURCE, f"e{number}")


def test_what_a_new_primary_lacks_is_sent_again_before_anything_else(redis, publishing, said):
    with publishing() as publisher:
        publisher.publish(events(1, 2, 3))
        publisher.publish(events(4), lane="bulk")
        lose(redis, 1, 3)
        redis.hdel(journal_body("lw:", "bulk"), key(4))
        publisher.publish(events(5))
        due = redis.zrange(DUE, 0, -1, withscores=True)
        written_ms = {event: int(score) for event, score in due}  # the rest is a place in a batch
        assert written_ms.keys() == {key(number) for number in (1, 2, 3, 5)}
        # Those of one millisecond may be in any order.
        assert max(written_ms[key(number)] for number in (1, 2, 3)) <= written_ms[key(5)]
        assert redis.hexists(journal_body("lw:", "bulk"), key(4))
        assert said() == [(3, 1)]
        lost = redis.hgetall(journal_lost("lw:"))
        assert lost["events"] == "3"
        assert abs(int(lost["at_ms"]) / 1000 - clock().timestamp()) < 60

        lose(redis, 1)  # that is as safe as if it had been accepted just now
        publisher.publish(events(6))
        assert redis.hexists(BODY, key(1))
        assert said()[1:] == [(1, 4)]


def test_what_was_sent_before_sending_again_failed_is_counted(redis, publishing, said):
    due = journal_due("lw:", "bulk")
    with publishing() as publisher:
        publisher.publish(events(1))
        publisher.publish(events(2), lane="bulk")
        lose(redis, 1)
        redis.delete(journal_body("lw:", "bulk"), due)
        redis.set(due, "no set")
        with pytest.raises(PublishFailed):
            publisher.publish(events(3))
        assert said() == [(1, 0)]
        redis.delete(due)
        publisher.publish(events(3))
        assert said() == [(1, 0), (1, 1)]
        assert redis.hget(journal_lost("lw:"), "events") == "2"


def test_nothing_is_asked_while_the_history_is_the_same(redis, publishing, said):
    with publishing() as publisher:
        publisher.publish(events(1))
        redis.hdel(BODY, key(1))
        redis.client_kill_filter(_type="normal")
        publisher.publish(events(2))
        assert said() == []
        assert not redis.hexists(BODY, key(1))


def test_without_a_time_nothing_is_remembered(redis, publishing):
    with publishing(resend_s=0) as publisher:
        publisher.publish(events(1))
        lose(redis, 1)
        publisher.publish(events(2))
    assert redis.hkeys(BODY) == [key(2)]


@pytest.fixture
def parts(own_valkey):
    """A publisher with what it remembers, and with what sends again, at hand."""
    memory = AcceptedInMemory()
    client = Redis(unix_socket_path=str(own_valkey.socket))
    resend = Resend(client, memory, prefix="lw:", keep_s=0.01)
    with Publisher(JournalTransport(client, resend=resend), clock=clock) as publisher:
        yield publisher, resend, memory


def test_an_event_is_forgotten_when_it_is_old(redis, parts):
    publisher, _, memory = parts

    publisher.publish(events(1))
    eventually(lambda: memory.of_others(""), "it is remembered")
    eventually(memory.is_empty, "it is forgotten")
    lose(redis, 1)
    publisher.publish(events(3))
    assert not redis.hexists(BODY, key(1))


def test_an_event_that_a_former_primary_accepted_last_is_asked_for(redis, parts, said):
    publisher, resend, _ = parts
    publisher.publish(events(1))
    [event] = publisher.check(events(2))
    history = resend.history  # it is sent, and accepted by a server that dies
    begin_another_history(redis)
    publisher.publish(events(3))  # of another thread
    resend.sent.append(([event], "events", history))
    resend.ask()
    assert redis.hexists(BODY, event.key)
    assert said() == [(0, 1), (1, 0)]


def test_a_login_without_the_rights_publishes_and_is_told(redis, publishing, caplog):
    redis.execute_command(
        *("ACL", "SETUSER", "poor", "on", ">secret", "~lw:journal:*", "~lw:events", "~lw:bulk"),
        *("+@all", "-hexists"),
    )
    with publishing(username="poor", password="secret") as publisher:
        publisher.publish(events(1))
        lose(redis, 1)
        publisher.publish(events(2))
    assert redis.hkeys(BODY) == [key(2)]
    assert "publisher.cannot_ask" in caplog.text
    assert "deploy/redis/users.acl" in caplog.text


def test_a_spool_remembers_for_a_publisher_that_crashed(redis, publishing, said, tmp_path):
    crashed = publishing(spool=Spool(tmp_path / "spool"))
    crashed.__enter__().publish(events(1, 2))
    lose(redis, 1)
    with publishing(spool=Spool(tmp_path / "spool")):
        eventually(lambda: redis.hexists(BODY, key(1)), "the next one sends it by itself")
        eventually(said, "it is said")
        assert said() == [(1, 1)]
    crashed.__exit__(None, None, None)


@pytest.fixture(params=["memory", "spool"])
def accepted(request, tmp_path):
    """What is remembered, with a clock of ours; and both limits of the memory."""
    now = [100.0]
    with closing(Spool(tmp_path / "spool", clock=lambda: now[0])) as spool:
        in_memory = request.param == "memory"
        accepted = AcceptedInMemory(lambda: now[0]) if in_memory else AcceptedInSpool(spool)
        accepted.set_clock = lambda s: now.__setitem__(0, s)
        yield accepted


def of(*names):
    return [AcceptedEvent(name, "urn:s", "events", f"body of {name}") for name in names]


def test_what_is_known_under_a_history_counts_as_accepted_then(accepted):
    assert accepted.is_empty()
    accepted.add(of("a", "b"), "first")
    accepted.set_clock(110.0)
    accepted.add(of("c"), "second")
    assert accepted.of_others("second") == of("a", "b")
    accepted.confirm(["a"], "second")
    assert accepted.of_others("second") == of("b")
    accepted.forget(105.0)
    assert sorted(accepted.of_others("")) == of("a", "c"), "`b` is too old"
    accepted.forget(111.0)
    assert accepted.is_empty()


def test_the_oldest_go_where_they_are_too_many_or_too_large():
    few = AcceptedInMemory(most_events=2)
    few.add(of("a", "b"), "h")
    few.add(of("c"), "h")
    assert few.of_others("") == of("b", "c")
    small = AcceptedInMemory(most_bytes=len("body of a") * 2)
    for name in "abc":
        small.add(of(name), "h")
        small.confirm([name], "i")
    assert small.of_others("") == of("b", "c")
