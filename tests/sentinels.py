"""A Redis on three servers, on this machine or others, and three Sentinels that watch it."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import redis

from leasewire.host.embedded import server_binary
from tests.waiting import eventually
from worker.store.connection import StoreClient, connect

NAME: Final = "leasewire"
_HOST: Final = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens now."""
    sockets = [socket.create_server((_HOST, 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


class Sentinels:
    """Use as a context manager; it is used where an `EmbeddedServer` is.

    Args:
        directory: for the files of all six.
        options: further options of each server.
        down_ms: a server that is silent for so long is down. Busy machines need more than the
            least, or a new primary is replaced at once.

    Attributes:
        url: for clients.
    """

    def __init__(self, directory: Path, options: Sequence[str] = (), down_ms: int = 1_000) -> None:
        self.directory = directory
        self._down_ms = down_ms
        self._options = options
        self._ports = free_ports(6)
        self.servers, self.sentinels = self._ports[:3], self._ports[3:]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        hosts = ",".join(f"{self.host(port)}:{port}" for port in self.sentinels)
        self.url = f"sentinel://{hosts}/{NAME}/0"

    def __enter__(self) -> Self:
        try:
            for port in self.servers:
                self.start(port)
            self._wait_for_replicas()
            for port in self.sentinels:
                self.start_sentinel(port)
            eventually(self.is_watched, "the Sentinels know each other", within_s=20)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()

    def client(self) -> StoreClient:
        """A client of the primary."""
        return connect(self.url)

    def host(self, _port: int) -> str:
        """Address of the machine of a server or Sentinel."""
        return _HOST

    def inside(self, _port: int) -> Sequence[str]:
        """What runs a program on that machine: put before it."""
        return ()

    def primary(self, besides: Sequence[int] = ()) -> int:
        """Port of the primary as the Sentinels say, `besides` some; 0 while they do not agree."""
        found = {self._named_by(port) for port in self.sentinels if port not in besides}
        return found.pop() if len(found) == 1 else 0

    def start(self, port: int, primary: int = 0) -> None:
        """Start a server with what is in its folder.

        Args:
            port: of the server.
            primary: whose replica it is; 0: at the first time the first server's, later nobody's.
        """
        folder = self.directory / str(port)
        folder.mkdir(parents=True, exist_ok=True)
        first = self.servers[0]
        if not primary and port != first and not self._processes.get(port):
            primary = first
        of = ["--replicaof", self.host(primary), str(primary)] if primary else []
        self._start(
            port,
            [
                *("--port", str(port), "--bind", self.host(port), "--dir", str(folder)),
                *("--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"),
                *("--protected-mode", "no", "--repl-diskless-sync-delay", "0"),
                *(*of, *self._options),
            ],
        )

    def kill(self, port: int) -> None:
        """End a server or a Sentinel as a machine that loses its power."""
        self._processes[port].kill()
        self._processes[port].wait()

    def freeze(self, port: int) -> None:
        """Stop a server: it answers nobody, and its connections stay open."""
        os.kill(self._processes[port].pid, signal.SIGSTOP)

    def thaw(self, port: int) -> None:
        """Let a frozen server go on."""
        os.kill(self._processes[port].pid, signal.SIGCONT)

    def at(self, port: int) -> redis.Redis:
        """A client of one server."""
        return redis.Redis(self.host(port), port, decode_responses=True, socket_timeout=5)

    def wait_until_replicated(self) -> None:
        """Wait until the primary has two replicas again."""
        eventually(self._has_replicas, "two replicas follow the primary", within_s=60)

    def _has_replicas(self) -> bool:
        primary = self.primary()
        if not primary:
            return False
        with self.at(primary) as client:
            info = client.info("replication")
        states = [info[name]["state"] for name in ("slave0", "slave1") if name in info]
        return states == ["online", "online"]

    def _wait_for_replicas(self) -> None:
        def follow() -> bool:
            try:
                with self.at(self.servers[0]) as client:
                    info = client.info("replication")
            except redis.ConnectionError:
                return False
            return [info.get(n, {}).get("state") for n in ("slave0", "slave1")] == ["online"] * 2

        eventually(follow, "the replicas follow", within_s=20)

    def start_sentinel(self, port: int) -> None:
        """Start a Sentinel; it goes on with what it knew."""
        config, first = self.directory / f"sentinel-{port}.conf", self.servers[0]
        if not config.exists():
            config.write_text(
                f"port {port}\nbind {self.host(port)}\nprotected-mode no\ndir {self.directory}\n"
                f"sentinel monitor {NAME} {self.host(first)} {first} 2\n"
                f"sentinel down-after-milliseconds {NAME} {self._down_ms}\n"
                f"sentinel failover-timeout {NAME} 3000\nsentinel parallel-syncs {NAME} 2\n"
            )
        self._start(port, [str(config), "--sentinel"])

    def _start(self, port: int, arguments: Sequence[str]) -> None:
        with (self.directory / f"{port}.out").open("ab") as out:
            self._processes[port] = subprocess.Popen(
                [*self.inside(port), server_binary(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def is_watched(self) -> bool:
        """Whether each Sentinel knows all servers and the other Sentinels."""
        try:
            for port in self.sentinels:
                with self.at(port) as sentinel:
                    state = sentinel.sentinel_master(NAME)
                if (state["num-slaves"], state["num-other-sentinels"]) != (2, 2):
                    return False
        except redis.RedisError:
            return False
        return True

    def _named_by(self, port: int) -> int:
        try:
            with self.at(port) as sentinel:
                return int(sentinel.sentinel_get_master_addr_by_name(NAME)[1])
        except redis.RedisError:
            return -port
