"""The parts of the demo: a simulated router, Valkey and worker processes, in one directory."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import simulator
from leasewire.context import Context
from leasewire.host.embedded import EmbeddedServer
from producers.publisher import Publisher
from simulator.control import ControlClient
from worker.settings import PREFIX, environment
from worker.store.store import Store

ROUTER: Final = "tower-7"
SOURCE: Final = "urn:isp:bss:demo"

_STOP_S: Final = 60.0
_INVENTORY: Final = """\
[installation]
id = "demo"

[routers.{router}]
host = "{host}"
port = {port}
password_file = "password"
fingerprint = "{fingerprint}"
expect_identity = "{router}"
dhcp_server = "dhcp-vlan-32"
suspend_list = "suspended"

[sources."{source}"]
order = "revisions"
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running parts.

    Attributes:
        router: control of the simulated router: its rows, counters and power switch.
        publisher: the BSS.
        store: to read outcomes.
        environ: environment of the processes; `leasewire` with it uses the same parts.
    """

    router: ControlClient
    publisher: Publisher
    store: Store
    environ: Mapping[str, str]


@contextmanager
def running(directory: Path) -> Iterator[Stage]:
    """Start all parts, and stop them in order whatever happens.

    Args:
        directory: empty; with a short path, as Unix sockets need.

    Raises:
        RuntimeError: a process did not start.
    """
    with ExitStack() as parts:
        about = parts.enter_context(_simulator(directory))
        inventory = directory / "routers.toml"
        inventory.write_text(
            _INVENTORY.format(
                router=ROUTER,
                source=SOURCE,
                host=about["host"],
                port=about["api_ssl_port"],
                fingerprint=about["fingerprint_sha256"],
            ),
            encoding="utf-8",
        )
        server = EmbeddedServer(directory / "data")
        # Without the settings of the shell: they are for a real installation.
        environ = {
            name: value for name, value in environment().items() if not name.startswith(PREFIX)
        }
        environ |= {
            f"{PREFIX}INVENTORY": str(inventory),
            f"{PREFIX}REDIS_URL": server.url,
            f"{PREFIX}LOG_FORMAT": "json",
            # By default the back-off of a router that stays down grows to 5 minutes.
            f"{PREFIX}BACKOFF_FIRST_S": "0.5",
            f"{PREFIX}BACKOFF_CAP_S": "0.5",
        }
        command = ["leasewire", "up", "--data", str(server.directory)]
        log = directory / "leasewire.log"
        parts.enter_context(_process("`leasewire up`", command, log, environ))
        context = Context(inventory, server.url)
        yield Stage(
            router=parts.enter_context(ControlClient(str(directory / "router.sock"))),
            publisher=parts.enter_context(context.publisher()),
            store=context.store,
            environ=environ,
        )


@contextmanager
def _simulator(directory: Path) -> Iterator[dict[str, Any]]:
    """Run a router in a process; yields where it listens."""
    password = directory / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(16), encoding="utf-8")
    command = [simulator.__name__, "--json", "--seed-guide", "--identity", ROUTER]
    command += ["--password-file", str(password), "--control", str(directory / "router.sock")]
    with _process("the simulated router", command, directory / "simulator.log") as line:
        about: dict[str, Any] = json.loads(line)["routers"][0]
        yield about


@contextmanager
def _process(
    name: str, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """Run a module of ours with its log in a file; yields its first line: then it is ready.

    The end of the block stops it: SIGTERM first, then SIGKILL.

    Raises:
        RuntimeError: it did not start.
    """
    with (
        log.open("wb") as sink,
        subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", *command],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=sink,
            start_new_session=True,
        ) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise RuntimeError(f"{name} did not start")
            yield line
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
