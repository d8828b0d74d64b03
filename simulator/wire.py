"""Traffic for real: forwards IPv4 packets between interfaces of this machine as the router decides.

Each interface of this machine is plugged into one of the router. What `forwarding` lets pass is
sent on: to the MAC of the receiver's ARP row, else as this machine's own ARP finds it. Not
modelled: rates, fragments, ICMP errors, segments above the MTU (offload), what `forwarding` does
not model. This machine must not forward by itself (`net.ipv4.ip_forward=0`).

Needs raw sockets: root, or a network namespace of one's own.
"""

import asyncio
import contextlib
import errno
import socket
import struct
from ipaddress import IPv4Address
from pathlib import Path

from simulator.connections import Flow
from simulator.forwarding import arp_row, forward, interface_of
from simulator.router import Router

_KERNEL_FORWARDS = Path("/proc/sys/net/ipv4/ip_forward")
_ETH_P_IP = 0x0800
_TO_THIS_HOST = 0
_ETHERNET, _IP_HEADER = 14, 20
_MOST = 65535
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}
_CHECKSUM_AT = {6: 16, 17: 6}  # in the header of TCP, UDP


class Wire:
    """Some interfaces of this machine, plugged into interfaces of a router.

    Args:
        router: that decides.
        plugs: `vr0=vlan-32,vu0=ether1`: this machine's interface, the router's.
    """

    def __init__(self, router: Router, plugs: str) -> None:
        self._router = router
        self._plugs = dict(plug.split("=", 1)[::-1] for plug in plugs.split(","))
        self._frames: dict[str, socket.socket] = {}  # by interface of the router
        self._packets: dict[str, socket.socket] = {}

    def open(self) -> None:
        """Take frames from now on.

        Raises:
            OSError: there is no such interface, or no right to it, or the kernel would forward too.
        """
        if _KERNEL_FORWARDS.read_text(encoding="ascii").strip() != "0":
            raise OSError(
                errno.EBUSY, f"the kernel forwards packets too: write 0 to {_KERNEL_FORWARDS}"
            )
        loop = asyncio.get_running_loop()
        for interface, host_interface in self._plugs.items():
            frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP))
            self._frames[interface] = frames
            frames.bind((host_interface, _ETH_P_IP))
            frames.settimeout(0)
            packets = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self._packets[interface] = packets
            device = host_interface.encode() + b"\0"
            packets.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
            loop.add_reader(frames, self._take, frames)

    def close(self) -> None:
        """Take no more."""
        for frames in self._frames.values():
            asyncio.get_running_loop().remove_reader(frames)
        for sock in (*self._frames.values(), *self._packets.values()):
            sock.close()

    def _take(self, frames: socket.socket) -> None:
        frame, (_, _, kind, *_) = frames.recvfrom(_MOST)
        packet = bytearray(frame[_ETHERNET:])
        if kind != _TO_THIS_HOST or len(packet) < _IP_HEADER:
            return
        length = int.from_bytes(packet[2:4])
        del packet[length:]  # padding of short frames
        src, dst = (str(IPv4Address(bytes(packet[at : at + 4]))) for at in (12, 16))
        own = self._router.table("/ip/address").rows.values()
        if any(row.values["address"].partition("/")[0] == dst for row in own) or packet[8] <= 1:
            return
        header = (packet[0] & 15) * 4
        protocol = _PROTOCOLS.get(packet[9], str(packet[9]))
        ports = ("", "")
        if packet[9] in _CHECKSUM_AT:
            ports = struct.unpack_from("!HH", packet, header)
        flow = Flow(protocol, src, str(ports[0]), dst, str(ports[1]))
        if forward(self._router, flow, size=length).passed:
            self._send(packet, header, dst)

    def _send(self, packet: bytearray, header: int, dst: str) -> None:
        packet[8] -= 1  # TTL
        _set_checksums(packet, header)
        interface = interface_of(self._router, dst)
        name = self._router.name_of("/interface", interface) or ""
        neighbour = arp_row(self._router, interface, dst)
        if name not in self._frames:
            return
        with contextlib.suppress(OSError):  # no neighbour, or above the MTU: lost, as on a wire
            if neighbour is None:
                self._packets[name].sendto(packet, (dst, 0))
                return
            frames = self._frames[name]
            own_mac = frames.getsockname()[4]
            mac = bytes.fromhex(neighbour.values["mac-address"].replace(":", ""))
            frames.send(mac + own_mac + _ETH_P_IP.to_bytes(2) + packet)


def _set_checksums(packet: bytearray, header: int) -> None:
    """Set them all: those of packets from a virtual interface may be left to the hardware."""
    packet[10:12] = b"\0\0"
    packet[10:12] = _checksum(packet[:header])
    at = _CHECKSUM_AT.get(packet[9])
    if at is not None:
        place = slice(header + at, header + at + 2)
        packet[place] = b"\0\0"
        length = len(packet) - header
        pseudo = packet[12:20] + struct.pack("!BBH", 0, packet[9], length)
        packet[place] = _checksum(pseudo + packet[header:])


def _checksum(data: bytes | bytearray) -> bytes:
    padded = bytes(data) + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2)
