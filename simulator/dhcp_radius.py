"""A DHCP server that asks RADIUS whom to let in, and what to give them.

A client without a static lease gets nothing before RADIUS has answered: at its first request, and
when it renews (assumed). Meanwhile its lease is `authorizing`, and so nothing is answered.

Source: MAN-SRV; what a refusal does at a renewal is assumed: as for a lease that is gone.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from simulator import radius
from simulator.dhcp_server import (
    SILENCE,
    Client,
    DhcpReply,
    by_radius,
    forget,
    free_address,
    lease_of,
    new_dynamic,
    request,
    stale,
)
from simulator.menus.dhcp import SERVER
from simulator.menus.ip import POOL
from simulator.menus.user_manager import ADDRESS, LIST, RATE, SESSION_TIMEOUT
from simulator.menus.user_manager import POOL as POOL_NAME
from simulator.router import Router
from simulator.state import Row
from simulator.values import ZERO_IP, parse_duration

_ETHERNET: Final = "15"
_PORT: Final = "1812"
_REFUSED: Final[Mapping[str, str]] = {}

Granted = Mapping[str, str] | None
"""What RADIUS gives, by attribute; nothing at all: it refuses; None: it does not answer."""


async def answer(router: Router, client: Client, *, bind: bool = True) -> DhcpReply:
    """Answer a client as `dhcp_server.request` does, after RADIUS where the server asks it."""
    server = router.named(SERVER, client.server)
    if server is None or not _must_ask(router, server, client, bind=bind):
        return request(router, client, bind=bind)
    row = lease_of(router, server, client, dynamic=True)
    if row is None:
        row = new_dynamic(router, server, client, ZERO_IP)
        values = {**row.values, "status": "authorizing", "radius": "true"}
        router.table("/ip/dhcp-server/lease").update(row, values)
    granted = await _asked(router, server, client)
    if row.id not in router.table("/ip/dhcp-server/lease").rows:
        return SILENCE  # it was removed meanwhile
    address = _address_of(router, server, row, client, granted)
    if granted is None or not address:
        if row.values["status"] == "authorizing":
            forget(router, row)
        refused = granted is not None and bind and client.requested
        if refused and row.id in router.table("/ip/dhcp-server/lease").rows:
            forget(router, row)
        return stale(router, server, client) if refused else SILENCE
    _grant(router, row, granted, address)
    return request(router, client, bind=bind)


def _must_ask(router: Router, server: Row, client: Client, *, bind: bool) -> bool:
    if not by_radius(server) or lease_of(router, server, client, dynamic=False) is not None:
        return False
    row = lease_of(router, server, client, dynamic=True)
    return not (bind and row is not None and row.values["status"] == "offered")


def _address_of(
    router: Router, server: Row, row: Row, client: Client, granted: Granted
) -> str | None:
    """The address that RADIUS names, or one of the pool that it or the server names."""
    if not granted:
        return None
    if ADDRESS in granted:
        return granted[ADDRESS]
    held = row.values.get("active-address") or row.values["address"]
    if held != ZERO_IP:
        return held
    pool = router.id_of(POOL, granted.get(POOL_NAME, "")) or server.values["address-pool"]
    return free_address(router, pool, replace(client, requested=""))


def _grant(router: Router, row: Row, granted: Mapping[str, str], address: str) -> None:
    values = {
        **{name: text for name, text in row.values.items() if name != "lease-time"},
        "address": address,
        "radius": "true",
        "rate-limit": granted.get(RATE, ""),
        # No source says that a DHCP server takes it.
        "address-lists": granted.get(LIST, ""),
    }
    if SESSION_TIMEOUT in granted:
        values["lease-time"] = f"{granted[SESSION_TIMEOUT]}s"
    if values["status"] == "authorizing":
        values["status"] = "offered"
    router.table("/ip/dhcp-server/lease").update(row, values)


async def _asked(router: Router, server: Row, client: Client) -> Granted:
    """Ask the RADIUS servers in their order, each for its timeout; the first answer counts."""
    for row in list(router.table("/radius").rows.values()):
        values = row.values
        if row.disabled or "dhcp" not in values["service"].split(","):
            continue
        timeout_s = _seconds(values["timeout"])
        asked = _request(router, server, client, values.get("secret", ""))
        place = values["address"], int(values.get("authentication-port") or _PORT)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(timeout_s):
                return await _exchange(router, place, asked, values.get("secret", ""))
    name = server.values["name"]
    router.log("dhcp,warning", f"{name}: no RADIUS server answers for {client.mac}")  # assumed
    return None


def _seconds(text: str) -> float:
    if text.endswith("ms"):
        return int(text.removesuffix("ms")) / 1000
    return float(parse_duration(text))


def _request(router: Router, server: Row, client: Client, secret: str) -> bytes:
    said = router.setting("/ip/dhcp-server/config", "radius-password")
    password = {"empty": "", "same-as-user": client.mac}.get(said, said)
    values = {
        "User-Name": client.mac,
        "NAS-Identifier": router.setting("/system/identity", "name"),
        "NAS-IP-Address": router.options.listen,
        "NAS-Port-Type": _ETHERNET,
        "NAS-Port-Id": router.name_of("/interface", server.values["interface"]) or "",
        "Called-Station-Id": server.values["name"],
        "Calling-Station-Id": client.client_id or client.mac,
    }
    if client.requested:
        values[ADDRESS] = client.requested
    return radius.request(router.random.randrange(256), values, password, secret)


async def _exchange(
    router: Router, place: tuple[str, int], asked: bytes, secret: str
) -> Mapping[str, str]:
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Answers(answers), remote_addr=place, local_addr=(router.options.listen, 0)
    )
    try:
        transport.sendto(asked)
        while True:
            with suppress(radius.RadiusError):
                packet = radius.read(await answers.get())
                radius.check_answer(packet, asked, secret)
                return packet.values if packet.code == radius.ACCEPT else _REFUSED
    finally:
        transport.close()


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, answers: asyncio.Queue[bytes]) -> None:
        self._answers = answers

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        del addr
        self._answers.put_nowait(data)
