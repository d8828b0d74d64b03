"""Devices that the control interface plays: they ask, hold an address, and may be told to ask.

A real client on a network interface is `dhcp`'s business.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from simulator import dhcp_radius
from simulator.connection import begin, end_tasks
from simulator.dhcp_server import Client, DhcpReply
from simulator.router import Router

REACTS_S: Final = 0.05
"""Seconds from a reconfigure message until the device asks."""


@dataclass(slots=True)
class _Device:
    client: Client  # as it asked last; `requested` is the address that it holds
    obeys: bool


class Devices:
    """The played devices of one router by MAC."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._devices: dict[str, _Device] = {}
        self._tasks: set[asyncio.Task[DhcpReply]] = set()
        router.reconfigure.append(self._reconfigured)

    async def ask(self, client: Client, *, obeys: bool) -> DhcpReply:
        """Ask for a lease; `obeys`: the device asks again when it is told to."""
        answer = await dhcp_radius.answer(self._router, client)
        held = replace(client, requested=answer.address, unicast=bool(answer.address))
        self._devices[client.mac] = _Device(held, obeys)
        return answer

    async def renew(self, mac: str) -> DhcpReply:
        """Renew as at T1; a device that is refused asks again, as one without an address.

        Raises:
            ValueError: it never asked.
        """
        device = self._devices.get(mac)
        if device is None:
            msg = f"device {mac} never asked for an address: call device() first"
            raise ValueError(msg)
        answer = await self.ask(device.client, obeys=device.obeys)
        if answer.kind == "nak":
            fresh = replace(device.client, requested="", unicast=False)
            answer = await self.ask(fresh, obeys=device.obeys)
        elif answer.kind == "none":
            self._devices[mac] = device  # it keeps what it has
        return answer

    async def close(self) -> None:
        """Ask for nothing any more: what the routers told them before is forgotten."""
        self._devices.clear()
        await end_tasks(self._tasks)

    def _reconfigured(self, mac: str) -> None:
        device = self._devices.get(mac)
        if device is not None and device.obeys:
            asyncio.get_running_loop().call_later(REACTS_S, self._renew_soon, mac)

    def _renew_soon(self, mac: str) -> None:
        if mac in self._devices:  # not closed meanwhile
            begin(self._tasks, self.renew(mac))
