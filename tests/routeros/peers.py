"""What the tests of this folder are made of: configurations, operations, and routers by hand."""

import gc
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulator.testing import PASSWORD
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Add
from worker.inventory import RouterConfig
from worker.routeros.wire import SentenceReader, encode_sentence
from worker.settings import Settings

LEASE = "/ip/dhcp-server/lease"
SERVER = "dhcp-vlan-32"
QUICK = {
    "connect_timeout_s": 1,
    "first_reply_timeout_s": 1,
    "command_timeout_s": 1,
    "read_timeout_s": 2,
}


def nothing() -> None:
    """No progress to tell."""


def settings(**changes) -> Settings:
    return Settings(**{**QUICK, **changes})


def add(number: int, **fields: str) -> Add:
    return Add(
        number,
        f"S-{number}",
        {
            "mac-address": f"00:00:5E:00:{0x53 + (number >> 8):02X}:{number & 255:02X}",
            "address": f"198.51.{100 + (number >> 8)}.{number & 255}",
            "server": SERVER,
            "comment": f"leasewire:acme:S-{number}",
            **fields,
        },
    )


@dataclass
class Peer:
    """A router by hand: as far as `config_for` needs one."""

    api_port: int
    name: str = "R1"
    host: str = "127.0.0.1"
    fingerprint_sha256: str = "00" * 32

    @property
    def api_ssl_port(self) -> int:
        return self.api_port

    rest_port = api_ssl_port


def port_of(router, transport: str) -> int:
    """Where a router serves a transport."""
    return getattr(router, f"{transport.replace('-', '_')}_port")


def config_for(router, transport: str = "api-ssl", **changes) -> RouterConfig:
    values = {
        "name": router.name,
        "host": router.host,
        "port": port_of(router, transport),
        "transport": transport,
        "username": "leasewire",
        "password_env": "ROUTER_PASSWORD",
        "fingerprint": None if transport == "api" else router.fingerprint_sha256,
        "policy": RouterPolicy("acme"),
        "_environ": {"ROUTER_PASSWORD": PASSWORD},
        **changes,
    }
    return RouterConfig(**values)


class Client:
    """Our client, as seen by a router by hand."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = SentenceReader()
        self._ready: list[list[str]] = []

    def read(self) -> list[str]:
        """The next sentence; ConnectionError when there is none any more."""
        while not self._ready:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("end")
            self._ready += self._reader.feed(data)
        return self._ready.pop(0)

    def is_quiet_for(self, seconds: float) -> bool:
        return not self._ready and not select.select([self.sock], [], [], seconds)[0]

    def say(self, *words: str) -> None:
        self.sock.sendall(encode_sentence(words))

    def take_login(self) -> None:
        """Answer what comes at the start of each session."""
        for rows in ([], ["=name=by hand"], ["=version=7.18.2 (stable)"], [], []):
            tag = self.read()[-1]
            if rows:
                self.say("!re", *rows, tag)
            self.say("!done", tag)
        tag = self.read()[-1]  # whether it has /ip/mac-server
        self.say("!trap", "=message=no such command prefix", tag)
        self.say("!done", tag)


@contextmanager
def peer(answer: Callable[[Client], None]) -> Iterator[Peer]:
    """A router that does what a test says with each connection, one after the other."""
    listener = socket.create_server(("127.0.0.1", 0))
    closing = threading.Event()
    failures: list[BaseException] = []

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if closing.is_set():
                    return
                connection.settimeout(10)
                try:
                    answer(Client(connection))
                except ConnectionError:
                    continue  # the client went away, as it may
                except BaseException as error:  # noqa: BLE001 - told to the test below
                    failures.append(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Peer(listener.getsockname()[1])
    finally:
        closing.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join(15)
        listener.close()
    assert not thread.is_alive()
    assert failures == []


def sockets_open() -> int:
    """How many sockets this process has."""
    gc.collect()
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            count += str(descriptor.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return count
