"""Fixtures that every part shares: a real Valkey, one a run; a key prefix of its own a test."""

import gc
import logging
import os
import secrets
import shutil
import sys
import tempfile
import threading
from itertools import groupby
from pathlib import Path

import hypothesis
import pytest
import structlog

from leasewire.host.embedded import EmbeddedServer
from tests.command_line import run_command
from tests.faults.newer import be_newer
from worker.store.store import open_store
from worker.store.store_format import StoreFormat

# How long an example takes says how busy the machine is, and nothing of what is tested.
hypothesis.settings.register_profile("leasewire", deadline=None)
hypothesis.settings.load_profile("leasewire")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for garbage neither during collection nor, later, among what it made.

    A third of the processor time of collection was for that, in each of xdist's workers.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    """Spread the modules of end-to-end tests among and within the parts that xdist's workers get.

    Else one worker has many of them at the end, and the others nothing to do. What shares a browser
    stays together: each worker that has one of its tests starts a browser and all behind it.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    if workers < 2:
        return
    modules = [list(group) for _, group in groupby(items, key=_kept_together)]
    long = [group for group in modules if any(item.get_closest_marker("e2e") for item in group)]
    short = [item for group in modules if group not in long for item in group]
    items.clear()
    for number in range(workers):
        ours = long[number::workers]
        others = short[len(short) * number // workers : len(short) * (number + 1) // workers]
        between = len(others) * 3 // (4 * max(len(ours), 1))  # the last quarter has none
        for place, group in enumerate(ours):
            items += group + others[place * between : (place + 1) * between]
        items += others[len(ours) * between :]


def _kept_together(item):
    folder = item.path.parent
    return folder if folder.name == "browser" else item.path


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
def newer(monkeypatch):
    """This process is of a newer version, which raises the store format as soon as it may."""
    end = be_newer()
    monkeypatch.setattr(StoreFormat, "SETTLES_S", 0)
    yield
    monkeypatch.undo()
    end()


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
