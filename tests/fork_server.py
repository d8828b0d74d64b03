"""The process that forks our programs for tests: `python -m tests.fork_server`."""

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.forking import NAMESPACES, NUMBER, Adopted, comm_of

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
SUPERVISORS: Final = (
    ("leasewire", "demo"),
    ("leasewire", "up"),
    ("leasewire", "worker"),
    ("tests.worker.supervised",),
)
"""How the programs begin that start our programs."""
_SET_CHILD_SUBREAPER: Final = 36
_MOST: Final = 4_096


def _serve(requests: socket.socket, *, adopted: bool = False) -> dict[str, Any] | None:
    """Fork for each request; returns it in the fork, and None at the end.

    Args:
        requests: where they come from.
        adopted: forks become children of our parent, which waits for them itself.
    """
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
            head, files, _, _ = socket.recv_fds(requests, NUMBER.size, 4)
            if not head:
                return None
            request: dict[str, Any] = json.loads(_received(requests, *NUMBER.unpack(head)))
            if not (pid := _fork_for_parent() if adopted else os.fork()):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for number, file in enumerate(files[:3]):
                    os.dup2(file, number)
                return request
            for file in files[:3]:
                os.close(file)
            running[pid] = socket.socket(fileno=files[3])
            running[pid].sendall(NUMBER.pack(pid))
            if adopted:
                running.pop(pid).close()


def _fork_for_parent() -> int:
    """As `os.fork`, but the fork is a child of our parent, who takes orphans in."""
    number_comes, number = os.pipe()
    orphaned, waited = os.pipe()
    between = os.fork()
    if not between and (pid := os.fork()):
        os.write(number, NUMBER.pack(pid))
        os._exit(0)
    if not between:
        os.close(waited)
        os.read(orphaned, 1)  # it comes to its end when ours has, and we have another parent
    else:
        os.waitpid(between, 0)
        pid = int(NUMBER.unpack(os.read(number_comes, NUMBER.size))[0])
        os.close(waited)
    for file in (number_comes, number, orphaned):
        os.close(file)
    return pid


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
                waiting.sendall(NUMBER.pack(status))
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
    command = tuple(request["arguments"])
    if any(command[: len(begin)] == begin for begin in SUPERVISORS):
        found = _start_our_own()
        if found is not None:
            _run(found)
            return
    if request["alone"]:
        del sys.path[0]
    else:
        sys.path[0] = request["cwd"]
    module, *arguments = request["arguments"]
    sys.argv = [module, *arguments]
    Path("/proc/self/comm").write_text(comm_of(module), encoding="utf-8")
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _start_our_own() -> dict[str, Any] | None:
    """Start the process that forks our children; returns a request in each of them."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    ours, its = socket.socketpair()
    if os.fork():
        its.close()
        Adopted.requests = ours
        subprocess.Popen = Adopted  # type: ignore[misc]  # what a program takes by this name
        return None
    ours.close()
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    with its:
        found = _serve(its, adopted=True)
    if found is None:
        os._exit(0)
    return found


def _enter_namespaces(holder: str) -> None:
    """Enter the user, network and host name of a process; `os.setns` came with Python 3.12."""
    library = ctypes.CDLL(None, use_errno=True)
    for kind in ("user", "net", "uts"):
        its, ours = Path(f"/proc/{holder}/ns/{kind}"), Path(f"/proc/self/ns/{kind}")
        if its.samefile(ours):
            continue  # one that is shared cannot be entered again
        file = os.open(its, os.O_RDONLY)
        if library.setns(file, 0):
            raise OSError(ctypes.get_errno(), f"setns {kind}")
        os.close(file)


if __name__ == "__main__":
    for imported in IMPORTED:
        importlib.import_module(imported)
    gc.collect()
    gc.freeze()  # what is shared stays shared
    with socket.socket(fileno=os.dup(0)) as asked:
        asked.sendall(NUMBER.pack(os.getpid()))  # it is ready
        found = _serve(asked)
    if found is not None:
        _run(found)
