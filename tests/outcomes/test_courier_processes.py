"""`leasewire outcomes deliver` as processes: two of them, one frozen, and files that change."""

from threading import Event

import pytest

from gateway.keys import GatewayKeys
from tests.outcomes.conftest import BSS
from tests.outcomes.receiver import Receiver
from tests.parts import running
from tests.waiting import eventually
from worker.store.feed import position

pytestmark = [pytest.mark.redis, pytest.mark.e2e]

INVENTORY = f"""\
[installation]
id = "acme"
[sources."{BSS}"]
order = "revisions"
"""
TARGET = """\
[targets.bss]
url = "http://127.0.0.1:{port}/hook"
sources = ["{source}"]
secret_file = "secret"
"""
COMMAND = "outcomes deliver"


@pytest.fixture
def start(valkey, tmp_path, post, receiver, secret):
    """Starts a courier; its target begins with the outcomes from now on."""
    (tmp_path / "routers.toml").write_text(INVENTORY)
    (tmp_path / "outcomes.toml").write_text(TARGET.format(port=receiver.port, source=BSS))
    (tmp_path / "secret").write_text(secret)
    post.deliveries().cursor(post.store.feed.last())
    settings = {"LEASEWIRE_REDIS_URL": valkey.url, "LEASEWIRE_KEY_PREFIX": post.prefix}
    return lambda: running(tmp_path, COMMAND, **settings)


def test_a_courier_that_was_frozen_while_it_sent_sets_nothing_back(start, post, receiver):
    sending, answer = Event(), Event()

    def answers(_event):
        sending.set()
        assert answer.wait(20)
        return 200, {}

    def delivered(*numbers):
        wanted = [f"e-{number}" for number in numbers]
        eventually(lambda: receiver.events()[-len(wanted) :] == wanted, f"{wanted} came")
        return position(post.deliveries().cursor(""))

    receiver.answers = answers
    holder = GatewayKeys(post.prefix).target("bss").holder
    with start() as first:
        eventually(lambda: post.client.exists(holder), "the first one delivers")
        with start() as second:
            second.printed("Delivering outcomes to bss")
            post.say(1, 2, 3)
            assert sending.wait(20)
            first.freeze()
            answer.set()
            post.client.pexpire(holder, 1)  # as if it were frozen for half a minute
            cursors = [delivered(1, 2, 3)]
            first.wake()
            first.printed("target.taken_over")
            post.say(4, 5)
            cursors.append(delivered(4, 5))
        post.say(6)
        cursors.append(delivered(6))
        assert not first.log.count("thread.failed")
    assert cursors == sorted(cursors)
    # What it had in its hands came twice, and nothing else.
    assert receiver.events() == ["e-1", "e-1", "e-2", "e-3", "e-4", "e-5", "e-6"]


def test_targets_that_changed_are_used_after_a_reload_and_wrong_ones_are_not(
    start, post, receiver, secret, tmp_path
):
    targets = tmp_path / "outcomes.toml"
    with start() as courier, Receiver(secret) as other:
        courier.printed("Delivering outcomes to bss")
        post.say(1)
        eventually(receiver.events, "it came")
        targets.write_text(TARGET.format(port=other.port, source=BSS))
        courier.reload("inventory.reloaded")
        assert f'target bss: url was \\"http://127.0.0.1:{receiver.port}/hook\\"' in courier.log
        post.say(2)
        eventually(other.events, "it came to the other receiver")
        targets.write_text(TARGET.format(port=receiver.port, source="urn:nobody"))
        courier.reload("inventory.refused")
        assert "urn:nobody" in courier.log
        post.say(3)
        eventually(lambda: other.events() == ["e-2", "e-3"], "all goes on as before")
        targets.write_text("")
        courier.reload("target bss: removed")
        post.say(4)
        targets.write_text(TARGET.format(port=receiver.port, source=BSS))
        courier.reload("target bss: added")
        eventually(lambda: receiver.events() == ["e-1", "e-4"], "it goes on where it was")
        assert secret not in courier.log
