"""Traffic for real: forwards packets between interfaces of this machine as the router decides.

Each interface of this machine is plugged into one of the router. What `forwarding` lets pass is
sent on: to the MAC of the ARP row or neighbour, else as this machine finds the receiver itself.
Neighbours of IPv6 are learned from what is heard. Not modelled: rates, fragments, extension headers
of IPv6, ICMP errors, segments above the MTU (offload), what `forwarding` does not model. This
machine must not forward by itself (`net.ipv4.ip_forward=0`, `net.ipv6.conf.all.forwarding=0`).

Needs raw sockets: root, or a network namespace of one's own.
"""

import asyncio
import contextlib
import errno
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Self

from simulator.connections import Flow
from simulator.forwarding import forward
from simulator.menus.ipv6 import ADDRESS6, learn_neighbor
from simulator.reach import is_six, neighbor_row, next_hop
from simulator.router import Router

_KERNEL_FORWARDS = (
    Path("/proc/sys/net/ipv4/ip_forward"),
    Path("/proc/sys/net/ipv6/conf/all/forwarding"),
)
_ETH_P_IP, _ETH_P_IPV6 = 0x0800, 0x86DD
_TO_THIS_HOST, _MULTICAST = 0, 2
_ETHERNET, _IP_HEADER, _IP6_HEADER = 14, 20, 40
_MOST = 65535
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
_CHECKSUM_AT = {6: 16, 17: 6}  # in the header of TCP, UDP


@dataclass(frozen=True, slots=True)
class _IpPacket:
    """One packet of either family.

    Attributes:
        data: its bytes, from the IP header on.
        src, dst: addresses.
        header: length of the IP header.
        protocol: number of what it carries.
        hops_at: where its TTL or hop limit is.
    """

    data: bytearray
    src: str
    dst: str
    header: int
    protocol: int
    hops_at: int

    @classmethod
    def read(cls, data: bytearray, ethertype: int) -> Self | None:
        """Take a packet apart; None where it is none."""
        if ethertype == _ETH_P_IP and len(data) >= _IP_HEADER:
            del data[int.from_bytes(data[2:4]) :]  # padding of short frames
            src, dst = (str(IPv4Address(bytes(data[at : at + 4]))) for at in (12, 16))
            return cls(data, src, dst, (data[0] & 15) * 4, data[9], 8)
        if ethertype == _ETH_P_IPV6 and len(data) >= _IP6_HEADER:
            del data[_IP6_HEADER + int.from_bytes(data[4:6]) :]
            src, dst = (str(IPv6Address(bytes(data[at : at + 16]))) for at in (8, 24))
            return cls(data, src, dst, _IP6_HEADER, data[6], 7)
        return None

    def flow(self) -> Flow:
        """Say which packets it belongs to."""
        ports = ("", "")
        if self.protocol in _CHECKSUM_AT:
            ports = struct.unpack_from("!HH", self.data, self.header)
        protocol = _PROTOCOLS.get(self.protocol, str(self.protocol))
        return Flow(protocol, self.src, str(ports[0]), self.dst, str(ports[1]))

    def go_on(self) -> None:
        """Count the hop, and set all checksums: a virtual interface may leave them open."""
        data, header = self.data, self.header
        data[self.hops_at] -= 1
        addresses = data[12:20]
        if is_six(self.src):
            addresses = data[8:40]
        else:
            data[10:12] = b"\0\0"
            data[10:12] = _checksum(data[:header])
        at = _CHECKSUM_AT.get(self.protocol)
        if at is not None:
            place = slice(header + at, header + at + 2)
            data[place] = b"\0\0"
            # the sum is the same for both families: only the order of the numbers differs
            pseudo = addresses + struct.pack("!BBH", 0, self.protocol, len(data) - header)
            total = _checksum(pseudo + data[header:])
            data[place] = b"\xff\xff" if total == b"\0\0" else total  # zero: none was made (UDP)


