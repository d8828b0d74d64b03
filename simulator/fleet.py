"""Some routers in one event loop, with their control socket."""

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from simulator.listening import RouterServer
from simulator.menus.users import POLICIES
from simulator.operator_side import ControlServer
from simulator.options import RouterOptions
from simulator.router import Router
from simulator.router_state import OPERATOR, Caller
from simulator.snapshot import read_file, restore, take, write_file
from simulator.tls import Certificate

KEEP_S: Final = 1.0
"""What is written on a router is kept so much later, should the process be killed."""
_PERSON = Caller(OPERATOR, OPERATOR, frozenset(POLICIES))


def options_of(options: RouterOptions, number: int, of: int) -> RouterOptions:
    """Give one of several routers its own name, ports and random numbers."""
    if of == 1:
        return options
    own = replace(options, identity=f"{options.identity}-{number}", seed=options.seed + number)
    if options.serial is not None:
        own = replace(own, serial=f"{options.serial}-{number}")
    if options.own_addresses:
        return replace(own, listen=str(IPv4Address(options.listen) + number - 1))
    for name in ("api_port", "api_ssl_port", "rest_port", "rest_http_port"):
        port = getattr(options, name)
        if port:
            own = replace(own, **{name: port + number - 1})
    return own


def seed_guide(router: Router) -> None:
    """Set up the founding situation: one VLAN with a DHCP server, pool and network."""
    for command, arguments in (
        ("/interface/vlan/add", {"name": "vlan-32", "vlan-id": "32", "interface": "ether2"}),
        ("/ip/address/add", {"address": "223.203.225.1/24", "interface": "vlan-32"}),
        ("/ip/pool/add", {"name": "pool-vlan-32", "ranges": "223.203.225.100-223.203.225.254"}),
        (
            "/ip/dhcp-server/add",
            {"name": "dhcp-vlan-32", "interface": "vlan-32", "address-pool": "pool-vlan-32"},
        ),
        (
            "/ip/dhcp-server/network/add",
            {"address": "223.203.225.0/24", "gateway": "223.203.225.1"},
        ),
    ):
        router.execute(command, dict(arguments), _PERSON)
    router.journal.clear()


def _state(server: RouterServer) -> dict[str, Any]:
    state = take(server.router)
    if isinstance(server.certificate, Certificate):
        own = server.certificate
        state["certificate"] = {"pem": own.pem, "key_pem": own.key_pem}
    return state


class Fleet:
    """N routers, `R1` to `RN`.

    Args:
        options: of each; with several, names count up, and fixed ports or addresses.
        count: how many.
        control: path of the control socket, or None for none.
        state: file that keeps the routers' states between runs, or None for none.

    Raises:
        ValueError: an option, or the state file, is wrong.
    """

    def __init__(
        self,
        options: RouterOptions,
        count: int = 1,
        control: Path | None = None,
        state: Path | None = None,
    ) -> None:
        self.servers = {
            f"R{number}": RouterServer(f"R{number}", options_of(options, number, count))
            for number in range(1, count + 1)
        }
        if options.seed_guide:
            for server in self.servers.values():
                seed_guide(server.router)
        self._state = state
        for name, kept in (read_file(state) if state else {}).items():
            if name in self.servers:
                restore(self.servers[name].router, kept)
                if options.certificate is None:
                    self.servers[name].certificate = Certificate(**kept["certificate"])
        self._control = ControlServer(control, self.servers) if control else None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            OSError: a port or the control socket cannot be had.
        """
        for server in self.servers.values():
            server.bind()
        for server in self.servers.values():
            await server.power_on()
        if self._control is not None:
            await self._control.start()
        if self._state is not None:
            self._keep(self._state)
            self._keeping = asyncio.create_task(self._keep_changes(self._state))

    async def stop(self) -> None:
        """End all sessions and give the ports back."""
        if self._control is not None:
            await self._control.close()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        if self._state is not None:
            self._keep(self._state)
        for server in self.servers.values():
            await server.close()

    def _keep(self, file: Path) -> None:
        write_file(file, {name: _state(server) for name, server in self.servers.items()})

    async def _keep_changes(self, file: Path) -> None:
        """Keep what is written, as a router does that loses power."""
        kept = self._writes()
        while True:
            await asyncio.sleep(KEEP_S)
            writes = self._writes()
            if writes != kept:
                self._keep(file)
                kept = writes

    def _writes(self) -> list[int]:
        return [len(server.router.journal) for server in self.servers.values()]
