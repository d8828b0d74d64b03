"""What arrives together is written together, and what waits is bounded."""

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from gateway.api.intake import MOST_WAITING, Intake
from gateway.api.limits import Depth
from gateway.api.problems import Refused
from producers.connection import open_publisher
from tests import builders

pytestmark = pytest.mark.redis


@pytest.fixture
def publisher(valkey, prefix):
    with open_publisher(valkey.url, clock=lambda: datetime.now(UTC), prefix=prefix) as publisher:
        yield publisher


@contextmanager
def counting(client, command):
    client.config_resetstat()
    calls = []
    yield calls
    calls.append(client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_requests_of_some_milliseconds_are_one_script_and_one_message(
    publisher, client, prefix, store
):
    async def main():
        # Long enough for any machine: what is tested is that the first waits for the others.
        intake = Intake(publisher, Depth(client, prefix), lambda _keys: {}, gather_s=0.5)
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                events = publisher.check([builders.mac_changed(f"SVC-{number}")])
                group.create_task(intake.accept(events))
                await asyncio.sleep(0)
        await intake.close()

    publisher.publish([builders.mac_changed("SVC-x")])  # the script is loaded
    with counting(client, "evalsha") as calls:
        asyncio.run(main())
    assert calls == [1]
    assert store.journal.depth("events") == 21
    assert client.llen(store.keys.queue("events")) == 1


def test_more_than_a_message_holds_is_written_in_several(publisher, client, prefix, store):
    async def main():
        intake = Intake(publisher, Depth(client, prefix), lambda _keys: {})
        batches = [
            publisher.check(builders.mac_changed(f"SVC-{n}") for n in range(first, first + 300))
            for first in (0, 300, 600)
        ]
        taken = await asyncio.gather(*map(intake.accept, batches))
        await intake.close()
        return taken

    publisher.publish([builders.mac_changed("SVC-x")])
    with counting(client, "evalsha") as calls:
        taken = asyncio.run(main())
    assert calls == [3]
    assert [len(each) for each in taken] == [300] * 3
    assert store.journal.depth("events") == 901


def test_what_waits_for_a_slow_redis_is_bounded(publisher, client, prefix, store):
    async def main():
        intake = Intake(publisher, Depth(client, prefix), lambda _keys: {})
        events = publisher.check(builders.mac_changed(f"SVC-{n}") for n in range(500))
        client.client_pause(500, all=False)
        waiting = [asyncio.create_task(intake.accept(events)) for _ in range(MOST_WAITING // 500)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await intake.accept(events)
        assert refused.value.kind == "overloaded"
        taken = await asyncio.gather(*waiting)
        assert all(len(each) == 500 for each in taken)
        await intake.accept(events)
        await intake.close()

    asyncio.run(main())
    assert store.journal.depth("events") == 500
