"""Links between workers and routers that stall and that deliver late: a relay before each router.

What a kernel does when a link comes back is done here by hand, since on loopback no packet is lost:

- *stalled*: bytes wait on our side. When the link is back they are delivered, even if the sender
  has closed its socket meanwhile (its kernel sends again for minutes), but not if it reset the
  connection, and not if its kernel gave up waiting (TCP_USER_TIMEOUT);
- *late*: bytes had reached the router, which is slow to read them: nothing takes them back.
"""

import contextlib
import math
import select
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Self

LINGER_S = 2.0
"""How long a router works on what came late, though nobody waits for its answers."""


@dataclass
class Link:
    """One router's relay on a port of its own.

    Args:
        port: of the router, on loopback.
        user_timeout_s: TCP_USER_TIMEOUT of those who connect.
    """

    port: int
    user_timeout_s: float
    delivered_late: int = 0
    """Times that a link or a router that had been slow went on."""
    late_at: list[float] = field(default_factory=list)
    """When something was delivered that had been held, in monotonic seconds."""
    lost_by_reset: int = 0
    """Times that nothing was left to deliver then."""
    caught: threading.Event = field(default_factory=threading.Event)
    traps: bool = False
    """Something is to be caught, or is and was not released."""
    _trap: tuple[bytes, str] | None = None
    _stalled_at: float = 0.0
    _stalled_until: float = 0.0
    _late_until: float = 0.0
    _flows: list["_Flow"] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.own_port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for flow in self._flows:
            flow.abort()

    def stall(self, seconds: float) -> None:
        """Nothing passes for a while, neither on the connections of now nor on new ones."""
        self._stalled_at = time.monotonic()
        self._stalled_until = self._stalled_at + seconds
        self.stall_flows(seconds)

    def stall_flows(self, seconds: float) -> None:
        """The connections of this moment stall; new ones find another way."""
        now = time.monotonic()
        for flow in self._flows:
            flow.stalled_at, flow.stalled_until = now, now + seconds

    def deliver_late(self, seconds: float) -> None:
        """What is sent from now on, on connections of this moment, is read only then."""
        until = time.monotonic() + seconds
        for flow in self._flows:
            flow.late_until = until

    def catch(self, message: bytes, how: str) -> None:
        """Hold the next command with these words, on plain connections, until `release`.

        Args:
            message: of the command.
            how: `stall` its connection, or deliver it `late`.
        """
        self.caught.clear()
        self._trap, self.traps = (message, how), True

    def release(self) -> None:
        """What was caught goes on, and nothing more is caught."""
        self._trap, self.traps = None, False
        for flow in self._flows:
            flow.late_until = flow.stalled_until = 0

    def was_late(self, moment_s: float) -> bool:
        """Whether what came late may have been at work at a moment."""
        return any(at <= moment_s <= at + LINGER_S + 1 for at in self.late_at)

    def _spring(self, flow: "_Flow", data: bytes) -> None:
        if self._trap is not None and self._trap[0] in data:
            if self._trap[1] == "stall":
                flow.stalled_at, flow.stalled_until = time.monotonic(), math.inf
            else:
                flow.late_until = math.inf
            self._trap = None
            self.caught.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            flow = _Flow(self, client, time.monotonic(), self._stalled_until)
            self._flows = [known_flow for known_flow in self._flows if not known_flow.over] + [flow]
            threading.Thread(target=flow.up, daemon=True).start()


@dataclass
class _Flow:
    link: Link
    client: socket.socket
    stalled_at: float
    stalled_until: float
    late_until: float = 0.0
    router: socket.socket | None = None
    over: bool = False

    def up(self) -> None:
        """Carry what the worker sends."""
        was_late = False
        try:
            if not self._passes(self.client):
                return
            self.router = socket.create_connection(("127.0.0.1", self.link.port), timeout=5)
            self.router.settimeout(None)
            self.router.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._down, args=(self.router,), daemon=True).start()
            while True:
                select.select([self.client], [], [])
                self.link._spring(self, self.client.recv(1 << 16, socket.MSG_PEEK))  # noqa: SLF001 - one thing in two classes
                if not self._passes(self.client):
                    return
                data = self.client.recv(1 << 16)
                if not data:
                    return
                while (wait_s := self.late_until - time.monotonic()) > 0:
                    time.sleep(min(wait_s, 0.05))  # the fault itself
                    was_late = True
                self.link.delivered_late += was_late and _was_reset(self.client)
                if was_late:
                    self.link.late_at.append(time.monotonic())
                self.router.sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            if was_late:
                time.sleep(LINGER_S)  # the router is at it
            self.abort()

    def _down(self, router: socket.socket) -> None:
        try:
            while data := router.recv(1 << 16):
                if not self._passes(self.client):
                    break
                self.client.sendall(data)
        except (OSError, ValueError):
            pass
        if self.late_until <= time.monotonic():
            self.abort()

    def _passes(self, client: socket.socket) -> bool:
        """Wait while the link is stalled; False when what was under way is lost."""
        stalled = False
        while (wait_s := self.stalled_until - time.monotonic()) > 0:
            stalled = True
            time.sleep(min(wait_s, 0.05))  # the fault itself
        if not stalled:
            return True
        gave_up = time.monotonic() - self.stalled_at > self.link.user_timeout_s
        if gave_up or _was_reset(client):
            self.link.lost_by_reset += 1
            return False
        self.link.delivered_late += 1
        self.link.late_at.append(time.monotonic())
        return True

    def abort(self) -> None:
        """Reset both ends."""
        self.over = True
        for sock in (self.client, self.router):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    sock.shutdown(socket.SHUT_RDWR)
                with contextlib.suppress(OSError):
                    sock.close()


def _was_reset(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
