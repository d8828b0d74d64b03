"""A router on the network: its ports, power, certificate.

A port that was given to a router stays its own while the power is off: a socket that is
bound and does not listen keeps others away and refuses connections.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

from simulator.api_server import ApiSession
from simulator.connection import begin, end_tasks, reset
from simulator.devices import Devices
from simulator.devices6 import Devices6
from simulator.dhcp import DhcpPort
from simulator.dhcp6 import Dhcp6Port
from simulator.dhcp_clients import DhcpClients
from simulator.dhcp_server import lose_unstored
from simulator.menus import MENUS
from simulator.menus.certificate import renew, served
from simulator.options import RouterOptions
from simulator.ppp_clients import PppClients
from simulator.rest_server import RestServer
from simulator.router import Router
from simulator.tls import DAYS, Anonymous, Certificate, certificate_in, make_certificate
from simulator.user_manager_port import UserManagerPort
from simulator.wire import Wire

_BACKLOG = 512
_HANDSHAKE_FAILURE = bytes((21, 3, 3, 0, 2, 2, 40))  # TLS 1.2's alert, fatal
_HTTP_SINCE = (7, 9)  # REST over plain HTTP (help.mikrotik.com diff)


class Port:
    """One TCP port that can be opened and closed again; 0 takes a free one, for ever."""

    def __init__(self, host: str, number: int, factory: Callable[[], asyncio.Protocol]) -> None:
        self._factory = factory
        self._server: asyncio.Server | None = None
        self._bound = _bind(host, number)
        self.host, self.number = self._bound.getsockname()[:2]

    async def open(self) -> None:
        """Listen."""
        if self._server is None:
            self._bound.close()
            self._bound = _bind(self.host, self.number)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self._factory, sock=self._bound, backlog=_BACKLOG
            )

    def close(self) -> None:
        """Refuse connections, and keep the number."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._bound = _bind(self.host, self.number)

    def give_up(self) -> None:
        """Let the number go."""
        self.close()
        self._bound.close()


