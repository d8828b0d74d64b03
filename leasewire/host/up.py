"""`leasewire up`: everything on one host: an embedded Valkey and the worker processes."""

import fcntl
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Final, Literal

import structlog
import typer

from leasewire.answer import Exit, counted
from leasewire.context import DATA, Context, InventoryOption, environment_for
from leasewire.host.embedded import EmbeddedServer
from leasewire.host.first_inventory import write_first
from leasewire.host.gateway import ConsoleOption, ListenOption, PortOption, running_gateway
from leasewire.host.stopping import RunningPart, asked_to_stop
from leasewire.host.worker import EventsOption, RoutersOption
from leasewire.sources.delivering import Delivery, Targets
from simulator.cli import DEMO_PASSWORD
from simulator.options import LOOPBACK
from simulator.testing import running as simulation
from worker.errors import ConfigurationError, LeasewireError
from worker.interpreter import answer_while_computing
from worker.inventory import Inventory
from worker.log_setup import configure_logging
from worker.runtime.supervisor import Supervisor
from worker.version import installed_version
from worker.watching.apprise_sender import check_installed

log = structlog.get_logger()

LOCK: Final = "up.lock"
_CHECK_EVERY_S: Final = 0.2
_LAB_PORT: Final = 8728
"""Port of the router in the first inventory."""
_SIZE: Final = re.compile(r"[1-9][0-9]{0,18}([kmg]b?)?", re.IGNORECASE)
"""A size for Valkey. Not 0: without a limit it would use all memory of the host."""


class DataDirectoryError(LeasewireError):
    """The data directory cannot be used; the message says why and what to do."""


def _size(given: str | None) -> str | None:
    if given is not None and not _SIZE.fullmatch(given):
        raise typer.BadParameter("must be a size such as 512mb or 2gb")
    return given


def up_command(  # noqa: PLR0913 - as many options
    *,
    data: Annotated[
        Path, typer.Option(help="Data directory of Valkey; created with mode 0700.")
    ] = DATA,
    fsync: Annotated[
        Literal["everysec", "always"],
        typer.Option(
            help="everysec may lose about a second at a power loss, always nothing (for publishers "
            "that cannot send again)."
        ),
    ] = "everysec",
    maxmemory: Annotated[
        str | None,
        typer.Option(
            help="Memory limit of Valkey, such as 2gb; intake closes at 80 %. Default: half of the "
            "memory of this host or cgroup.",
            show_default=False,
            callback=_size,
        ),
    ] = None,
    events: EventsOption = 1,
    routers: RoutersOption = 1,
    with_gateway: Annotated[
        bool, typer.Option("--gateway", help="Also run the HTTP gateway.")
    ] = False,
    console: ConsoleOption = False,
    lab: Annotated[
        bool,
        typer.Option(
            "--lab",
            help="Try it out: also run the gateway and the simulated router of `leasewire init`; "
            "writes that inventory if there is none.",
        ),
    ] = False,
    listen: ListenOption = "127.0.0.1",
    port: PortOption = 8080,
    inventory: InventoryOption = None,
) -> None:
    """Run everything on this host: an embedded Valkey and the workers. Ctrl-C stops all in order.

    `leasewire reload` has it read the inventory and outcomes.toml again; hooks.toml is read at the
    start only.

    Other commands find its Redis when they run in the same directory; from elsewhere, or with
    another --data, set LEASEWIRE_REDIS_URL to what this prints.

    Examples: leasewire up --lab; leasewire init && leasewire up; leasewire up --gateway --port 8080
    """
    server = EmbeddedServer(data, fsync, maxmemory)
    context = Context(inventory, redis_url=server.url)
    settings = context.settings
    configure_logging(settings)
    answer_while_computing()
    if lab and not settings.inventory.exists():
        write_first(settings.inventory)
    if not settings.inventory.exists():
        problem = "is missing: `leasewire init` writes a first one"
        raise ConfigurationError([f"{settings.inventory}: {problem}"])
    known = context.inventory
    check_installed(known.alerts)
    targets = Targets(context)
    names = ", ".join(target.name for target in targets.now)
    with (
        asked_to_stop() as stopping,
        only_one(data),
        simulated_router(data) if lab else nullcontext(),
        running(server),
        (
            running_gateway(context, listen, port, console=console)
            if with_gateway or console or lab
            else nullcontext()
        ) as http,
        Delivery(targets) as outcomes,
    ):
        environ = environment_for(settings)

        def reloaded(found: Inventory) -> None:
            context.inventory = found
            outcomes.reload()

        supervisor = Supervisor(environ, events, routers, reloaded=reloaded, inventory=known)
        signal.signal(signal.SIGHUP, lambda *_: stopping.set() if supervisor.hung_up() else None)
        routers_known = counted(len(known.routers), "router")
        lines = [
            f"Leasewire {installed_version()} is up: {routers_known} in {settings.inventory}.",
            f"LEASEWIRE_REDIS_URL={server.url}",
            f"The gateway listens on {http.url}" if http else "",
            f"The console is at {http.url}/console/" if http and console else "",
            f"Outcomes go to: {names}" if names else "",
            "Ctrl-C stops it.",
        ]
        typer.echo("\n".join(filter(None, lines)))
        threads: dict[str, RunningPart | None] = {"gateway": http, "outcomes": outcomes}
        parts = {name: part for name, part in threads.items() if part is not None}
        code = supervise(supervisor, server, stopping, parts)
    typer.echo("Leasewire has stopped.")
    raise typer.Exit(code)


