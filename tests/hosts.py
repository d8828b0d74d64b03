"""An installation on several hosts of this machine: each is a network namespace with a host name.

Redis and the routers are in a namespace of their own. A host reaches Redis by one pair of virtual
interfaces and the routers by another, so that either can be cut.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from leasewire.host.embedded import EmbeddedServer, server_binary
from tests.faults.harness import Harness
from tests.forking import NAMESPACES, Forked
from tests.installation import end
from tests.namespaces import hold, inside
from tests.waiting import eventually

ROUTERS: Final = "10.9.9.1"
REDIS: Final = "10.9.9.2"
_PORT: Final = 6379
FAKETIME: Final = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


def _inside(namespace: int) -> list[str]:
    return inside(namespace, "--uts")


class ServerInside(EmbeddedServer):
    """A Valkey that also listens on TCP, inside a namespace.

    Args:
        directory: of its files and its Unix socket.
        namespace: process that holds the namespace open.
    """

    def __init__(self, directory: Path, namespace: int) -> None:
        super().__init__(directory)
        self._namespace = namespace

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.directory.mkdir(mode=0o700, parents=True)
        with (self.directory / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(*_inside(self._namespace), server_binary(), "--bind", REDIS),
                    *("--port", str(_PORT), "--unixsocket", str(self.socket)),
                    *("--dir", str(self.directory), "--save", "", "--appendonly", "yes"),
                    *("--maxmemory-policy", "noeviction", "--protected-mode", "no"),
                    *("--maxmemory", "256mb"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self.socket.exists, "Valkey listens")
        with closing(self.client()) as client:
            eventually(client.ping, "Valkey answers")


@dataclass
class Host:
    """A host.

    Args:
        name: its host name.
        number: of its networks.
        namespace: process that holds its namespaces open.
        clock: file with the offset of its clock, such as `+3600`; None: its clock is right.
        processes: those that were started on it.
    """

    name: str
    number: int
    namespace: int
    clock: Path | None = None
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def signal(self, number: int) -> None:
        """Send a signal to all its processes."""
        for process in self.processes:
            process.send_signal(number)


@dataclass
class OnHosts(Harness):
    """An installation whose workers run on hosts.

    Args:
        names: names of the hosts.
    """

    names: Sequence[str] = ("north", "south")
    hosts: dict[str, Host] = field(default_factory=dict)

    def _start(self, stack: ExitStack) -> None:
        self._core = hold(stack, "unshare", "-Urn", "--uts")
        for address in (ROUTERS, REDIS):
            self._run(self._core, "ip", "addr", "add", f"{address}/32", "dev", "lo")
        self._run(self._core, "ip", "link", "set", "lo", "up")
        for number, name in enumerate(self.names, 1):
            self.hosts[name] = self._make_host(stack, name, number)
        self.simulator = ["--listen", ROUTERS, *self.simulator]
        self.simulator_command = [*_inside(self._core), *self.simulator_command]
        super()._start(stack)

    def make_valkey(self, directory: Path) -> EmbeddedServer:
        """Which Valkey it is."""
        return ServerInside(directory, self._core)

    def _make_host(self, stack: ExitStack, name: str, number: int) -> Host:
        namespace = hold(stack, *_inside(self._core), "unshare", "-n", "--uts")
        self._run(namespace, "hostname", name)
        self._run(namespace, "ip", "link", "set", "lo", "up")
        for letter, third, place in (("r", number, ROUTERS), ("s", number + 100, REDIS)):
            near, far = f"c{letter}{number}", f"h{letter}"
            peer = ("peer", "name", far, "netns", str(namespace))
            self._run(self._core, "ip", "link", "add", near, "type", "veth", *peer)
            self._run(self._core, "ip", "addr", "add", f"10.9.{third}.1/30", "dev", near)
            self._run(self._core, "ip", "link", "set", near, "up")
            self._run(namespace, "ip", "addr", "add", f"10.9.{third}.2/30", "dev", far)
            self._run(namespace, "ip", "link", "set", far, "up")
            self._run(namespace, "ip", "route", "add", place, "via", f"10.9.{third}.1")
        return Host(name, number, namespace)

    def _run(self, namespace: int, *command: str) -> None:
        subprocess.run([*_inside(namespace), *command], check=True, capture_output=True)

    def environ_on(self, host: Host) -> dict[str, str]:
        """The variables of a process on a host."""
        environ = self.environ | {"LEASEWIRE_REDIS_URL": f"redis://{REDIS}:{_PORT}/0"}
        if host.clock is not None:
            environ |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(host.clock),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        return environ

    def run_on(self, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `python -m MODULE …` on a host; its output goes to a log."""
        host = self.hosts[name]
        environ, command = self.environ_on(host), [sys.executable, "-m", module, *arguments]
        start: Callable[..., subprocess.Popen[bytes]] = Forked
        if host.clock is None:
            environ |= {NAMESPACES: str(host.namespace)}
        else:  # what is preloaded is so from the first line on
            start, command = subprocess.Popen, [*_inside(host.namespace), *command]
        with (self.directory / f"{name}-{module}.log").open("ab") as log:
            process = start(command, env=environ, stdout=log, stderr=log, start_new_session=True)
        host.processes.append(process)
        return process

    def start_workers_on(self, name: str) -> None:
        """Start both kinds of workers on a host."""
        for kind in ("events", "routers"):
            self.run_on(name, "worker.runtime.process", kind)

    def _end_workers(self) -> None:
        for host in self.hosts.values():
            host.signal(signal.SIGCONT)
        end(*(process for host in self.hosts.values() for process in host.processes))

    def ended(self) -> list[str]:
        """Hosts of which a process has ended."""
        return [
            name
            for name, host in self.hosts.items()
            if any(process.poll() is not None for process in host.processes)
        ]

    def set_clock(self, name: str, ahead_s: int) -> None:
        """Let the clock of a host differ; its first call comes before the host's processes."""
        host = self.hosts[name]
        host.clock = host.clock or self.directory / f"{name}.clock"
        host.clock.write_text(f"{ahead_s:+d}")

    def freeze(self, name: str) -> None:
        """Stop all processes of a host: it answers nobody, and its connections stay open."""
        self.hosts[name].signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen host go on."""
        self.hosts[name].signal(signal.SIGCONT)

    def cut(self, name: str, what: str) -> None:
        """Cut a host off from `redis` or from `routers`: nothing says so to it."""
        self._run(self._core, "ip", "link", "set", self._link(name, what), "down")

    def connect(self, name: str, what: str) -> None:
        """Connect it again."""
        self._run(self._core, "ip", "link", "set", self._link(name, what), "up")

    def _link(self, name: str, what: str) -> str:
        return f"c{'s' if what == 'redis' else 'r'}{self.hosts[name].number}"
