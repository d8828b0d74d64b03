"""How bytes leave a simulated router: late, slowly, half, or not at all.

Shared by the API and REST sessions.
"""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any, Literal, TypeVar

from simulator.faults import Faults

T = TypeVar("T")
End = Literal["close", "reset"] | None
_SLICE = 64  # bytes at a time when trickling


def reset(transport: asyncio.BaseTransport) -> None:
    """Close with a TCP reset instead of a FIN."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def ends(transport: asyncio.BaseTransport) -> tuple[str, str]:
    """Give both ends of a connection as `address:port`; empty: it is gone already."""
    names = map(transport.get_extra_info, ("sockname", "peername"))
    local, remote = (f"{name[0]}:{name[1]}" if name else "" for name in names)
    return local, remote


def begin(tasks: set[asyncio.Task[T]], work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Do work in a task, which is among these until it has ended."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tuple(tasks):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Outbox:
    """Sends replies in order, each not before its time; reads latency and trickle when it sends."""

    def __init__(self, transport: asyncio.WriteTransport, faults: Faults) -> None:
        self._transport = transport
        self._faults = faults
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, bytes, End]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, data: bytes, arrived: float, end: End = None) -> None:
        """Send data; latency counts from when the command came (loop's clock).

        `end` is what happens to the connection after it.
        """
        faults = self._faults
        if not self._waiting and not faults.latency_ms and not faults.trickle_bytes_per_s:
            self._write(data, end)
            return
        due = arrived + faults.latency_ms / 1000
        if faults.trickle_bytes_per_s:
            due = self._slices(data, due)
            data = b""
        self._waiting.append((due, data, end))
        self._arm()

    @property
    def idle(self) -> bool:
        """Whether all was sent."""
        return not self._waiting

    def stop(self) -> None:
        """Forget what was not sent."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _slices(self, data: bytes, due: float) -> float:
        if self._waiting:
            due = max(due, self._waiting[-1][0])
        pause = _SLICE / self._faults.trickle_bytes_per_s
        for at in range(0, len(data), _SLICE):
            due += pause
            self._waiting.append((due, data[at : at + _SLICE], None))
        return due

    def _arm(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._send_due)

    def _send_due(self) -> None:
        self._timer = None
        now = self._loop.time() + 0.0005
        while self._waiting and self._waiting[0][0] <= now:
            _, data, end = self._waiting.popleft()
            self._write(data, end)
        self._arm()

    def _write(self, data: bytes, end: End) -> None:
        if data:
            self._transport.write(data)
        if end == "close":
            self._transport.close()
        elif end == "reset":
            reset(self._transport)
