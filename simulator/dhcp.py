"""DHCP for real: answers on a network interface of this machine from the lease table.

Needs the right to bind port 67 and an interface (root, or a namespace of one's own).
Replies go out as broadcasts unless the client has an address already.
"""

import asyncio
import contextlib
import fcntl
import socket
import struct
from ipaddress import IPv4Address

from simulator import dhcp_radius, dhcp_server
from simulator.connection import begin
from simulator.dhcp_options import options_for
from simulator.dhcp_packet import (
    MessageType,
    Packet,
    PacketError,
    parts_of,
    read_packet,
    write_reply,
)
from simulator.dhcp_server import Client, DhcpReply
from simulator.menus import MENUS
from simulator.menus.dhcp import NETWORK, SERVER, NetworkMenu
from simulator.menus.lease import LEASE
from simulator.router import Router
from simulator.state import Row
from simulator.values import ZERO_IP

_SERVER_PORT, _CLIENT_PORT = 67, 68
_SIOCGIFADDR = 0x8915
REQUESTED, LEASE_TIME, SERVER_ID, ASKED = 50, 51, 54, 55
T1, T2, CLIENT_ID, HOST_NAME = 58, 59, 61, 12
OPTION_82 = 82
_CIRCUIT, _REMOTE = 1, 2  # its parts (RFC 3046)
_ANY_RELAY = "255.255.255.255"


