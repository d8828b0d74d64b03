"""Connects to a router, plain or over TLS, and checks its certificate before anything is sent."""

import hashlib
import ipaddress
import queue
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from time import monotonic
from typing import Any, Final

from worker.compute_gate import GateSlot
from worker.inventory import RouterConfig
from worker.routeros.failures import FOREIGN, bad_ca_file, other_certificate, verdict
from worker.routeros.wire import RouterSocket

_AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


def open_transport(
    config: RouterConfig,
    timeout_s: float,
    user_timeout_s: float,
    gate: GateSlot | None = None,
    *,
    trust: bool = False,
) -> RouterSocket:
    """Connect, and over TLS check that it is the right router before anything is sent.

    Name lookup, connection and TLS handshake take `timeout_s` together. `user_timeout_s` is how
    long sent bytes may stay unacknowledged before the kernel gives up. With `trust` any certificate
    is accepted; for reading it, as nothing is sent.

    Raises:
        RouterUnreachable: no connection.
        RouterBlocked: the certificate is not the pinned one, or no authority signed it.
    """
    gate = gate or GateSlot()
    context = None if config.transport == "api" else _context(config)
    deadline = monotonic() + timeout_s
    doing = f"connecting to {config.host}:{config.port}"
    try:
        with gate.outside(), ExitStack() as undo:
            sock = undo.enter_context(_connect(config.host, config.port, deadline, user_timeout_s))
            fingerprint, until_ms = "", 0
            if context:
                doing = f"TLS with {config.host}:{config.port}"
                # the name matters only where an authority signed the certificate
                name = (config.server_name or config.host) if config.ca_file else None
                sock = undo.enter_context(
                    context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
                )
                sock.settimeout(_left(deadline))
                sock.do_handshake()
                shown = sock.getpeercert(binary_form=True) or b""
                fingerprint, until_ms = hashlib.sha256(shown).hexdigest(), ends_ms(shown)
                if not (trust or config.ca_file) and fingerprint != config.fingerprint:
                    raise other_certificate(config.name, config.fingerprint, fingerprint)
            transport = RouterSocket(sock, fingerprint, until_ms, gate)
            undo.pop_all()
            return transport
    except (*FOREIGN, ValueError) as error:  # ValueError: not a valid host name
        raise verdict(config.name, doing, error) from error


def _left(deadline: float) -> float:
    return max(deadline - monotonic(), 0.001)


def _context(config: RouterConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if config.ca_file:
        try:
            context.load_verify_locations(config.ca_file)
        except OSError as error:
            raise bad_ca_file(config.name, config.ca_file, error) from error
    else:
        # Routers sign their own certificates: we compare the certificate itself.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _connect(host: str, port: int, deadline: float, user_timeout_s: float) -> socket.socket:
    """Connect to the first address that answers; each gets an even share of the time left."""
    places = _look_up(host, port, deadline)
    for number, (family, *_, place) in enumerate(places, start=1):
        with ExitStack() as undo:
            sock = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _notice_a_dead_peer(sock, user_timeout_s)
            sock.settimeout(_left(deadline) / (len(places) - number + 1))
            try:
                sock.connect(place)
            except OSError:
                if number == len(places):
                    raise
            else:
                undo.pop_all()
                return sock
    raise OSError(f"{host} has no address")


def _notice_a_dead_peer(sock: socket.socket, user_timeout_s: float) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 15),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", int(user_timeout_s * 1000)),
    ):
        option = getattr(socket, name, None)  # not every system has all of them
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _look_up(host: str, port: int, deadline: float) -> Sequence[_AddressInfo]:
    """Look up the addresses of a host, in a thread, as the system's lookup has no deadline."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    answer: queue.SimpleQueue[Sequence[_AddressInfo] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            answer.put(error)

    threading.Thread(target=look_up, name=f"look-up {host}", daemon=True).start()
    try:
        found = answer.get(timeout=_left(deadline))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return found


def ends_ms(certificate: bytes) -> int:
    """Return until when a certificate is valid, in milliseconds since 1970; 0: it cannot be read.

    Routers sign their own, and not all keep to the rules.
    """
    from cryptography import x509  # noqa: PLC0415 - 8 MB, which `events` processes do not need

    try:
        until = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        return 0
    return int(until.timestamp() * 1000)
