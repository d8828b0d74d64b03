"""Starts our programs as forks of a process that has imported them: each import costs a second.

`Forked` is as `subprocess.Popen` of `python -m MODULE …`: a process of its own that runs the module
from its first line. It differs in `/proc/PID/cmdline`, in its memory, and in how long its start
takes: tests about those start a new Python. `python -m tests.forking` is the process that forks;
each process of pytest has one, from its first use to its end.
"""

import ctypes
import gc
import importlib
import inspect
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, AnyStr, Final

ROOT: Final = Path(__file__).parent.parent
IMPORTED: Final = (
    "billiard.pool",
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.apps.worker",
    "celery.backends.base",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.concurrency.solo",
    "celery.concurrency.thread",
    "celery.events.dispatcher",
    "celery.fixups.django",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.loops",
    "celery.worker.strategy",
    "cryptography.hazmat.backends.openssl.backend",
    "encodings.idna",
    "kombu.asynchronous.semaphore",
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
    "worker.runtime.supervisor",
    "worker.runtime.transport",
    "worker.store.connection",
)
"""What most programs need, and no program by itself: each runs its own module anew."""
NAMESPACES: Final = "TESTS_NAMESPACES_OF"
"""Variable with the number of a process whose namespaces a program is to run in."""
_NUMBER: Final = struct.Struct("i")
_MOST: Final = 4_096
_POPEN: Final[Any] = subprocess.Popen
_EXECUTE: Final = inspect.signature(_POPEN._execute_child)  # noqa: SLF001 - what `Forked` replaces
_ASKING: Final = threading.Lock()
_PIPES: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


class Forked(subprocess.Popen[AnyStr]):
    """As `subprocess.Popen` of `[sys.executable, "-m", MODULE, …]`, with its arguments.

    It replaces how `Popen` starts a process, and how it hears of its end.
    """

    _close_pipe_fds: Callable[..., None]
    _handle_exitstatus: Callable[[int], None]
    _waitpid_lock: AbstractContextManager[object]

    def _execute_child(self, *given: Any) -> None:
        named = _EXECUTE.bind(self, *given).arguments
        assert named["args"][:2] == [sys.executable, "-m"], named["args"]
        request = {
            "arguments": list(map(str, named["args"][2:])),
            "env": dict(os.environ if named["env"] is None else named["env"]),
            "cwd": str(named["cwd"] or Path.cwd()),
            "session": named["start_new_session"],
        }
        text = json.dumps(request).encode()
        given_files = [int(named[name]) for name in ("p2cread", "c2pwrite", "errwrite")]
        files: list[int] = [own if file == -1 else file for own, file in enumerate(given_files)]
        self._status: socket.socket
        self._status, its = socket.socketpair()
        with its, _ASKING:
            requests = _forking()
            socket.send_fds(requests, [_NUMBER.pack(len(text))], [*files, its.fileno()])
            requests.sendall(text)
        self._close_pipe_fds(*(named[name] for name in _PIPES))
        self.pid = _number_from(self._status)
        self._child_created = True

    def _try_wait(self, flags: int) -> tuple[int, int]:
        timeout_s = 0 if flags & os.WNOHANG else None
        if not select.select([self._status], [], [], timeout_s)[0]:
            return 0, 0
        with self._status:
            return self.pid, _number_from(self._status)

    def _internal_poll(self, *_: Any, **_more: Any) -> int | None:
        with self._waitpid_lock:
            if self.returncode is None:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)
        return self.returncode


def run(
    command: Sequence[str], given: AnyStr | None = None, **options: Any
) -> subprocess.CompletedProcess[AnyStr]:
    """As `subprocess.run` with `capture_output`, for at most a minute.

    Args:
        command: what is run.
        given: what it reads; None: it has the standard input of this process.
        options: as of `Popen`.
    """
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if given is not None:
        pipes["stdin"] = subprocess.PIPE
    with Forked[AnyStr](command, **pipes | options) as process:
        try:
            out, err = process.communicate(given, timeout=60)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@cache
def _forking() -> socket.socket:
    """Start the process that forks; it ends when this process does."""
    ours, its = socket.socketpair()
    with its:
        command = [sys.executable, "-m", "tests.forking"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=its.fileno(), start_new_session=True)
    process.returncode = 0  # nobody waits for it
    return ours


def _number_from(status: socket.socket) -> int:
    data = status.recv(_NUMBER.size)
    if len(data) != _NUMBER.size:
        raise RuntimeError("the process that forks has ended")
    return int(_NUMBER.unpack(data)[0])


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
            woken.recv(_MOST)
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
    if request["session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(request["env"])
    if holder := os.environ.pop(NAMESPACES, ""):
        _enter_namespaces(holder)
    os.chdir(request["cwd"])
    time.tzset()
    sys.path[0] = request["cwd"]
    module, *arguments = request["arguments"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _enter_namespaces(holder: str) -> None:
    """Enter the user, network and host name of a process; `os.setns` came with Python 3.12."""
    library = ctypes.CDLL(None, use_errno=True)
    for kind in ("user", "net", "uts"):
        file = os.open(f"/proc/{holder}/ns/{kind}", os.O_RDONLY)
        if library.setns(file, 0):
            raise OSError(ctypes.get_errno(), f"setns {kind}")
        os.close(file)


if __name__ == "__main__":
    for imported in IMPORTED:
        importlib.import_module(imported)
    gc.collect()
    gc.freeze()  # what is shared stays shared
    with socket.socket(fileno=os.dup(0)) as asked:
        found = _serve(asked)
    if found is not None:
        _run(found)
