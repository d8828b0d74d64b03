"""Fixtures that every part shares: a real Valkey, one a run; a key prefix of its own a test."""

import logging
import secrets
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import hypothesis
import pytest
import structlog

from leasewire.host.embedded import EmbeddedServer
from tests.command_line import run_command
from worker.store.store import open_store

# How long an example takes says how busy the machine is, and nothing of what is tested.
hypothesis.settings.register_profile("leasewire", deadline=None)
hypothesis.settings.load_profile("leasewire")


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


@pytest.fixture
def quiet_logging():
    """Logging is as it was afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    yield
    logging.captureWarnings(capture=False)
    root.handlers, level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def leasewire(quiet_logging, monkeypatch, capsys, tmp_path):
    """Runs a command in an empty directory: `leasewire("status", "--json")`."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run_command(monkeypatch, capsys, arguments)
