"""A replica of an embedded Valkey."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leasewire.host.embedded import EmbeddedServer
from tests.store.over_tcp import open_port
from tests.waiting import eventually


@contextmanager
def replica_of(primary: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """A replica that follows a server."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    try:
        with EmbeddedServer(directory) as server, primary.client() as client:
            client.config_set("repl-diskless-sync-delay", 0)
            with server.client() as of_replica:
                of_replica.replicaof("127.0.0.1", open_port(primary))

            def follows() -> bool:
                replica = client.info("replication").get("slave0", {})
                return replica.get("state") == "online" and client.wait(1, 100) == 1

            eventually(follows, "the replica follows")
            yield server
    finally:
        shutil.rmtree(directory)


@contextmanager
def silent(server: EmbeddedServer) -> Iterator[None]:
    """Stop a server meanwhile: it confirms nothing, and its connections stay open."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)
