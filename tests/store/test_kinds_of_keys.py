"""Keys of another program under our prefix: a process that starts names them, and ends."""

import pytest

from tests.builders import SOURCE
from tests.signs import heartbeat
from tests.small_installation import SmallInstallation, activated
from worker.errors import ConfigurationError
from worker.runtime.sweep import Sweep
from worker.store.scripts import kinds_of_keys
from worker.store.store import open_store

pytestmark = pytest.mark.redis

ROUTERS, SOURCES = ["R1", "R2"], [SOURCE]


def foreign(client, key, kind):
    if kind == "list":
        client.set(key, "not ours")
    else:
        client.lpush(key, "not ours")


def test_each_key_of_another_kind_is_named(store, client, prefix):
    wanted = kinds_of_keys(store.keys, ROUTERS, SOURCES)
    store.check_kinds(ROUTERS, SOURCES)
    for key, kind in wanted.items():
        foreign(client, key, kind)
        with pytest.raises(ConfigurationError, match="another program uses the prefix") as error:
            store.check_kinds(ROUTERS, SOURCES)
        assert f"the key {key} in Redis is a" in str(error.value)
        assert [*client.scan_iter(match=prefix + "*")] == [key]
        client.delete(key)


@pytest.mark.router
def test_what_work_leaves_is_of_the_kinds_that_are_told():
    """So the table of kinds says what the scripts do."""
    with SmallInstallation(1) as small:
        small.say(activated("SVC-1"), activated("SVC-2", router="R9"))
        small.drain()
        wanted = kinds_of_keys(small.store.keys, ["R1", "R9"], SOURCES)
        there = {key: small.client.type(key) for key in wanted if small.client.exists(key)}
    assert there == {key: wanted[key] for key in there}
    assert len(there) > 15


def test_a_redis_that_was_replaced_is_looked_at_again(own_valkey):
    """What stood in its place may be another program's: the worker ends, and its start says why."""
    with own_valkey.client() as client:
        store = open_store(client, "lw:")
        sweep = Sweep(
            store,
            2000,
            heartbeat(store),
            lambda: False,
            check_keys=lambda: store.check_kinds(ROUTERS, SOURCES),
        )
        sweep.once()
        client.lpush(store.keys.counters, "not ours")
        sweep.once()  # the same Redis: it was looked at
        own_valkey.kill()
        own_valkey.start()
        with pytest.raises(ConfigurationError, match="lw:counters in Redis is a list"):
            sweep.once()
