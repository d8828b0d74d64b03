"""The embedded server is a real one: what it acknowledged survives its death."""

import pytest

from leasewire.embedded import EmbeddedServer
from leasewire.host_memory import memory_here

pytestmark = pytest.mark.redis


def test_what_was_written_survives_a_kill(own_valkey):
    with own_valkey.client() as client:
        client.set("kept", "yes")
        client.config_set("appendfsync", "always")
        client.set("kept", "still")
    own_valkey.kill()
    own_valkey.start()
    with own_valkey.client() as client:
        assert client.get("kept") == "still"


def test_it_never_evicts_and_listens_on_no_port(own_valkey):
    with own_valkey.client() as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("port")["port"] == "0"
        assert client.config_get("appendonly")["appendonly"] == "yes"


def test_its_memory_has_a_limit_that_is_half_of_what_there_is(own_valkey, short_directory):
    with own_valkey.client() as client:
        assert int(client.config_get("maxmemory")["maxmemory"]) == memory_here() // 2
    with EmbeddedServer(short_directory, maxmemory="64mb") as other, other.client() as client:
        assert int(client.config_get("maxmemory")["maxmemory"]) == 64 << 20
