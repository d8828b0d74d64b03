"""How fast a simulated router is: ratios within one run, each with its reference.

Run: `.venv/bin/python -m benchmarks.simulator`. One line for each figure, the best of some
rounds, because other programs may use the machine too:

- adds per second on one connection, 32 commands in flight against librouteros one at a time, with
  a round trip of 5 ms and with none;
- the time of a print of 10,000 leases with four fields, against the same bytes served from memory;
- memory of 1,000 routers in one process, and the time until all of them listen.

The router runs in its own process; client and router share the machine.
"""

import itertools
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from librouteros import connect

from simulator.control import ControlClient
from simulator.protocol import Decoder, encode_sentence

LEASE = "/ip/dhcp-server/lease"
FIELDS = "=.proplist=.id,address,mac-address,comment"
WINDOW = 32
BUFFER = 1 << 20


@contextmanager
def simulator(*flags: str) -> Iterator[tuple[int, Path]]:
    """Run simulated routers in a process; gives its id and its control socket."""
    with tempfile.TemporaryDirectory(prefix="lw-") as folder:
        control = Path(folder) / "control"
        command = [sys.executable, "-m", "simulator", "--demo-password", "--json"]
        with subprocess.Popen(  # noqa: S603 - our own module
            [*command, "--control", str(control), *flags], stdout=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout is not None  # noqa: S101 - it is a pipe
                json.loads(process.stdout.readline())
                yield process.pid, control
            finally:
                process.terminate()


def sentence(*words: str) -> bytes:
    """Encode one sentence."""
    return encode_sentence([word.encode() for word in words])


def log_in(router: ControlClient) -> socket.socket:
    """Open a connection and log in."""
    sock = socket.create_connection((router.host, router.api_port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(sentence("/login", "=name=leasewire", "=password=demo"))
    if sock.recv(100) != b"\x05!done\0":
        raise ConnectionError
    return sock


def leases(count: int, block: int) -> Iterator[tuple[str, str]]:
    """Give MACs and addresses of a block that no other call uses."""
    for n in range(count):
        high, low = divmod(n, 256)
        yield f"02:00:00:{block:02X}:{high:02X}:{low:02X}", f"10.{block}.{high}.{low}"


def one_at_a_time(router: ControlClient, count: int, block: int) -> float:
    """Adds a second by librouteros."""
    api = connect(router.host, "leasewire", "demo", port=router.api_port)
    path = api.path(LEASE)
    began = time.perf_counter()
    for mac, address in leases(count, block):
        path.add(**{"mac-address": mac, "address": address})
    rate = count / (time.perf_counter() - began)
    api.close()
    return rate


def in_flight(router: ControlClient, count: int, block: int) -> float:
    """Adds a second with a window of tagged commands."""
    commands = [
        sentence(f"{LEASE}/add", f"=mac-address={mac}", f"=address={address}", f".tag={n}")
        for n, (mac, address) in enumerate(leases(count, block))
    ]
    with log_in(router) as sock:
        decoder, sent, done = Decoder(BUFFER), WINDOW, 0
        began = time.perf_counter()
        sock.sendall(b"".join(commands[:WINDOW]))
        while done < count:
            replies = decoder.feed(sock.recv(BUFFER))
            if any(words[0] != b"!done" for words in replies):
                raise ValueError(replies)
            done += len(replies)
            sock.sendall(b"".join(commands[sent : sent + len(replies)]))
            sent += len(replies)
        return count / (time.perf_counter() - began)


def read_print(sock: socket.socket) -> tuple[float, int, bytes]:
    """Print all leases and take the answer apart, as a client must: seconds, rows, bytes."""
    began = time.perf_counter()
    sock.sendall(sentence(f"{LEASE}/print", FIELDS))
    decoder, rows, parts = Decoder(BUFFER), 0, list[bytes]()
    while True:
        parts.append(sock.recv(BUFFER))
        sentences = decoder.feed(parts[-1])
        rows += len(sentences)
        if sentences and sentences[-1][0] == b"!done":
            return time.perf_counter() - began, rows - 1, b"".join(parts)


def from_memory(answer: bytes) -> socket.socket:
    """Serve the same bytes to each client; returns a connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        served, _ = listener.accept()
        with listener, served:
            while served.recv(4096):
                served.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return socket.create_connection(listener.getsockname())


def adds(latency_ms: float, serially: int, windowed: int, rounds: int) -> dict[str, float]:
    """Adds a second both ways, one after the other in each round; the best of the ratios."""
    best: dict[str, float] = {"ratio": 0}
    blocks = itertools.count(1)
    with simulator() as (_, control), ControlClient(str(control)) as router:
        router.set_faults(latency_ms=latency_ms)
        for _ in range(rounds):
            one = one_at_a_time(router, serially, next(blocks))
            many = in_flight(router, windowed, next(blocks))
            if many / one > best["ratio"]:
                best = {
                    "one_at_a_time_per_s": round(one),
                    "in_flight_per_s": round(many),
                    "ratio": round(many / one, 1),
                }
    return {"latency_ms": latency_ms, **best}


def printing(count: int, rounds: int) -> dict[str, float]:
    """Time of a print against the same bytes from memory; the medians."""
    with simulator() as (_, control), ControlClient(str(control)) as router:
        in_flight(router, count, 1)
        with log_in(router) as asked:
            first_s, rows, answer = read_print(asked)
            with from_memory(answer) as memory:
                pairs = [(read_print(asked)[0], read_print(memory)[0]) for _ in range(rounds)]
    router_s, memory_s = (sorted(rates)[rounds // 2] for rates in zip(*pairs, strict=True))
    return {
        "rows": rows,
        "first_print_ms": round(first_s * 1000, 1),
        "print_ms": round(router_s * 1000, 1),
        "from_memory_ms": round(memory_s * 1000, 1),
        "ratio": round(router_s / memory_s, 2),
    }


def memory(routers: int) -> dict[str, float]:
    """What many routers in one process take, each with the guide's set-up and both APIs."""
    began = time.perf_counter()
    with simulator("--routers", str(routers), "--seed-guide") as (pid, _):
        ready_s = time.perf_counter() - began
        status = Path(f"/proc/{pid}/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return {"routers": routers, "rss_mb": int(kilobytes) // 1024, "ready_s": round(ready_s, 1)}


def main() -> None:
    """Measure everything and print it."""
    for name, figure in (
        ("adds", partial(adds, 0, 2000, 10_000, 5)),
        ("adds", partial(adds, 5, 100, 5000, 3)),
        ("print", partial(printing, 10_000, 15)),
        ("memory", partial(memory, 1000)),
    ):
        print(json.dumps({"what": name, **figure()}), flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
