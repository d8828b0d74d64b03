"""Machines on this machine: network namespaces on two bridges, one between them and one to routers.

The process that uses this is in a network namespace of its own, which holds both bridges (see
`need` and `APART`). Its address on each is `.1`; machine N has `.1N`. Everything ends with the
processes that hold the namespaces open.
"""

import ctypes
import runpy
import subprocess
import sys
from contextlib import ExitStack
from typing import Final

from tests.needs import missing

APART: Final = ("unshare", "-Urn")
"""Runs a program in a network namespace of its own, where it may do what follows."""
BETWEEN, TO_ROUTERS = "10.77.1", "10.77.2"
"""Networks: of the machines, and of the routers."""
_BRIDGES: Final = {"between": BETWEEN, "routers": TO_ROUTERS}
_NEW_NETWORK: Final = 0x40000000
_SLOW: Final = ("tbf", "rate", "64kbit", "burst", "3000", "latency", "2s")
"""8 kB a second; what waits for longer than 2 s is lost."""


def need() -> None:
    """Skip the test, or fail it in CI, where such machines cannot be had."""
    tried = subprocess.run(
        [
            *APART,
            "sh",
            "-c",
            f"ip link add probe type bridge && tc qdisc add dev probe root {' '.join(_SLOW)}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode != 0:
        missing(f"machines in namespaces are refused here: {tried.stderr.strip()}")


class Machines:
    """So many machines; each can be cut off from the others, or have a slow link to them.

    Args:
        stack: ends them.
        count: how many.
    """

    def __init__(self, stack: ExitStack, count: int) -> None:
        _run("ip", "link", "set", "lo", "up")
        for bridge, network in _BRIDGES.items():
            _run("ip", "link", "add", bridge, "type", "bridge")
            _run("ip", "addr", "add", f"{network}.1/24", "dev", bridge)
            _run("ip", "link", "set", bridge, "up")
        self._pids = [self._machine(stack, number) for number in range(count)]

    def address(self, machine: int) -> str:
        """Where the others find it."""
        return f"{BETWEEN}.{10 + machine}"

    def inside(self, machine: int) -> list[str]:
        """What runs a program on a machine: put before it."""
        return ["nsenter", "-t", str(self._pids[machine]), "-n"]

    def inside_python(self, machine: int, *module: str) -> list[str]:
        """A command that runs one of our modules on a machine; `tests.forking` can run it too."""
        return [sys.executable, "-m", "tests.failovers.machines", str(self._pids[machine]), *module]

    @staticmethod
    def cut_off(machine: int) -> None:
        """No packet passes between it and the others, and nobody is told; routers it reaches."""
        _run("ip", "link", "set", f"between{machine}", "nomaster")

    @staticmethod
    def join(machine: int) -> None:
        """Undo `cut_off`."""
        _run("ip", "link", "set", f"between{machine}", "master", "between")

    def slow_down(self, machine: int) -> None:
        """Make its link to the others slow, both ways: packets wait, and the last are lost."""
        _run("tc", "qdisc", "add", "dev", f"between{machine}", "root", *_SLOW)
        _run(*self.inside(machine), "tc", "qdisc", "add", "dev", "between", "root", *_SLOW)

    def speed_up(self, machine: int) -> None:
        """Undo `slow_down`."""
        _run("tc", "qdisc", "del", "dev", f"between{machine}", "root")
        _run(*self.inside(machine), "tc", "qdisc", "del", "dev", "between", "root")

    @staticmethod
    def _machine(stack: ExitStack, number: int) -> int:
        holder = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo ready; exec cat"],  # noqa: S607 - `need` found it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        stack.callback(holder.communicate)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        inside = ("nsenter", "-t", str(holder.pid), "-n")
        for bridge, network in _BRIDGES.items():
            end = f"{bridge}{number}"
            _run("ip", "link", "add", end, "type", "veth", "peer", "name", f"{end}-in")
            _run("ip", "link", "set", f"{end}-in", "netns", str(holder.pid), "name", bridge)
            _run("ip", "link", "set", end, "master", bridge, "up")
            _run(*inside, "ip", "addr", "add", f"{network}.{10 + number}/24", "dev", bridge)
            _run(*inside, "ip", "link", "set", bridge, "up")
        _run(*inside, "ip", "link", "set", "lo", "up")
        return holder.pid


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _enter(pid: int) -> None:
    """Go into the network of a process."""
    with open(f"/proc/{pid}/ns/net", "rb") as network:  # noqa: PTH123 - its number is wanted
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(network.fileno(), _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns")


if __name__ == "__main__":
    _enter(int(sys.argv[1]))
    module = sys.argv[2]
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
