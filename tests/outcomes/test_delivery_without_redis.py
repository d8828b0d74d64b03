"""Redis that stops and comes back: deliveries wait, and go on."""

import pytest

from tests.outcomes.conftest import Post
from tests.outcomes.receiver import Receiver
from tests.waiting import eventually
from worker.store.store import open_store

pytestmark = pytest.mark.redis


def test_deliveries_wait_for_redis_and_continue(own_valkey, secret):
    with own_valkey.client() as client, Receiver(secret) as receiver:
        post = Post(open_store(client, "p:"), client, "p:")
        with post.delivering(post.target(receiver.port, secret)) as running:
            post.say(1)
            eventually(lambda: receiver.taken, "the first came")
            own_valkey.stop()
            assert running.running
            own_valkey.start()
            post.say(2)
            eventually(lambda: receiver.events() == ["e-1", "e-2"], "the second came")
        with post.delivering(post.target(receiver.port, secret)):
            own_valkey.stop()
        own_valkey.start()
