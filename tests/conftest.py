"""Fixtures that every part shares: a real Valkey, one a run; a key prefix of its own a test."""

import secrets
import shutil
import tempfile
from pathlib import Path

import pytest

from leasewire.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def valkey_server():
    """One embedded server for the run; its path is short, as Unix sockets need."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    with EmbeddedServer(directory) as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture
def valkey(valkey_server):
    """The server with nothing in it."""
    with valkey_server.client() as client:
        client.flushall()
    return valkey_server


@pytest.fixture
def own_valkey():
    """A server of this test alone: one that it may stop, kill and start again."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    with EmbeddedServer(directory) as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture
def prefix():
    """A key prefix that no other test has."""
    return f"t{secrets.token_hex(3)}:"
