"""DHCPv6 for real: answers on a network interface of this machine from the binding table.

Needs the right to bind port 547 and an interface with a link-local address (root, or a namespace
of one's own). Neighbours are learned from what clients send. Relayed messages are passed over.
"""

import asyncio
import contextlib
import socket
import struct
from ipaddress import IPv6Address, IPv6Network

from simulator.dhcp6_packet import (
    AUTHENTICATION,
    PREFERENCE,
    RAPID_COMMIT,
    RECONFIGURE_ACCEPT,
    STATUS,
    Association6,
    Code6,
    Given6,
    Message6,
    Packet6,
    Packet6Error,
    key_value,
    read_packet6,
    status_value,
    write_packet6,
    write_reconfigure,
)
from simulator.dhcp6_server import Asked6, Client6, Reply6, release6, renew6, request6, server_of
from simulator.dhcp_options import options6_for
from simulator.menus import MENUS
from simulator.menus.binding_rows import BINDING, SERVER6
from simulator.menus.ipv6 import ADDRESS6, learn_neighbor
from simulator.router import Router
from simulator.state import Row, Values

_SERVER_PORT, _CLIENT_PORT = 547, 546
_ALL_SERVERS = "ff02::1:2"
_ETH_P_IPV6 = 0x86DD
_IP6_HEADER, _UDP, _MOST = 40, 17, 65535
_STATUS = {
    ("pd", "none-available"): Code6.NO_PREFIX,
    ("na", "none-available"): Code6.NO_ADDRESS,
    ("pd", "no-binding"): Code6.NO_BINDING,
    ("na", "no-binding"): Code6.NO_BINDING,
}
_TO_ONE_SERVER = {Message6.REQUEST, Message6.RENEW, Message6.RELEASE, Message6.DECLINE}
_TO_ALL = {Message6.SOLICIT, Message6.REBIND, Message6.CONFIRM, Message6.INFORMATION_REQUEST}


