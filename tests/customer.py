"""Traffic of a customer, run in namespaces: `echo` answers; `udp` and `tcp` say what comes back.

Over IPv6 where the host has colons; `echo` answers at an address if one is given.

Each message is a number, counting up; its answer is the same. `tcp` is one connection for good.
"""

import contextlib
import socket
import sys
import threading
import time

PORT = 7000
_EVERY_S = 0.02


def family_of(host):
    """Say which kind of socket reaches a host."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def echo(host=""):
    """Answer over UDP and TCP, each connection by itself."""
    udp = socket.socket(family_of(host), socket.SOCK_DGRAM)
    udp.bind((host, PORT))
    tcp = socket.create_server((host, PORT), family=family_of(host))

    def answer_tcp():
        while True:
            threading.Thread(target=back, args=(tcp.accept()[0],), daemon=True).start()

    def back(connection):
        with contextlib.suppress(OSError):
            while data := connection.recv(1024):
                connection.sendall(data)

    threading.Thread(target=answer_tcp, daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        data, sender = udp.recvfrom(1024)
        udp.sendto(data, sender)


def connected(host):
    """Open a connection, as soon as there is an address to do it from."""
    while True:
        try:
            return socket.create_connection((host, PORT), timeout=1)
        except OSError:
            time.sleep(_EVERY_S)


def talk(kind, host):
    """Send without end, and print what is answered at once."""
    sock = connected(host) if kind == "tcp" else socket.socket(family_of(host), socket.SOCK_DGRAM)
    sock.settimeout(_EVERY_S)
    number = 0
    while True:
        number += 1
        try:
            if kind == "tcp":
                sock.sendall(b"%d\n" % number)
                answer = sock.recv(1024)
            else:
                sock.sendto(b"%d\n" % number, (host, PORT))
                answer = sock.recv(1024)
        except OSError:  # no answer yet, or no address now
            time.sleep(_EVERY_S)
            continue
        sys.stdout.write(answer.decode())
        sys.stdout.flush()
        time.sleep(_EVERY_S)


if __name__ == "__main__":
    echo(*sys.argv[2:]) if sys.argv[1] == "echo" else talk(*sys.argv[1:])
