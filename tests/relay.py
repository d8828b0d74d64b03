"""A DHCP relay that adds option 82 (RFC 3046), as an access node does.

    python -m tests.relay INTERFACE GIADDR SERVER CIRCUIT_ID REMOTE_ID

It takes what devices on an interface broadcast to a server, and its answers back to them.
"""

import select
import socket
import sys

SERVER_PORT, CLIENT_PORT = 67, 68
GIADDR, OPTIONS = 24, 240
PAD, END, OPTION_82 = 0, 255, 82


def with_option_82(packet: bytes, giaddr: str, circuit: bytes, remote: bytes) -> bytes:
    """The packet as a relay sends it on."""
    parts = bytes((1, len(circuit))) + circuit + bytes((2, len(remote))) + remote
    at = OPTIONS
    while packet[at] != END:
        at += 1 if packet[at] == PAD else 2 + packet[at + 1]
    option = bytes((OPTION_82, len(parts))) + parts
    head = packet[:GIADDR] + socket.inet_aton(giaddr) + packet[GIADDR + 4 : at]
    return head + option + packet[at:]


def opened(address: str, interface: str = "") -> socket.socket:
    """A socket at the server's port."""
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if interface:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    found.bind((address, SERVER_PORT))
    return found


def main(interface: str, giaddr: str, server: str, circuit: str, remote: str) -> None:
    """Relay until the process is ended."""
    devices, servers = opened("", interface), opened(giaddr)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for ready in select.select([devices, servers], [], [])[0]:
            packet = ready.recv(4096)
            if ready is devices:
                sent = with_option_82(packet, giaddr, circuit.encode(), remote.encode())
                servers.sendto(sent, (server, SERVER_PORT))
            else:
                devices.sendto(packet, ("255.255.255.255", CLIENT_PORT))


if __name__ == "__main__":
    main(*sys.argv[1:])
