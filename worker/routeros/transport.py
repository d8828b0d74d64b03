"""One connection as bytes, plain or over TLS: every wait has a deadline, every close is a reset."""

import hashlib
import ipaddress
import queue
import select
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
from worker.ports import AnswerTimes
from worker.routeros.failures import FOREIGN, bad_ca_file, other_certificate, verdict

_AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

_CHUNK: Final = 1 << 16
_RECORDS: Final = 64
"""TLS records read at once at most: steady answers must not keep us from sending."""
NO_ANSWERS: Final = AnswerTimes(0, 0, 0)
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class RouterSocket:
    """A connected socket. Not for two threads at once.

    Args:
        sock: connected.
        fingerprint: see below.
        certificate_ends_ms: see below.
        gate: of the session; others compute while this waits for the router.

    Attributes:
        fingerprint: SHA-256 of the certificate that the router showed, hex; empty without TLS.
        certificate_ends_ms: until when that is valid (ms since 1970); 0: not known.
        asked_s: when the question was sent whose answer has not begun, by `time.monotonic`; 0: no
            question is open.
        answered: how long the router took to answer, since this was last taken.
    """

    def __init__(
        self,
        sock: socket.socket,
        fingerprint: str = "",
        certificate_ends_ms: int = 0,
        gate: GateSlot | None = None,
    ) -> None:
        self.fingerprint = fingerprint
        self.certificate_ends_ms = certificate_ends_ms
        self._sock = sock
        self._gate = gate or GateSlot()
        self._end: Exception | None = None
        self.asked_s = 0.0
        self.answered = NO_ANSWERS
        sock.settimeout(0)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def exchange(self, out: bytearray, deadline: float) -> bytes:
        """Send from `out` until something comes in, and return that.

        Writing and reading go together, so that two full buffers cannot make both sides wait.

        Args:
            out: bytes to send; what was sent is removed.
            deadline: on the clock `time.monotonic`.

        Raises:
            TimeoutError: nothing came in time.
            EOFError: the router closed the connection.
            OSError: the connection broke.
        """
        came_s = 0.0
        while True:
            events = select.POLLIN | self._send(out)
            data, more = self._receive()
            if data:
                if self.asked_s:
                    self._answer_began(came_s or monotonic())
                return data
            events |= more
            remaining_s = deadline - monotonic()
            if remaining_s <= 0:
                raise TimeoutError
            self._poll.modify(self._sock, events)
            with self._gate.outside():
                self._poll.poll(remaining_s * 1000)
                came_s = monotonic()  # before this thread waits for its turn

    def _answer_began(self, came_s: float) -> None:
        took_ms = round((came_s - self.asked_s) * 1000)
        number, sum_ms, most_ms = self.answered
        self.answered = AnswerTimes(number + 1, sum_ms + took_ms, max(most_ms, took_ms))
        self.asked_s = 0.0

    def _receive(self) -> tuple[bytes, int]:
        """Return all that came by now, and what else to wait for when nothing did.

        A TLS record is often just one answer, so many are read together.
        """
        parts: list[bytes] = []
        while self._end is None and len(parts) < _RECORDS:
            try:
                part = self._sock.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                break
            except ssl.SSLWantWriteError:
                return b"".join(parts), select.POLLOUT
            except OSError as error:  # a socket reports it only once
                self._end = error
            else:
                if not part:
                    self._end = EOFError()
                parts.append(part)
        if self._end is not None and not any(parts):
            raise self._end
        return b"".join(parts), 0

    def _send(self, out: bytearray) -> int:
        """Send what can be sent now; return the event to wait for before the rest can be."""
        while out:
            try:
                del out[: self._sock.send(out)]
            except (BlockingIOError, ssl.SSLWantWriteError):
                return select.POLLOUT
            except ssl.SSLWantReadError:
                break
        return 0

    def is_quiet(self) -> bool:
        """Return whether nothing came in, not even the end of the connection."""
        self._poll.modify(self._sock, select.POLLIN)
        return not self._poll.poll(0)

    def close(self) -> None:
        """Reset the connection, so that nothing under way lands later."""
        self._sock.close()


def open_transport(
    config: RouterConfig,
    timeout_s: float,
    user_timeout_s: float,
    gate: GateSlot | None = None,
    *,
    trust: bool = False,
) -> RouterSocket:
    """Connect, and over TLS check that it is the right router before anything is sent.

    Args:
        config: the router.
        timeout_s: for name lookup, connection and TLS handshake together.
        user_timeout_s: how long sent bytes may stay unacknowledged before the kernel gives up.
        gate: of the session; others compute while this waits.
        trust: accept any certificate; for reading it, as nothing is sent.

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

    Args:
        certificate: in DER; routers sign their own, and not all keep to the rules.
    """
    from cryptography import x509  # noqa: PLC0415 - 8 MB, which `events` processes do not need

    try:
        until = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        return 0
    return int(until.timestamp() * 1000)
