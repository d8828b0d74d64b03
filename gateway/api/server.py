"""Runs the application on a socket in a thread, so that its process keeps its own signals."""

import asyncio
import socket
from collections.abc import Sequence
from functools import partial
from typing import Final

import uvicorn
from fastapi import FastAPI

from gateway.api.connections import Connection, allow_open_files
from gateway.api.new_connections import BACKLOG, NewConnections
from worker.background_thread import BackgroundThread

STOP_S: Final = 20
"""How long running requests may take at a stop: longer than they wait for Redis."""
_START_S: Final = 30.0


class _Server(uvicorn.Server):
    """uvicorn's server; its connections come through `NewConnections`."""

    _new_connections: Sequence[NewConnections] = ()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets=[])
        # Each request has it as `request.state.stopping`: an answer without an end must end then.
        self._stopping = self.lifespan.state["stopping"] = asyncio.Event()
        make = partial(
            Connection,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        self._new_connections = [NewConnections(listener, make) for listener in sockets or ()]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and stop."""
        for new_connections in self._new_connections:
            new_connections.close()
        self._stopping.set()
        await super().shutdown(sockets)


class GatewayServer(BackgroundThread):
    """Listens from construction on, answers inside `with`.

    Args:
        app: the application.
        host: address to listen on.
        port: 0 takes a free port.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        super().__init__("gateway", STOP_S + _START_S)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        allow_open_files()
        self._socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Connections inherit it. Else the body of an answer waits 40 ms until the caller's system
        # acknowledges its head; asyncio sets it only on sockets whose protocol is given as TCP.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(
            app,
            log_config=None,  # all logs go through our own pipeline
            access_log=False,
            server_header=False,
            ws="none",
            http=Connection,
            loop="asyncio",
            timeout_graceful_shutdown=STOP_S,
        )
        self._server = _Server(config)

    @property
    def url(self) -> str:
        """Its URL, such as `http://127.0.0.1:8080`."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def work(self) -> None:
        """Answer."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let running requests end."""
        self._server.should_exit = True

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._socket.close()
