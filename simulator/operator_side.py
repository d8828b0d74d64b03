"""The simulator's side of the control interface; see `control` for what each request does."""

import asyncio
import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from simulator import dhcp_server, forwarding, snapshot
from simulator.connection import begin, end_tasks
from simulator.connections import Flow
from simulator.devices6 import client6_of
from simulator.errors import RouterError
from simulator.faults import Faults
from simulator.listening import RouterServer
from simulator.menus.dhcp import SERVER, only_server
from simulator.menus.users import POLICIES
from simulator.router_state import OPERATOR, Caller
from simulator.state import Values
from simulator.values import MAC

_LINE = 64 * 1024 * 1024
_PERSON = Caller(OPERATOR, OPERATOR, frozenset(POLICIES))


async def perform(server: RouterServer, do: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON either way
    """Do what one request asks.

    Raises:
        ValueError: the request cannot be done; says why.
    """
    action = getattr(_Actions, do, None)
    if action is None or do.startswith("_"):
        msg = f"nothing named {do} can be done"
        raise ValueError(msg)
    try:
        result = action(server, **arguments)
        return await result if asyncio.iscoroutine(result) else result
    except RouterError as error:
        raise ValueError(error.text) from error
    except TypeError as error:
        msg = f"{do}: {error}"
        raise ValueError(msg) from error


def about(server: RouterServer) -> dict[str, Any]:
    """Describe the router, and where it listens."""
    router, ports = server.router, server.ports
    certificate = server.certificate_of("api-ssl")
    return {
        "name": server.name,
        "host": server.options.listen,
        "api_port": ports["api"].number if "api" in ports else None,
        "api_ssl_port": ports["api-ssl"].number if "api-ssl" in ports else None,
        "rest_port": ports["www-ssl"].number if "www-ssl" in ports else None,
        "rest_http_port": ports["www"].number if "www" in ports else None,
        "certificate_pem": certificate.pem,
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "identity": router.setting("/system/identity", "name"),
        "serial": router.serial,
        "version": server.options.version,
    }


class _Actions:
    """One static method a request; `control.RouterControl` says what each does."""

    about = staticmethod(about)

    @staticmethod
    def rows(server: RouterServer, menu: str) -> list[Values]:
        found = server.router.menu(menu)
        server.router.catch_up()
        return [
            dict(found.view(server.router, row)) for row in found.rows(server.router).rows.values()
        ]

    @staticmethod
    def run(server: RouterServer, command: str, arguments: Values) -> str | None:
        return server.router.execute(command, dict(arguments), _PERSON)[1].ret

    @staticmethod
    def counters(server: RouterServer) -> dict[str, int]:
        return dict(server.router.commands_run)

    @staticmethod
    def refusals(server: RouterServer) -> dict[str, int]:
        return {text: count for text, count in server.router.refusals.items() if count}

    @staticmethod
    def reset_counters(server: RouterServer) -> None:
        server.router.commands_run.clear()
        server.router.refusals.clear()

    @staticmethod
    def journal(server: RouterServer, after: int = 0) -> list[dict[str, Any]]:
        return server.router.journal[after:]

    @staticmethod
    def sessions(server: RouterServer) -> list[str]:
        return list(server.router.sessions)

    @staticmethod
    def set_faults(server: RouterServer, changes: dict[str, Any]) -> None:
        server.router.faults.change(**changes)

    @staticmethod
    def clear_faults(server: RouterServer) -> None:
        server.router.faults.change(**asdict(Faults()))

    @staticmethod
    def faults(server: RouterServer) -> dict[str, Any]:
        return asdict(server.router.faults)

    @staticmethod
    def set_switches(server: RouterServer, changes: dict[str, Any]) -> None:
        server.router.switches.change(**changes)

    @staticmethod
    def skip(server: RouterServer, seconds: float) -> None:
        server.router.skip(seconds)

    @staticmethod
    def power_off(server: RouterServer, *, loss: bool = False) -> None:
        server.power_off(loss=loss)

    @staticmethod
    def snapshot(server: RouterServer) -> dict[str, Any]:
        return copy.deepcopy(snapshot.take(server.router))

    @staticmethod
    def restore(server: RouterServer, state: dict[str, Any]) -> None:
        snapshot.restore(server.router, state)

    @staticmethod
    def reset(server: RouterServer, *, keep_access: bool = False) -> None:
        snapshot.reset(server.router, keep_access=keep_access)

    @staticmethod
    async def power_on(server: RouterServer) -> None:
        await server.power_on()

    @staticmethod
    async def reboot(server: RouterServer, down_s: float = 0) -> None:
        server.power_off()
        if down_s <= 0:
            await server.power_on()
            return

        async def come_back() -> None:
            await asyncio.sleep(down_s)
            await server.power_on()

        begin(server.tasks, come_back())

    @staticmethod
    def reset_sessions(server: RouterServer) -> None:
        server.router.reset_sessions()

    @staticmethod
    def set_serial(server: RouterServer, serial: str) -> None:
        server.router.serial = serial

    @staticmethod
    def new_certificate(server: RouterServer, /, **how: int) -> None:
        server.new_certificate(**how)

    @staticmethod
    async def device(
        server: RouterServer, /, *, reconfigure: str = "", **client: str
    ) -> dict[str, Any]:
        asking = replace(_client(server, **client), allow_reconfigure=bool(reconfigure))
        return asdict(await server.devices.ask(asking, obeys=reconfigure == "obey"))

    @staticmethod
    async def device_renews(server: RouterServer, mac: str) -> dict[str, Any]:
        return asdict(await server.devices.renew(MAC.parse(mac, "mac-address", server.router)))

    @staticmethod
    def device_release(server: RouterServer, /, **client: str) -> None:
        dhcp_server.release(server.router, _client(server, **client))

    @staticmethod
    def device6(
        server: RouterServer, /, *, prefix: str = "", reconfigure: str = "", **client: str
    ) -> dict[str, Any]:
        asking, asked = client6_of(server.router, **client)
        asking = replace(asking, allow_reconfigure=bool(reconfigure))
        asked = replace(asked, prefixes=(prefix,) if prefix else ())
        return asdict(server.devices6.ask(asking, asked, obeys=reconfigure == "obey"))

    @staticmethod
    def device6_renews(server: RouterServer, /, **client: str) -> dict[str, Any]:
        asking, asked = client6_of(server.router, **client)
        return asdict(server.devices6.renew((asking.duid, asked.ia, asked.iaid)))

    @staticmethod
    def device6_release(server: RouterServer, /, **client: str) -> None:
        server.devices6.release(*client6_of(server.router, **client))

    @staticmethod
    def ppp_login(server: RouterServer, /, name: str, password: str, **how: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON either way
        """Play a PPP client that logs in."""
        return server.ppp_clients.log_in(name, password, **how)

    @staticmethod
    def ppp_logout(server: RouterServer, name: str) -> None:
        server.ppp_clients.log_out(name)

    @staticmethod
    def send(
        server: RouterServer, flow: list[str], *, mac: str, back: bool, size: int
    ) -> dict[str, Any]:
        way = Flow(*flow).back() if back else Flow(*flow)
        return asdict(forwarding.forward(server.router, way, to_mac=mac, size=size))

    @staticmethod
    def open_connections(
        server: RouterServer, addresses: list[str], each: int, *, fasttrack: bool
    ) -> int:
        router, marked = server.router, "true" if fasttrack else "false"
        by_family: tuple[list[str], list[str]] = ([], [])
        for address in addresses:
            by_family[":" in address].append(address)
        tracked = (router.connections, router.connections6)
        return sum(
            table.open_many(some, each, router.now(), marked)
            for table, some in zip(tracked, by_family, strict=True)
        )


def _client(
    at: RouterServer, /, *, mac: str, server: str = "", **options: str
) -> dhcp_server.Client:
    return dhcp_server.Client(
        mac=MAC.parse(mac, "mac-address", at.router),
        server=server or only_server(at.router, SERVER),
        requested=options.get("requested", ""),
        client_id=options.get("client_id", ""),
        host_name=options.get("host_name", ""),
        ids=(
            options.get("circuit_id", "").encode().hex(),
            options.get("remote_id", "").encode().hex(),
        ),
    )


class ControlServer:
    """Answers control requests on a Unix socket, to which only its owner may connect."""

    def __init__(self, path: Path, servers: Mapping[str, RouterServer]) -> None:
        self._path = path
        self._servers = servers
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the path cannot be used.
        """
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._serve, path=str(self._path), limit=_LINE
        )
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop, and take the socket away."""
        if self._server is not None:
            self._server.close()
        await end_tasks(self._tasks)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the other side went, or sent a line that never ends
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            server = self._servers.get(request["router"])
            if server is None:
                names = ", ".join(self._servers)
                return {"error": f"no router {request['router']}; there are: {names}"}
            return {"ok": await perform(server, request["do"], request.get("with", {}))}
        except (ValueError, KeyError, TypeError) as error:
            return {"error": str(error)}
