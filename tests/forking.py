"""Starts our programs as forks of a process that has imported them: each import costs a second.

`Forked` is as `subprocess.Popen` of `python -m MODULE …`: a process of its own that runs the module
from its first line. It differs in `/proc/PID/cmdline`, in its memory, and in how long its start
takes: tests about those start a new Python. `tests/fork_server.py` is the process that forks;
each process of pytest has one, from its first use to its end. A program that starts our programs
has one of its own, which is forked before its first line.
"""

import inspect
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, AnyStr, Final

ROOT: Final = Path(__file__).parent.parent
NAMESPACES: Final = "TESTS_NAMESPACES_OF"
"""Variable with the number of a process whose namespaces a program is to run in."""
NUMBER: Final = struct.Struct("i")
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
        assert _is_ours(named["args"]), named["args"]
        self._status: socket.socket
        with _ASKING:
            self._status = _ask(_forking(), named)
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


def forked_if_ours(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """What stands in for `subprocess.Popen` where this process starts programs of all kinds."""
    start = Forked[Any] if _is_ours(command) else _POPEN
    return start(command, **options)


class Adopted(subprocess.Popen[AnyStr]):
    """In a program that starts ours: those are forks, and children of it as they would be."""

    _close_pipe_fds: Callable[..., None]
    requests: socket.socket

    def _execute_child(self, *given: Any) -> None:
        named = _EXECUTE.bind(self, *given).arguments
        if not _is_ours(named["args"]):
            super()._execute_child(*given)  # type: ignore[misc]
            return
        with _ASKING, _ask(self.requests, named) as status:
            self.pid = _number_from(status)
        self._close_pipe_fds(*(named[name] for name in _PIPES))
        self._child_created = True


def _is_ours(command: Sequence[object]) -> bool:
    return list(command[:2]) == [sys.executable, "-m"] or _alone(command)


def _alone(command: Sequence[object]) -> bool:
    """Whether a program does not look for modules where it is started."""
    return list(command[:3]) == [sys.executable, "-P", "-m"]


def _ask(requests: socket.socket, named: dict[str, Any]) -> socket.socket:
    """Ask for a fork; returns what its process id comes from, and later its status."""
    command, alone = named["args"], _alone(named["args"])
    request = {
        "arguments": list(map(str, command[3 if alone else 2 :])),
        "env": dict(os.environ if named["env"] is None else named["env"]),
        "cwd": str(named["cwd"] or Path.cwd()),
        "alone": alone,
        "session": named["start_new_session"],
    }
    text = json.dumps(request).encode()
    given_files = [int(named[name]) for name in ("p2cread", "c2pwrite", "errwrite")]
    files: list[int] = [own if file == -1 else file for own, file in enumerate(given_files)]
    status, its = socket.socketpair()
    with its:
        socket.send_fds(requests, [NUMBER.pack(len(text))], [*files, its.fileno()])
        requests.sendall(text)
    return status


def runs(pid: int, module: str) -> bool:
    """Whether a process runs a module, as a Python of its own or as a fork."""
    about = Path(f"/proc/{pid}")
    try:
        arguments = about.joinpath("cmdline").read_bytes().split(b"\0")
        comm = about.joinpath("comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return False
    return module.encode() in arguments or comm == comm_of(module)


def comm_of(module: str) -> str:
    """What the system shows as the name of a fork: it keeps 15 letters."""
    return module[-15:]


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
    """Start the process that forks, and wait until it can; it ends when this process does.

    Its imports take some seconds on a busy machine: no deadline of a test is to include them.
    """
    ours, its = socket.socketpair()
    with its:
        command = [sys.executable, "-m", "tests.fork_server"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=its.fileno(), start_new_session=True)
    process.returncode = 0  # nobody waits for it
    _number_from(ours)
    return ours


def _number_from(status: socket.socket) -> int:
    data = status.recv(NUMBER.size)
    if len(data) != NUMBER.size:
        raise RuntimeError("the process that forks has ended")
    return int(NUMBER.unpack(data)[0])
