"""Fixtures that every part shares: a real Valkey, one a run; a key prefix of its own a test."""

import secrets
import shutil
import tempfile
from pathlib import Path

import pytest

from leasewire.embedded import EmbeddedServer
from worker.store.store import open_store


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
def client(valkey):
    """A client of the server; texts are decoded."""
    with valkey.client() as client:
        yield client


@pytest.fixture
def store(client, prefix):
    """The store, under the test's own prefix."""
    return open_store(client, prefix)


@pytest.fixture
def own_valkey():
    """A server of this test alone: one that it may stop, kill and start again."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    with EmbeddedServer(directory) as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture
def short_directory():
    """A directory whose path is short, as Unix sockets need."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def prefix():
    """A key prefix that no other test has."""
    return f"t{secrets.token_hex(3)}:"