class TlsGate(asyncio.Protocol):
    """Turns a fresh connection to `api-ssl` or `www-ssl` into TLS, with the present certificate."""

    def __init__(
        self,
        server: "RouterServer",
        service: str,
        factory: Callable[[], asyncio.Protocol],
    ) -> None:
        self._server = server
        self._service = service
        self._factory = factory
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handshake, or leave it when the router is to hang."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what asyncio passes to a stream protocol
        faults = self._server.router.faults
        self._transport = transport
        self._server.raw.add(transport)
        if faults.hang_on_connect or faults.hang_in_use:
            return
        transport.pause_reading()
        begin(self._server.tasks, self._shake(transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that ended before its handshake."""
        del exc
        if self._transport is not None:
            self._server.raw.discard(self._transport)

    async def _shake(self, transport: asyncio.Transport) -> None:
        inner = self._factory()
        loop = asyncio.get_running_loop()
        secure = None
        raw = transport.get_extra_info("socket").dup()  # asyncio closes it before it reports why
        try:
            context = self._server.certificate_of(self._service).context()
            with contextlib.suppress(OSError):  # a client that wants another certificate
                secure = await loop.start_tls(transport, inner, context, server_side=True)
        finally:
            self._server.raw.discard(transport)
            if secure is None:
                with contextlib.suppress(OSError):
                    raw.send(_HANDSHAKE_FAILURE)
                transport.abort()
            raw.close()
        if secure is not None:
            inner.connection_made(secure)


class RouterServer:
    """One router with its open ports; its name is that of the control interface, `R1`."""

    def __init__(self, name: str, options: RouterOptions) -> None:
        self.name = name
        self.options = options
        self.router = Router(options, MENUS)
        self.devices = Devices(self.router)
        self.devices6 = Devices6(self.router)
        self.ppp_clients = PppClients(self.router)
        self.dhcp_clients = DhcpClients(self.router)
        self.tasks: set[asyncio.Task[None]] = set()
        self.raw: set[asyncio.BaseTransport] = set()
        self.ports: dict[str, Port] = {}
        self._plugs: dict[str, DhcpPort | Dhcp6Port | Wire] = {}
        self._user_manager = UserManagerPort(self.router)
        self.certificate = self.make_certificate()
        self._named: dict[str, Certificate] = {}
        self._powered = False
        self.router.services_changed = self._serve

    def make_certificate(self) -> Certificate | Anonymous:
        """Make or read what the options ask for.

        Raises:
            ValueError: the file holds something else.
            OSError: the file cannot be used.
        """
        name, host, now = self.options.identity, self.options.listen, self.router.wall()
        path = self.options.certificate
        if path is None:
            return make_certificate(name, host, now)
        return Anonymous() if path == "none" else certificate_in(Path(path), name, host, now)

    def new_certificate(self, days: int = DAYS) -> None:
        """Change the certificate; the new one is valid for this number of days."""
        name, host, now = self.options.identity, self.options.listen, self.router.wall()
        self.certificate = make_certificate(name, host, now, days)
        for service in ("api-ssl", "www-ssl"):
            renew(self.router, service, days)

    def certificate_of(self, service: str) -> Certificate | Anonymous:
        """Give the certificate that `/ip/service` names, else the one of the options."""
        named = served(self.router, service)
        if named is None:
            return self.certificate
        return self._named.setdefault(named.pem, named)  # with the context that it made

    def bind(self) -> None:
        """Take the ports.

        Raises:
            OSError: a port is taken by somebody else.
        """
        for service, number, factory in self._services():
            if number is not None:
                self.ports[service] = Port(self.options.listen, number, factory)

    def _services(self) -> list[tuple[str, int | None, Callable[[], asyncio.Protocol]]]:
        rest = RestServer(self.router, self.raw).protocol
        http_port = self.options.rest_http_port if self.router.version >= _HTTP_SINCE else None
        return [
            ("api", self.options.api_port, lambda: ApiSession(self.router, "api")),
            (
                "api-ssl",
                self.options.api_ssl_port,
                lambda: TlsGate(self, "api-ssl", lambda: ApiSession(self.router, "api-ssl")),
            ),
            ("www-ssl", self.options.rest_port, lambda: TlsGate(self, "www-ssl", rest)),
            ("www", http_port, rest),
        ]

    async def power_on(self) -> None:
        """Listen on all ports.

        Raises:
            OSError: DHCP or traffic was asked for and cannot be had.
        """
        self._powered = True
        for service, port in self.ports.items():
            if self.router.serves(service):
                await port.open()
        self._serve_users()
        for option, kind in (("dhcp", DhcpPort), ("dhcp6", Dhcp6Port), ("forward", Wire)):
            interfaces = getattr(self.options, option)
            if interfaces and option not in self._plugs:
                plug = kind(self.router, interfaces)
                await plug.open()
                self._plugs[option] = plug

    def _serve(self) -> None:
        """Open and close ports as `/ip/service` says now; sessions stay."""
        for service, port in self.ports.items():
            if not self.router.serves(service):
                port.close()
            elif self._powered:
                begin(self.tasks, port.open())
        self._serve_users()

    def _serve_users(self) -> None:
        if self._powered and self._user_manager.differs:
            begin(self.tasks, self._user_manager.open())

    def _unplug(self) -> None:
        for plug in self._plugs.values():
            plug.close()
        self._plugs.clear()
        self._user_manager.close()

    def power_off(self, *, loss: bool = False) -> None:
        """Refuse connections and end all sessions.

        `loss`: without a shutdown; dynamic leases are lost that were not stored yet (HLP).
        """
        self._powered = False
        if loss:
            lose_unstored(self.router)
        for port in self.ports.values():
            port.close()
        self._unplug()
        self.router.boot()
        self._reset_raw()

    def _reset_raw(self) -> None:
        for transport in tuple(self.raw):
            reset(transport)
        self.raw.clear()

    async def close(self) -> None:
        """Stop for good."""
        for port in self.ports.values():
            port.give_up()
        self._unplug()
        self.router.reset_sessions()
        self._reset_raw()
        await end_tasks(self.tasks)
        await self.devices.close()


def _bind(host: str, number: int) -> socket.socket:
    # asyncio sends replies at once (TCP_NODELAY) only where the protocol is said: else each that is
    # not the first in flight waits some 40 ms for the client's delayed acknowledgement
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, number))
        sock.setblocking(False)  # noqa: FBT003 - the one argument it has
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{host} port {number}: {error.strerror}") from error
    return sock
