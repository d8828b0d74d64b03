"""Starts our programs as forks of a process that has imported them: each import costs a second.

`start_python` is as `subprocess.Popen` of `python -m MODULE …`: a process of its own, with its own
session, that runs the module from its first line. It differs in `/proc/PID/cmdline` and in its
memory: tests about those start a new Python. `python -m tests.forking` is the process that forks;
each process of pytest has one, from its first use to its end.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).parent.parent
IMPORTED: Final = (
    "celery.apps.worker",
    "celery.bin.worker",
    "celery.concurrency.solo",
    "celery.concurrency.thread",
    "kombu.transport.redis",
    "leasewire.cli",
    "leasewire.context",
    "leasewire.host.backup",
    "leasewire.host.gateway",
    "leasewire.monitor.status",
    "leasewire.services.services",
    "leasewire.sources.publish",
    "rich.traceback",
    "simulator.cli",
    "worker.runtime.celery_app",
    "worker.runtime.parts",
    "worker.store.connection",
)
"""What most programs need, and no program by itself: each runs its own module anew."""
_NUMBER: Final = struct.Struct("i")
_LONGEST: Final = 1 << 20
"""A request holds the variables of the environment."""


class Forked:
    """A process as `subprocess.Popen` has it, as far as tests need it.

    Attributes:
        pid: of the process.
        returncode: as of `Popen`; None while it runs, or nobody asked.
        stdout: what it writes, if it was started with `PIPE`.
    """

    def __init__(self, status: socket.socket, stdout: IO[bytes] | None) -> None:
        self.stdout = stdout
        self._status = status
        self.returncode: int | None = None
        self.pid = self._number()

    def _number(self) -> int:
        data = self._status.recv(_NUMBER.size)
        if len(data) != _NUMBER.size:
            raise RuntimeError("the process that forks has ended")
        return int(_NUMBER.unpack(data)[0])

    def poll(self) -> int | None:
        """Return how it ended, or None."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ended; TimeoutExpired if it does not within so many seconds."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            self.returncode = os.waitstatus_to_exitcode(self._number())
            self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[bytes] | Forked


@cache
def _forking() -> socket.socket:
    """Start the process that forks; it ends when this process does."""
    ours, its = socket.socketpair()
    with its:
        command = [sys.executable, "-m", "tests.forking"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=its.fileno(), start_new_session=True)
    process.returncode = 0  # nobody waits for it
    return ours


def start_python(  # noqa: PLR0913 - as `Popen` has them
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: int | None = None,
    stdout: int,
    stderr: int,
) -> Forked:
    """Run `python -m` with these arguments, the first of which is the module.

    Args:
        arguments: the module, and what it is given.
        env: its variables.
        cwd: where it runs; None: where this process does.
        stdin, stdout, stderr: file descriptors; stdin None: empty; stdout may be `PIPE`.
    """
    request = {"arguments": list(arguments), "env": dict(env), "cwd": str(cwd or Path.cwd())}
    text = json.dumps(request).encode()
    status, its = socket.socketpair()
    written = None
    with ExitStack() as stack:
        stack.enter_context(its)
        stdin = stack.enter_context(Path(os.devnull).open()).fileno() if stdin is None else stdin
        if stdout == subprocess.PIPE:
            reading, stdout = os.pipe()
            written = open(reading, "rb")  # noqa: PTH123, SIM115 - the caller's
            stack.callback(os.close, stdout)
        requests = _forking()
        socket.send_fds(requests, [_NUMBER.pack(len(text))], [stdin, stdout, stderr, its.fileno()])
        requests.sendall(text)
    return Forked(status, written)


def run_python(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    timeout_s: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, as `subprocess.run` with `capture_output` and `text`."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        files = {"stdout": out.fileno(), "stderr": err.fileno()}
        process = start_python(arguments, env=env, cwd=cwd, **files)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())


# The process that forks.


def _serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each request; returns it in the fork, and None at the end."""
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(_LONGEST)
            _report_ended(running)
        if requests in ready:
            head, files, _, _ = socket.recv_fds(requests, _NUMBER.size, 4)
            if not head:
                return None
            request: dict[str, Any] = json.loads(_received(requests, *_NUMBER.unpack(head)))
            if not (pid := os.fork()):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for number, file in enumerate(files[:3]):
                    os.dup2(file, number)
                return request
            for file in files[:3]:
                os.close(file)
            running[pid] = socket.socket(fileno=files[3])
            running[pid].sendall(_NUMBER.pack(pid))


def _received(requests: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += requests.recv(length - len(data))
    return data


def _report_ended(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as waiting:
            try:
                waiting.sendall(_NUMBER.pack(status))
            except OSError:  # nobody wants to know
                continue


def _run(request: dict[str, Any]) -> None:
    """Be the program of a request."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.setsid()
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    time.tzset()
    sys.path[0] = request["cwd"]
    module, *arguments = request["arguments"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for imported in IMPORTED:
        importlib.import_module(imported)
    gc.collect()
    gc.freeze()  # what is shared stays shared
    with socket.socket(fileno=os.dup(0)) as asked:
        found = _serve(asked)
    if found is not None:
        _run(found)
