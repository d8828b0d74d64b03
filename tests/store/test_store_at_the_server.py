"""What the store asks of its server, and what it says when that is not there."""

import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry

from contracts import names
from worker.core.service.record import ServiceRecord
from worker.errors import ConfigurationError, StoreRefused, StoreUnavailable
from worker.store.commits import ServiceCommit
from worker.store.connection import connect
from worker.store.store import open_store

pytestmark = pytest.mark.redis


@pytest.fixture
def own_store(own_valkey):
    with own_valkey.client() as client:
        client.set_retry(Retry(NoBackoff(), 1))  # nobody is waited for here
        yield open_store(client, "lw:")


def test_an_empty_redis_takes_the_installation_and_no_other_after_it(store):
    store.bind_installation("acme")
    store.bind_installation("acme")
    with pytest.raises(ConfigurationError, match="belongs to 'acme'"):
        store.bind_installation("staging")


def test_a_server_that_keeps_what_it_gets_will_do(own_store):
    own_store.check_server()


def test_a_server_that_may_forget_is_refused_with_every_reason(own_store):
    own_store.client.config_set("maxmemory-policy", "allkeys-lru")
    own_store.client.config_set("appendonly", "no")
    with pytest.raises(ConfigurationError) as caught:
        own_store.check_server()
    assert len(caught.value.problems) == 2


def test_a_user_who_may_not_read_the_configuration_can_start(own_store, own_valkey):
    """As on many a hosted Redis."""
    own_store.client.acl_setuser(
        "worker", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-config"]
    )
    with connect(own_valkey.url, username="worker", password="any") as client:
        with pytest.raises(StoreRefused, match="permission"):
            client.config_get("*")
        open_store(client, "lw:").check_server()


def start(store):
    store.bind_installation("acme")
    store.check_queues()


@pytest.mark.parametrize(
    ("keys", "commands"),
    [(["other:*"], []), (["lw:[a-d]*", "lw:installation"], []), (["*"], ["-psubscribe"])],
    ids=["nothing", "no queue", "no channel"],
)
def test_a_user_who_may_not_do_what_is_needed_is_told_so(own_store, own_valkey, keys, commands):
    own_store.client.acl_setuser(
        "worker",
        enabled=True,
        nopass=True,
        keys=keys,
        channels=["*"],
        categories=["+@all"],
        commands=commands,
    )
    with (
        connect(own_valkey.url, username="worker", password="any") as client,
        pytest.raises(StoreRefused, match="refuses us") as refused,
    ):
        start(open_store(client, "lw:"))
    assert "deploy/redis/users.acl" in refused.value.advice


@pytest.mark.parametrize(
    "login", [{}, {"username": "worker"}, {"username": "worker", "password": "b"}]
)
def test_a_login_that_does_not_fit_is_no_server_that_is_away(own_store, own_valkey, login):
    own_store.client.acl_setuser("worker", enabled=True, passwords=["+a"], categories=["+@all"])
    own_store.client.acl_setuser("default", enabled=False)
    with connect(own_valkey.url, **login) as client, pytest.raises(StoreRefused):
        open_store(client, "lw:").records.now_ms()


def test_a_script_that_may_not_do_its_work_is_refused_too(own_store, own_valkey):
    own_store.client.acl_setuser(
        "worker",
        enabled=True,
        nopass=True,
        keys=["*"],
        categories=["+@all"],
        commands=["-zadd"],
    )
    with (
        connect(own_valkey.url, username="worker", password="any") as client,
        pytest.raises(StoreRefused, match="ACL failure"),
    ):
        open_store(client, "lw:").routers.add_work("R1", ["SVC-1"], 0, 1)


def test_who_may_do_all_may_use_the_queues(own_store):
    own_store.check_queues()


def test_a_server_that_is_away_is_a_verdict_of_its_own(own_store, own_valkey):
    own_valkey.kill()
    with pytest.raises(StoreUnavailable):
        own_store.records.now_ms()
    own_valkey.start()
    assert own_store.records.now_ms()


def test_a_server_that_is_restarted_between_two_commands_is_one_too(own_store, monkeypatch):
    """A script was loaded, and is gone before it is called."""
    load = own_store.client.script_load

    def loaded_in_vain(script):
        sha = load(script)
        own_store.client.script_flush()
        return sha

    monkeypatch.setattr(own_store.client, "script_load", loaded_in_vain)
    with pytest.raises(StoreUnavailable):
        own_store.journal.take(names.QUEUE_EVENTS, ["a"], 500)


def test_a_full_server_is_one_too_and_nothing_is_half_done(own_store):
    commit = ServiceCommit("S", 0, ServiceRecord("S"), work_items={"R1": 0}, lines=["{}"])
    own_store.client.config_set("maxmemory", "1mb")
    with pytest.raises(StoreUnavailable):
        own_store.records.commit([commit], 0)
    with pytest.raises(StoreUnavailable):
        own_store.journal.take(names.QUEUE_EVENTS, ["a"], 500)
    assert own_store.client.keys("lw:*") == []
    own_store.client.config_set("maxmemory", "0")
    assert own_store.records.commit([commit], 0).done == [True]