class Dhcp6Port(asyncio.DatagramProtocol):
    """One interface of this machine, plugged into one of a router: `veth0=vlan-32`.

    Without the router's interface it is where its only DHCPv6 server is.
    """

    def __init__(self, router: Router, plug: str) -> None:
        self._router = router
        self._host_interface, _, self._interface = plug.partition("=")
        self._transport: asyncio.DatagramTransport | None = None
        self._frames: socket.socket | None = None
        self._ports: dict[str, int] = {}  # of clients that do not use 546, by address

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: there is no such interface, or no right to it.
        """
        index = socket.if_nametoindex(self._host_interface)
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            device = self._host_interface.encode() + b"\0"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
            group = IPv6Address(_ALL_SERVERS).packed + struct.pack("@I", index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
            sock.bind(("::", _SERVER_PORT))
            frames = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IPV6))
            frames.bind((self._host_interface, _ETH_P_IPV6))
            frames.settimeout(0)
        except OSError:
            sock.close()
            raise
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)
        self._frames = frames
        loop.add_reader(frames, self._hear)
        self._router.reconfigure6.append(self._reconfigure)

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
        if self._frames is not None:
            asyncio.get_running_loop().remove_reader(self._frames)
            self._frames.close()
            self._router.reconfigure6.remove(self._reconfigure)

    def _hear(self) -> None:
        """Learn the MAC of a client, which a UDP socket does not tell."""
        assert self._frames is not None  # noqa: S101 - a reader of it
        packet, (_, _, _, _, mac) = self._frames.recvfrom(_MOST)
        udp = len(packet) > _IP6_HEADER + 8 and packet[6] == _UDP
        server = self._server()
        if udp and server and int.from_bytes(packet[42:44]) == _SERVER_PORT:
            source = str(IPv6Address(packet[8:24]))
            interface = server.values["interface"]
            learn_neighbor(self._router, interface, source, mac.hex(":").upper())

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a client; what is no message of one is passed over."""
        address = addr[0].partition("%")[0]
        with contextlib.suppress(Packet6Error):
            reply = self.answer(read_packet6(data), address)
            if reply is not None and self._transport is not None:
                self._ports[address] = addr[1]
                self._transport.sendto(write_packet6(reply), addr)

    def answer(self, packet: Packet6, address: str) -> Packet6 | None:
        """Work out the reply to a client's message, by the link-local address that it came from."""
        server = self._server()
        own_id = bytes.fromhex(server.values["duid"].removeprefix("0x")) if server else b""
        if server is None or not _is_for(own_id, packet):
            return None
        client = Client6(
            "0x" + packet.client_id.hex(),
            server.values["name"],
            address,
            allow_reconfigure=RECONFIGURE_ACCEPT in packet.options,
        )
        reply = Packet6(Message6.REPLY, packet.xid, packet.client_id, own_id)
        match packet.kind:
            case Message6.SOLICIT:
                rapid = RAPID_COMMIT in packet.options and server.values["rapid-commit"] == "true"
                if rapid:
                    reply.options[RAPID_COMMIT] = b""
                else:
                    reply.kind = Message6.ADVERTISE
                    reply.options[PREFERENCE] = bytes((int(server.values["preference"]),))
                return self._assigned(packet, reply, server, client)
            case Message6.REQUEST | Message6.RENEW | Message6.REBIND:
                return self._assigned(packet, reply, server, client)
            case Message6.RELEASE | Message6.DECLINE:
                return self._released(packet, reply, client)
            case Message6.CONFIRM:
                return self._confirmed(packet, reply, server)
            case _:
                reply.options = options6_for(self._router, server, None, packet.asked())
                return reply

    def _server(self) -> Row | None:
        menu = MENUS[SERVER6]
        rows = menu.rows(self._router).rows.values() if menu.exists(self._router) else ()
        wanted = self._router.id_of("/interface", self._interface) if self._interface else None
        for row in rows:
            if wanted in (None, row.values["interface"]):
                return server_of(self._router, row.values["name"])
        return None

    def _assigned(
        self, packet: Packet6, reply: Packet6, server: Row, client: Client6
    ) -> Packet6 | None:
        binding = None
        for association in packet.associations:
            asked, router = _asked(association), self._router
            if packet.kind in (Message6.RENEW, Message6.REBIND):
                rebind = packet.kind == Message6.REBIND
                answer = renew6(router, client, asked, any_server=rebind)
            else:
                bind = reply.kind == Message6.REPLY
                answer = request6(router, client, asked, bind=bind)
            if answer.kind == "reply":
                reply.associations.append(_association(asked, answer))
                binding = router.table(BINDING).rows.get(answer.row_id) or binding
        if not reply.associations:
            return None
        reply.options |= options6_for(self._router, server, binding, packet.asked())
        # An offer says it too: odhcp6c decides by that whether it will obey.
        if client.allow_reconfigure and server.values.get("use-reconfigure") == "true":
            reply.options[RECONFIGURE_ACCEPT] = b""
        key = binding.values.get("reconfigure-key") if binding else None
        if key and reply.kind == Message6.REPLY:
            reply.options[AUTHENTICATION] = key_value(bytes.fromhex(key))
        return reply

    def _released(self, packet: Packet6, reply: Packet6, client: Client6) -> Packet6:
        reply.options[STATUS] = status_value(Code6.SUCCESS)
        for held in packet.associations:
            if not release6(self._router, client, _asked(held)):
                gone = Association6(held.ia, held.iaid, status=Code6.NO_BINDING)
                reply.associations.append(gone)
        return reply

    def _confirmed(self, packet: Packet6, reply: Packet6, server: Row) -> Packet6 | None:
        """Say whether addresses are of the link; a client without any gets no answer."""
        held = [IPv6Network(g.prefix) for a in packet.associations for g in a.given]
        if not held:
            return None
        nets = [
            IPv6Network(row.values["address"], strict=False)
            for row in self._router.table(ADDRESS6).rows.values()
            if row.values["interface"] == server.values["interface"] and not row.disabled
        ]
        on_link = all(any(address.subnet_of(net) for net in nets) for address in held)
        reply.options[STATUS] = status_value(Code6.SUCCESS if on_link else Code6.NOT_ON_LINK)
        return reply

    def _reconfigure(self, binding: Values, server: Values, message: int) -> None:
        """Send a Reconfigure message to the client of a binding, if it is on this interface."""
        plugged = self._router.id_of("/interface", self._interface) if self._interface else None
        if self._transport is None or plugged not in (None, server["interface"]):
            return
        data = write_reconfigure(
            bytes.fromhex(binding["duid"].removeprefix("0x")),
            bytes.fromhex(server["duid"].removeprefix("0x")),
            message,
            bytes.fromhex(binding["reconfigure-key"]),
            int(binding["reconfigure-last-sent"]),
        )
        address, index = binding["client-address"], socket.if_nametoindex(self._host_interface)
        port = self._ports.get(address, _CLIENT_PORT)
        self._transport.sendto(data, (address, port, 0, index))


def _is_for(own_id: bytes, packet: Packet6) -> bool:
    """Say whether a client's message is for this server (RFC 8415, 16)."""
    if packet.kind in _TO_ONE_SERVER:
        return packet.server_id == own_id and bool(packet.client_id)
    anonymous = packet.kind == Message6.INFORMATION_REQUEST
    to_us = packet.kind in _TO_ALL and packet.server_id in (b"", own_id)
    return to_us and (anonymous or bool(packet.client_id))


def _asked(association: Association6) -> Asked6:
    held = tuple(given.prefix for given in association.given)
    return Asked6(association.ia, association.iaid, held)


def _association(asked: Asked6, answer: Reply6) -> Association6:
    """Write an answer with its times: T1 50 %, T2 80 %, preferred 90 % (MAN-S6)."""
    life_s = answer.life_s
    given = [Given6(prefix) for prefix in answer.ended]
    if answer.address:
        given.insert(0, Given6(answer.address, life_s * 9 // 10, life_s))
    return Association6(
        asked.ia,
        asked.iaid,
        tuple(given),
        life_s // 2,
        life_s * 8 // 10,
        _STATUS.get((asked.ia, answer.status)),
    )