class Wire:
    """Some interfaces of this machine, plugged into some of a router: `vr0=vlan-32,vu0=ether1`."""

    def __init__(self, router: Router, plugs: str) -> None:
        self._router = router
        self._plugs = dict(plug.split("=", 1)[::-1] for plug in plugs.split(","))
        # by interface of the router and ethertype
        self._frames: dict[tuple[str, int], socket.socket] = {}
        self._packets: dict[tuple[str, int], socket.socket] = {}

    async def open(self) -> None:
        """Take frames from now on.

        Raises:
            OSError: there is no such interface, or no right to it, or the kernel would forward too.
        """
        for switch in _KERNEL_FORWARDS:
            if switch.exists() and switch.read_text(encoding="ascii").strip() != "0":
                raise OSError(errno.EBUSY, f"the kernel forwards packets too: write 0 to {switch}")
        families = {_ETH_P_IP: socket.AF_INET}
        if _KERNEL_FORWARDS[1].exists():  # a machine may have no IPv6
            families[_ETH_P_IPV6] = socket.AF_INET6
        for interface, host_interface in self._plugs.items():
            for ethertype, family in families.items():
                self._plug(interface, host_interface, ethertype, family)

    def _plug(self, interface: str, host_interface: str, ethertype: int, family: int) -> None:
        frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
        self._frames[interface, ethertype] = frames
        frames.bind((host_interface, ethertype))
        frames.settimeout(0)
        packets = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._packets[interface, ethertype] = packets
        device = host_interface.encode() + b"\0"
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        asyncio.get_running_loop().add_reader(frames, self._take, interface, ethertype)

    def close(self) -> None:
        """Take no more."""
        for frames in self._frames.values():
            asyncio.get_running_loop().remove_reader(frames)
        for sock in (*self._frames.values(), *self._packets.values()):
            sock.close()

    def _take(self, interface: str, ethertype: int) -> None:
        frame, (_, _, kind, *_) = self._frames[interface, ethertype].recvfrom(_MOST)
        packet = _IpPacket.read(bytearray(frame[_ETHERNET:]), ethertype)
        if packet is None or kind not in (_TO_THIS_HOST, _MULTICAST):
            return
        if ethertype == _ETH_P_IPV6:
            self._learn(interface, packet.src, frame[6:12])
        if kind != _TO_THIS_HOST or self._is_own(packet.dst) or packet.data[packet.hops_at] <= 1:
            return
        flow = packet.flow()
        if forward(self._router, flow, size=len(packet.data)).passed:
            packet.go_on()
            self._send(packet, ethertype)

    def _learn(self, interface: str, address: str, mac: bytes) -> None:
        """Note who has a link-local address: clients of DHCPv6 are reached through theirs."""
        found = self._router.id_of("/interface", interface)
        if found is not None and IPv6Address(address).is_link_local:
            learn_neighbor(self._router, found, address, mac.hex(":").upper())

    def _is_own(self, address: str) -> bool:
        own = self._router.table(ADDRESS6 if is_six(address) else "/ip/address").rows.values()
        return any(row.values["address"].partition("/")[0] == address for row in own)

    def _send(self, packet: _IpPacket, ethertype: int) -> None:
        interface, hop = next_hop(self._router, packet.dst)
        place = (self._router.name_of("/interface", interface) or "", ethertype)
        neighbor = neighbor_row(self._router, interface, hop)
        if place not in self._frames:
            return
        with contextlib.suppress(OSError):  # no neighbour, or above the MTU: lost, as on a wire
            if neighbor is None:
                self._packets[place].sendto(packet.data, (hop, 0))
                return
            frames = self._frames[place]
            own_mac = frames.getsockname()[4]
            mac = bytes.fromhex(neighbor.values["mac-address"].replace(":", ""))
            frames.send(mac + own_mac + ethertype.to_bytes(2) + packet.data)


def _checksum(data: bytes | bytearray) -> bytes:
    padded = bytes(data) + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2)
