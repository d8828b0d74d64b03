"""`leasewire keys list` says in which hour a key was last used, at the cost of a write an hour."""

import time
from datetime import UTC, datetime

import pytest

from gateway.keys import GatewayKeys
from tests.command_line import run_command

pytestmark = pytest.mark.redis


@pytest.fixture
def listed(monkeypatch, capsys, valkey):
    """The keys by id, as `leasewire keys list --json` has them."""

    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)

    def run():
        keys = run_command(monkeypatch, capsys, ("keys", "list", "--json")).document["keys"]
        return {each["id"]: each["last_used"] for each in keys}

    return run


def this_hour():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:00:00Z")


def test_the_last_use_of_a_key_is_the_hour_of_its_last_request(
    gateway, listed, monkeypatch, capsys
):
    used, unused = gateway.key("read"), gateway.key("read")
    assert listed() == {used.key.id: None, unused.key.id: None}
    before = this_hour()
    gateway.client_of(used.token).get("/v1/events/none")
    gateway.client_of(f"{unused.token}x").get("/v1/events/none")  # not with its secret
    found = listed()
    assert found[used.key.id] in {before, this_hour()}
    assert found[unused.key.id] is None
    shown = run_command(monkeypatch, capsys, ("keys", "list")).out
    assert "LAST USED" in shown
    assert "never" in shown
    assert gateway.keys.revoke(used.key.id, "ann")
    assert gateway.store.client.exists(GatewayKeys(gateway.store.keys.prefix).api_keys_used) == 0


def test_many_requests_write_the_last_use_once_an_hour(gateway):
    client = gateway.client("read")
    before, ends = writes(gateway), time.monotonic() + 3.2
    asked = 0
    while time.monotonic() < ends:  # the key is looked up anew each second
        client.get("/v1/events/none")
        asked += 1
    assert asked > 10
    assert writes(gateway) - before in {1, 2}  # two where an hour began meanwhile


def writes(gateway):
    stats = gateway.store.client.info("commandstats")
    return stats.get("cmdstat_hset", {"calls": 0})["calls"]


def test_a_last_use_that_cannot_be_written_refuses_nobody(own_valkey, gateway_at):
    with gateway_at(own_valkey.url) as gateway, own_valkey.client() as admin:
        client = gateway.client("read")
        admin.execute_command("ACL", "SETUSER", "default", "-hset")
        assert client.get("/v1/events/none").status_code == 404
        assert admin.hlen(GatewayKeys(gateway.store.keys.prefix).api_keys) == 1
        assert admin.hlen(GatewayKeys(gateway.store.keys.prefix).api_keys_used) == 0