class DhcpPort(asyncio.DatagramProtocol):
    """One interface of this machine, plugged into one of a router: `veth0=vlan-32`.

    Without the router's interface it is where its only DHCP server is.
    """

    def __init__(self, router: Router, plug: str) -> None:
        self._router = router
        self._host_interface, _, self._interface = plug.partition("=")
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: there is no such interface, or no right to it.
        """
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            device = self._host_interface.encode() + b"\0"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
            sock.bind(("", _SERVER_PORT))
        except OSError:
            sock.close()
            raise
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
        for task in self._tasks:
            task.cancel()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a client; what is no request is passed over."""
        with contextlib.suppress(PacketError):
            packet = read_packet(data)
            begin(self._tasks, self._serve(packet, unicast=addr[0] != ZERO_IP))

    async def _serve(self, packet: Packet, *, unicast: bool) -> None:
        reply = await self.answer(packet, unicast=unicast)
        if reply is not None and self._transport is not None:
            self._transport.sendto(write_reply(reply), _receiver(packet, reply))

    async def answer(self, packet: Packet, *, unicast: bool) -> Packet | None:
        """Work out the reply to a packet; `unicast`: it came from an address, as a renewal does."""
        server = self._server(packet)
        if server is None:
            return None
        client = self._client(packet, server, unicast=unicast)
        match packet.kind:
            case MessageType.DISCOVER:
                answer = await dhcp_radius.answer(self._router, client, bind=False)
                return self._reply(packet, server, answer, MessageType.OFFER)
            case MessageType.REQUEST:
                chosen = packet.address(SERVER_ID)
                if chosen and chosen != self._server_id(server, None):
                    return None  # another server's offer was taken
                answer = await dhcp_radius.answer(self._router, client)
                return self._reply(packet, server, answer, MessageType.ACK)
            case MessageType.RELEASE:
                dhcp_server.release(self._router, client)
            case MessageType.DECLINE:
                dhcp_server.decline(self._router, client)
            case _:
                pass
        return None

    def _server(self, packet: Packet) -> Row | None:
        """Give the server that hears a packet: of a relayed one that with its relay (MAN-RLY)."""
        rows = MENUS[SERVER].rows(self._router).rows.values()
        wanted = self._router.id_of("/interface", self._interface) if self._interface else None
        heard = [row for row in rows if wanted is None or row.values["interface"] == wanted]
        if packet.giaddr != ZERO_IP:
            relays = (packet.giaddr, _ANY_RELAY)
            return next((row for row in heard if row.values["relay"] in relays), None)
        if packet.ciaddr != ZERO_IP:  # a renewal goes past the relay
            held = MENUS[LEASE].rows(self._router).having("active-address", packet.ciaddr)
            by = {row.values.get("active-server") for row in held}
            heard.sort(key=lambda row: row.id not in by)
            return next(iter(heard), None)
        return next((row for row in heard if row.values["relay"] == ZERO_IP), None)

    @staticmethod
    def _client(packet: Packet, server: Row, *, unicast: bool) -> Client:
        raw_id = packet.options.get(CLIENT_ID, b"")
        ids = parts_of(packet.options.get(OPTION_82, b""))
        return Client(
            mac=packet.mac,
            server=server.values["name"],
            requested=packet.address(REQUESTED) or packet.ciaddr.replace(ZERO_IP, ""),
            # hex without leading zeros (HLP: 1:30:7:4d:f5:7:49)
            client_id=":".join(f"{byte:x}" for byte in raw_id),
            host_name=packet.options.get(HOST_NAME, b"").decode("utf-8", "surrogateescape"),
            secs=packet.secs,
            # what a relay sends comes from the relay's address
            unicast=unicast and packet.giaddr == ZERO_IP,
            ids=(ids.get(_CIRCUIT, b"").hex(), ids.get(_REMOTE, b"").hex()),
        )

    def _reply(
        self, packet: Packet, server: Row, answer: DhcpReply, kind: MessageType
    ) -> Packet | None:
        if answer.kind == "none":
            return None
        reply = Packet(
            MessageType.NAK, packet.xid, packet.mac, giaddr=packet.giaddr, broadcast=True
        )
        echoed = {code: raw for code, raw in packet.options.items() if code == OPTION_82}
        if answer.kind == "nak":
            server_id = IPv4Address(self._server_id(server, None)).packed
            reply.options = {SERVER_ID: server_id, **echoed}
            return reply
        menu = MENUS[NETWORK]
        assert isinstance(menu, NetworkMenu)  # noqa: S101 - that is what lies at this path
        network = menu.of_address(self._router, int(IPv4Address(answer.address)))
        lease = MENUS[LEASE].rows(self._router).rows.get(answer.row_id)
        reply.kind, reply.yiaddr, reply.ciaddr = kind, answer.address, packet.ciaddr
        reply.broadcast = packet.broadcast
        if network is not None and "next-server" in network.values:
            reply.siaddr = network.values["next-server"]
        seconds = answer.lease_s
        asked = packet.options.get(ASKED, b"")
        reply.options = {
            SERVER_ID: IPv4Address(self._server_id(server, network)).packed,
            LEASE_TIME: struct.pack("!I", seconds),
            T1: struct.pack("!I", seconds // 2),  # 50 %, 87.5 % (MAN-SRV)
            T2: struct.pack("!I", seconds * 7 // 8),
            **options_for(self._router, network, server, lease, asked),
            **echoed,
        }
        return reply

    def _server_id(self, server: Row, network: Row | None) -> str:
        own = server.values["server-address"]
        if own != ZERO_IP:
            return own
        found = _address_of(self._host_interface)
        return found or (network.values["gateway"].partition(",")[0] if network else "") or ZERO_IP


def _receiver(packet: Packet, reply: Packet) -> tuple[str, int]:
    """Where a reply goes: back to a relay, to a client with an address, or to all."""
    if packet.giaddr != ZERO_IP:
        return packet.giaddr, _SERVER_PORT
    renewing = packet.ciaddr != ZERO_IP and reply.kind == MessageType.ACK
    return (packet.ciaddr if renewing else "255.255.255.255"), _CLIENT_PORT


def _address_of(interface: str) -> str:
    """Give an interface's IPv4 address; empty when it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            raw = fcntl.ioctl(sock.fileno(), _SIOCGIFADDR, struct.pack("256s", interface.encode()))
        except OSError:
            return ""
    return str(IPv4Address(raw[20:24]))
