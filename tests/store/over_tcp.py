"""The embedded Valkey, found over TCP: redis-py makes another kind of connection there."""

import contextlib
import socket
from typing import Final

import redis

from leasewire.host.embedded import EmbeddedServer

_TRIES: Final = 20


def open_port(server: EmbeddedServer) -> int:
    """Let the server listen on a port of loopback besides its Unix socket; gives the port."""
    with server.client() as client:
        client.config_set("bind", "127.0.0.1")
        for _ in range(_TRIES):
            with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
                port: int = free.getsockname()[1]
            # Another process may have taken it meanwhile.
            with contextlib.suppress(redis.ResponseError):
                client.config_set("port", port)
                return port
    raise AssertionError(f"no port could be opened in {_TRIES} tries")


class ServerOverTcp(EmbeddedServer):
    """An embedded server whose clients find it at a port of loopback."""

    port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0" if self.port else super().url

    def start(self) -> None:
        self.port = 0
        super().start()
        self.port = open_port(self)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)
