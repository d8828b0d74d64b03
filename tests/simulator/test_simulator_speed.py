"""How fast a simulated router in a process of its own is: bounds, not measurements."""

import itertools
import json
import socket
import subprocess
import sys
import threading
import time

import pytest
from librouteros import connect

from simulator.control import ControlClient
from simulator.protocol import Decoder, encode_sentence

pytestmark = pytest.mark.router
LEASE = "/ip/dhcp-server/lease"
ROUNDS = 4  # others use this machine too: a bound has to hold in one of them
FIELDS = "=.proplist=.id,address,mac-address,comment"


@pytest.fixture
def process(tmp_path):
    control = tmp_path / "control"
    command = [sys.executable, "-m", "simulator", "--demo-password", "--json", "--control", control]
    running = subprocess.Popen(command, stdout=subprocess.PIPE)
    json.loads(running.stdout.readline())
    with ControlClient(str(control)) as router:
        yield router
    running.terminate()
    running.communicate(timeout=10)


def sentence(*words):
    return encode_sentence([word.encode() for word in words])


def login(router):
    sock = socket.create_connection((router.host, router.api_port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(sentence("/login", "=name=leasewire", "=password=demo"))
    assert sock.recv(100) == b"\x05!done\0"
    return sock


def leases(count, block):
    for n in range(count):
        high, low = divmod(n, 256)
        yield f"02:00:00:{block:02X}:{high:02X}:{low:02X}", f"10.{block}.{high}.{low}"


def one_at_a_time(router, count, block):
    """Adds a second by librouteros."""
    api = connect(router.host, "leasewire", "demo", port=router.api_port)
    path = api.path(LEASE)
    start = time.perf_counter()
    for mac, address in leases(count, block):
        path.add(**{"mac-address": mac, "address": address})
    rate = count / (time.perf_counter() - start)
    api.close()
    return rate


def in_flight(router, count, block, window=32):
    """Adds a second with a window of tagged commands."""
    commands = [
        sentence(f"{LEASE}/add", f"=mac-address={mac}", f"=address={address}", ".tag=1")
        for mac, address in leases(count, block)
    ]
    with login(router) as sock:
        decoder, sent, done = Decoder(1 << 20), window, 0
        start = time.perf_counter()
        sock.sendall(b"".join(commands[:window]))
        while done < count:
            replies = decoder.feed(sock.recv(1 << 18))
            assert all(words[0] == b"!done" for words in replies)
            done += len(replies)
            sock.sendall(b"".join(commands[sent : sent + len(replies)]))
            sent += len(replies)
        return count / (time.perf_counter() - start)


def test_commands_in_flight_are_faster_than_one_at_a_time(process):
    blocks = itertools.count(1)  # of addresses, a fresh one each time

    def gain(serially, windowed):
        return in_flight(process, windowed, next(blocks)) / one_at_a_time(
            process, serially, next(blocks)
        )

    assert any(gain(500, 3000) > 1.2 for _ in range(ROUNDS))
    process.set_faults(latency_ms=5)
    assert any(gain(40, 1500) > 15 for _ in range(ROUNDS))


def read_print(sock):
    """Ask for four fields of all leases and take the answer apart, as a client must."""
    start = time.perf_counter()
    sock.sendall(sentence(f"{LEASE}/print", FIELDS))
    decoder, rows, size = Decoder(1 << 20), 0, b""
    while True:
        data = sock.recv(1 << 18)
        size += data
        sentences = decoder.feed(data)
        rows += len(sentences)
        if sentences and sentences[-1][0] == b"!done":
            return time.perf_counter() - start, rows, size


def from_memory(answer):
    """Serve the same bytes to whoever asks."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        served, _ = listener.accept()
        with served:
            while served.recv(4096):
                served.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return listener


def test_a_print_of_ten_thousand_leases_is_nearly_as_fast_as_from_memory(process):
    in_flight(process, 10_000, 1)
    with login(process) as router:
        _, rows, answer = read_print(router)
        assert rows == 10_001
        with (
            from_memory(answer) as listener,
            socket.create_connection(listener.getsockname()) as memory,
        ):
            assert any(read_print(router)[0] < 2 * read_print(memory)[0] for _ in range(5 * ROUNDS))
