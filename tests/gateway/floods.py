"""How long honest callers wait while others flood the gateway: `python -m tests.gateway.floods`.

The attacker is a process of its own on another core, and opens again what is ended. The same goes
to a bare asyncio server that holds a thousand and only answers: what asyncio costs by itself.
"""

import asyncio
import multiprocessing
import os
import resource
import select
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

from tests.gateway.hostile import target

_HALF_BODY: Final = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{"
FLOODS: Final = {
    "nothing": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    "half a body at a webhook": _HALF_BODY.format("/v1/hooks/generic/billing").encode(),
    "half a body at a decision": _HALF_BODY.format("/v1/approvals/x/approve").encode(),
}
MOST: Final = 3000
_SECONDS: Final = 4.0
_ANSWER: Final = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"status":"alive"}'
_HELD: Final = 1000
_CONTEXT: Final = multiprocessing.get_context("spawn")


class Waits(NamedTuple):
    """Of honest callers, in milliseconds."""

    p50: float
    p95: float
    most: float
    failed: int


def on_core(number: int) -> None:
    """Run on the first (0) or the last (-1) core from now on, and what is started from here too."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number]})


def flood(port: int, sent: Sequence[bytes], most: int, seconds: float) -> int:
    """Hold so many connections that send just that; says how many were opened."""
    on_core(-1)
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    there: dict[int, socket.socket] = {}
    poll, opened, until = select.epoll(), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(min(200, most - len(there))):
            made = socket.socket()
            made.setblocking(False)
            made.connect_ex(("127.0.0.1", port))
            there[made.fileno()] = made
            poll.register(made, select.EPOLLOUT | select.EPOLLRDHUP)
            opened += 1
        for number, what in poll.poll(0.05, 1000):
            if what & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP):
                there.pop(number).close()
            else:
                with suppress(ConnectionError):  # it is told as a hang-up
                    there[number].send(sent[number % len(sent)])
                poll.modify(number, select.EPOLLRDHUP)
    for each in there.values():
        each.close()
    return opened


def ask(port: int, seconds: float) -> Waits:
    """Ask for `/healthz` on new connections, twenty times a second."""
    on_core(-1)
    waits, failed, until = [], 0, time.monotonic() + seconds
    while time.monotonic() < until:
        before = time.monotonic()
        try:
            with closing(socket.create_connection(("127.0.0.1", port), 5)) as caller:
                caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                failed += not caller.recv(65_536).startswith(b"HTTP/1.1 200 ")
        except OSError:
            failed += 1
        waits.append((time.monotonic() - before) * 1000)
        time.sleep(0.05)
    waits.sort()
    p50, p95 = (waits[int(len(waits) * share)] for share in (0.5, 0.95))
    return Waits(p50, p95, waits[-1], failed)


def measure(port: int, sent: Sequence[bytes], most: int = MOST) -> tuple[Waits, int]:
    """What callers wait during a flood, and how many connections a second it opened."""
    with ProcessPoolExecutor(2, _CONTEXT) as pool:
        pool.submit(on_core, -1).result()  # it has started, and does not start during the flood
        attack = pool.submit(flood, port, sent, most, _SECONDS + 2)
        time.sleep(1)  # until it is under way
        waits = pool.submit(ask, port, _SECONDS).result()
        return waits, round(attack.result() / (_SECONDS + 2))


class _Bare(asyncio.Protocol):
    held: Final[list[asyncio.Transport]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.heard = transport, b""
        self.held.append(transport)
        if len(self.held) > _HELD:
            for each in self.held[: _HELD // 10]:
                each.abort()
            del self.held[: _HELD // 10]

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if self.heard.startswith(b"GET") and b"\r\n\r\n" in self.heard:
            self.transport.write(_ANSWER)
            self.transport.close()


def _run_bare(listener: socket.socket) -> None:
    on_core(0)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        await (await loop.create_server(_Bare, sock=listener, backlog=256)).serve_forever()

    asyncio.run(run())


@contextmanager
def bare_server() -> Iterator[int]:
    """A server that does nothing but answer; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = _CONTEXT.Process(target=_run_bare, args=(listener,), daemon=True)
        process.start()
        yield listener.getsockname()[1]
        process.terminate()
        process.join()


def main() -> None:
    """Print a table."""
    counts = [int(word) for word in sys.argv[1:]] or [900, MOST, 6000]
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="lw-") as folder:
        on_core(0)  # and all that is started from here
        with target(Path(folder)) as gateway, bare_server() as bare:
            os.sched_setaffinity(0, cores)
            show = partial(print, flush=True)
            show(
                "| sends | connections | server | p50 ms | p95 | most | failed | opened/s | load |"
            )
            show("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
            servers = {"gateway": gateway.port, "bare asyncio": bare}
            floods = {name: [sent] for name, sent in FLOODS.items()} | {"all": [*FLOODS.values()]}
            for (name, sent), count, server in product(floods.items(), counts, servers):
                waits, rate = measure(servers[server], sent, count)
                values = [*(round(value) for value in waits), rate, round(os.getloadavg()[0], 1)]
                show(f"| {name} | {count} | {server} | {' | '.join(map(str, values))} |")
            show(f"\nThe gateway's process took {gateway.most_memory_kb // 1024} MiB at the most.")


if __name__ == "__main__":
    main()
