"""`leasewire gateway`: events over HTTP."""

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from contracts.names import BULK_DEPTH, INTAKE_DEPTH
from leasewire.context import Context, InventoryOption
from worker.errors import ConfigurationError
from worker.log_setup import configure_logging

if TYPE_CHECKING:
    from producers.gateway.server import GatewayServer

_LOOK_EVERY_S = 0.2

ListenOption = Annotated[
    str, typer.Option(help="Address to listen on. Beyond this host only behind a TLS proxy.")
]
PortOption = Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65_535)]


def gateway_command(
    *,
    listen: ListenOption = "127.0.0.1",
    port: PortOption = 8080,
    depth: Annotated[
        int,
        typer.Option(
            help="Events in the journal from which on none is taken in, until 80 % of it.", min=1
        ),
    ] = INTAKE_DEPTH,
    bulk_depth: Annotated[
        int, typer.Option(help="The same for events of the lane bulk.", min=1)
    ] = BULK_DEPTH,
    inventory: InventoryOption = None,
) -> None:
    """Take events in over HTTP and tell what became of them, until SIGTERM or Ctrl-C.

    Callers need a key: `leasewire keys create`. More gateways may run, on this host and others.

    Example: leasewire gateway --port 8080
    """
    context = Context(inventory)
    configure_logging(context.settings)
    with asked_to_stop() as stopping, gateway(context, listen, port, depth, bulk_depth) as server:
        typer.echo(f"The gateway listens on {server.url}; it describes itself at /openapi.json.")
        run_until_stopped(server, stopping)
    typer.echo("The gateway has stopped.")


def gateway(
    context: Context,
    host: str,
    port: int,
    depth: int = INTAKE_DEPTH,
    bulk_depth: int = BULK_DEPTH,
) -> AbstractContextManager["GatewayServer"]:
    """Run a gateway while the block runs; see `leasewire.serve.serving`.

    Raises:
        ConfigurationError: what the extra `gateway` installs is missing.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        problem = "the gateway needs FastAPI and uvicorn: install `leasewire[gateway]`"
        raise ConfigurationError([problem])
    from leasewire.serve import serving  # noqa: PLC0415 - an extra, and half a second for others

    return serving(context, host, port, depth, bulk_depth)


class Running(Protocol):
    """What runs in a thread of its own."""

    @property
    def running(self) -> bool:
        """Whether it still does."""


def run_until_stopped(service: Running, stopping: threading.Event) -> None:
    """Wait until somebody asks to stop.

    Raises:
        typer.Exit: 1: the service ended by itself.
    """
    while service.running and not stopping.wait(_LOOK_EVERY_S):
        pass
    if not stopping.is_set():
        raise typer.Exit(1)


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, instead of ending anything half-way."""
    stopping = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: stopping.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stopping
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
