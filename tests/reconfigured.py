"""A DHCPv6 client that obeys Reconfigure messages (RFC 8415, 20.4), run in a namespace.

Of the clients that a test can install none does. It prints each prefix that it is given, and each
message that it is told to send; one whose signature is wrong ends it.
"""

import hmac
import socket
import sys

from simulator.dhcp6_packet import (
    AUTHENTICATION,
    RAPID_COMMIT,
    RECONFIGURE_ACCEPT,
    RECONFIGURE_MESSAGE,
    Association6,
    Message6,
    Packet6,
    read_packet6,
    write_packet6,
)

CLIENT = bytes.fromhex("0003000100005e00530a")
DIGEST_BYTES = 16
ACCEPTS = {RECONFIGURE_ACCEPT: b""}


def say(*words):
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def main(interface):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    sock.bind(("::", 546))
    index = socket.if_nametoindex(interface)

    def ask(kind, held, server=b"", **more):
        options = ACCEPTS | more.get("options", {})
        packet = Packet6(kind, 7, CLIENT, server, [held], options)
        sock.sendto(write_packet6(packet), ("ff02::1:2", 547, 0, index))
        reply = read_packet6(sock.recv(65535))
        (association,) = reply.associations
        say(*(given.prefix for given in association.given if given.valid_s))
        return reply, association

    first = Association6("pd", 1)
    reply, held = ask(Message6.SOLICIT, first, options={RAPID_COMMIT: b""})
    key = reply.options[AUTHENTICATION][-DIGEST_BYTES:]
    while True:
        data = sock.recv(65535)
        told = read_packet6(data)
        unsigned = data[:-DIGEST_BYTES] + bytes(DIGEST_BYTES)
        if not hmac.compare_digest(hmac.digest(key, unsigned, "md5"), data[-DIGEST_BYTES:]):
            sys.exit("a wrong signature")
        message = Message6(told.options[RECONFIGURE_MESSAGE][0])
        say(message.name)
        if message == Message6.RENEW:
            _, held = ask(message, held, told.server_id)


if __name__ == "__main__":
    main(sys.argv[1])