def supervise(
    supervisor: Supervisor,
    server: EmbeddedServer,
    stopping: threading.Event,
    parts: Mapping[str, RunningPart],
) -> int:
    """Keep processes and server running until asked to stop; returns the exit code.

    A thread that ended cannot be restarted as a process can: everything stops then, so that the
    supervisor of this process restarts it.
    """
    try:
        while not stopping.is_set():
            if not server.running:
                log.warning("store.restarted", directory=str(server.directory))
                try:
                    server.start()
                except RuntimeError as error:  # such as a full disk; continues when there is room
                    log.error("store.not_started", reason=str(error), advice="retrying")  # noqa: TRY400 - the message has its log
            if not supervisor.check():
                return Exit.BAD_INPUT
            ended = [name for name, part in parts.items() if not part.running]
            if ended:
                log.error("part.ended", part=ended[0], advice="everything stops: start it again")
                typer.echo(f"The {ended[0]} ended unexpectedly; see the log.", err=True)
                return Exit.FAILED
            stopping.wait(_CHECK_EVERY_S)
        return Exit.OK
    finally:
        supervisor.stop()


@contextmanager
def running(server: EmbeddedServer) -> Iterator[None]:
    """Run the embedded server while the block runs; the caller holds the lock of its directory.

    Raises:
        DataDirectoryError: the server does not start.
    """
    try:
        server.end_orphan()
        with server:
            yield
    except (OSError, RuntimeError) as error:
        raise DataDirectoryError(f"{server.directory}: {error}") from error


@contextmanager
def simulated_router(directory: Path) -> Iterator[None]:
    """Run the router of the first inventory while the block runs; it keeps its state.

    Raises:
        ConfigurationError: its port is taken.
    """
    router = simulation(
        state=directory / "router.state",
        identity="tower-7",
        password=DEMO_PASSWORD,
        listen=LOOPBACK,
        api_port=_LAB_PORT,
        seed_guide=True,
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(router)
        except OSError as error:
            problem = f"the simulated router of --lab: {error.strerror}"
            raise ConfigurationError([problem]) from error
        yield


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Lock the data directory: two servers would destroy the append-only file."""
    lock = directory / LOCK
    try:
        if directory.exists() and not lock.exists() and any(directory.iterdir()):
            raise DataDirectoryError(
                f"{directory} is neither empty nor a data directory of Leasewire: choose another "
                "with --data"
            )
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        handle = lock.open("a+")
    except OSError as error:
        raise DataDirectoryError(f"{directory} cannot be used: {error.strerror}") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise DataDirectoryError(
                f"{directory} is in use by another `leasewire up` (process {handle.read()}): stop "
                "that one, or choose another directory with --data"
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        try:
            yield
        finally:
            handle.truncate(0)  # the id may become that of another process
