"""One at a time reads a service; a ticket is drawn before anything is asked."""

import pytest

from gateway.hooks.inbox import Inbox, Posted
from gateway.keys import GatewayKeys

pytestmark = pytest.mark.redis


@pytest.fixture
def inbox(client, prefix):
    return Inbox(client, prefix)


def want(inbox, ref="5/7"):
    inbox.want("", "splynx", [(ref, "v", False)], 0)


def let_time_pass(client, prefix):
    """The minute is over for which a reading is its reader's."""
    client.zadd(GatewayKeys(prefix).hooks.wanted_due, {"splynx|5/7": 0}, xx=True)


def test_one_process_at_a_time_rereads_a_service(inbox):
    want(inbox)
    (reading,) = inbox.begin(8)
    want(inbox)  # a webhook meanwhile
    assert inbox.begin(8) == []
    assert inbox.finish(reading)
    (again,) = inbox.begin(8)
    assert again.ticket > reading.ticket
    assert inbox.finish(again)
    assert inbox.begin(8) == []


def test_an_overtaken_reread_publishes_nothing(inbox, client, prefix):
    want(inbox)
    (slow,) = inbox.begin(8)
    let_time_pass(client, prefix)
    (other,) = inbox.begin(8)
    assert other.ticket > slow.ticket
    assert not inbox.is_ours(slow)
    assert inbox.is_ours(other)
    assert not inbox.finish(slow)
    assert inbox.finish(other)


def test_tickets_grow_also_after_redis_forgot_them(inbox, client, prefix):
    want(inbox)
    (reading,) = inbox.begin(8)
    inbox.finish(reading)
    client.delete(GatewayKeys(prefix).hooks.tickets)
    want(inbox)
    (again,) = inbox.begin(8)
    assert again.ticket >= reading.ticket
    client.hset(
        GatewayKeys(prefix).hooks.tickets, "splynx|5/7", again.ticket + 10**9
    )  # a clock went back
    inbox.finish(again)
    want(inbox)
    assert inbox.begin(8)[0].ticket == again.ticket + 10**9 + 1


def test_a_failure_is_kept_and_tried_again_later(inbox, client, prefix):
    want(inbox)
    (reading,) = inbox.begin(8)
    assert inbox.finish(reading, retry_ms=60_000, why="answers 503")
    assert inbox.begin(8) == []
    assert [each["why"] for _, _, each in inbox.wanted()] == ["answers 503"]
    let_time_pass(client, prefix)
    (again,) = inbox.begin(8)
    assert again.attempts == 1


def test_a_webhook_is_kept_until_it_is_processed(inbox, client, prefix):
    posted = Posted("i", "splynx", "{}", "application/json")
    assert inbox.put(posted) == ""
    assert inbox.put(posted) == ""
    assert inbox.take(8) == [posted]
    assert inbox.take(8) == []
    inbox.later(posted, 0)
    assert inbox.take(8) == [posted._replace(attempts=1)]
    inbox.done(posted)
    assert inbox.depth() == 0
