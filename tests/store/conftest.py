"""What is said of the store holds over a Unix socket and over TCP: each test runs over both."""

import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.over_tcp import ServerOverTcp
from worker.store.connection import connect


@pytest.fixture(scope="session")
def valkey_over_tcp():
    """As `valkey_server`, found at a port of loopback."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    with ServerOverTcp(directory) as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture(params=["unix", "tcp"])
def valkey(request, valkey_server, valkey_over_tcp):
    """The server with nothing in it, over each transport."""
    server = valkey_server if request.param == "unix" else valkey_over_tcp
    with server.client() as client:
        client.flushall()
    return server


@pytest.fixture
def plain(valkey):
    """A client that reads any bytes, as `backup` and `restore` have it."""
    with closing(connect(valkey.url, any_bytes=True)) as client:
        yield client
