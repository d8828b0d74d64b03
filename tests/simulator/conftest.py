import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from simulator.protocol import Decoder, encode_sentence
from simulator.testing import RouterHandle, Simulation, running
from tests.forking import Forked

settings.register_profile("long", max_examples=50_000)


class Raw:
    """A client that hides nothing: sends sentences, gives sentences."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._decoder = Decoder(1 << 28)
        self._ready: list[list[bytes]] = []

    def send(self, *sentences: tuple[str, ...]) -> None:
        self.sock.sendall(
            b"".join(encode_sentence([word.encode() for word in words]) for words in sentences)
        )

    def read(self) -> list[str]:
        while not self._ready:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._ready += self._decoder.feed(data)
        return [word.decode() for word in self._ready.pop(0)]

    def talk(self, *words: str) -> list[list[str]]:
        """Send one sentence, read up to its !done."""
        self.send(words)
        return self.until_done()

    def until_done(self, tag: str = "") -> list[list[str]]:
        sentences = []
        while True:
            sentences.append(self.read())
            last = sentences[-1]
            if last[0] == "!fatal" or (last[0] == "!done" and (not tag or f".tag={tag}" in last)):
                return sentences

    def login(self, user: str, password: str) -> list[list[str]]:
        return self.talk("/login", f"=name={user}", f"=password={password}")


@pytest.fixture
def sim() -> Iterator[Simulation]:
    with running(seed_guide=True) as simulation:
        yield simulation


@pytest.fixture
def router(sim: Simulation) -> RouterHandle:
    return sim.router


@pytest.fixture
def connect() -> Iterator[Callable[..., Raw]]:
    opened: list[Raw] = []

    def open_one(
        sim: Simulation, name: str = "R1", *, login: bool = True, tls: bool = False
    ) -> Raw:
        router = sim[name]
        port = router.api_ssl_port if tls else router.api_port
        sock = socket.create_connection((router.host, port), timeout=10)
        if tls:
            context = ssl.create_default_context(cadata=router.certificate_pem)
            sock = context.wrap_socket(sock, server_hostname=router.host)
        raw = Raw(sock)
        opened.append(raw)
        if login:
            assert raw.login(sim.user, sim.password) == [["!done"]]
        return raw

    yield open_one
    for raw in opened:
        raw.sock.close()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command in a process that does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*flags: object, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = (subprocess.Popen if prefix else Forked)(
            [*prefix, sys.executable, "-m", "simulator", *map(str, flags)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
