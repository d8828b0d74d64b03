"""`leasewire gateway`: events over HTTP."""

from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.names import BULK_DEPTH, INTAKE_DEPTH
from leasewire.context import Context, InventoryOption
from leasewire.host.stopping import asked_to_stop, run_until_stopped
from worker.errors import ConfigurationError
from worker.log_setup import configure_logging

if TYPE_CHECKING:
    from gateway.api.server import GatewayServer

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
    context.report_failed_checks()
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
    """Run a gateway while the block runs; see `leasewire.host.serve.serving`.

    Raises:
        ConfigurationError: what the extra `gateway` installs is missing.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        problem = "the gateway needs FastAPI and uvicorn: install `leasewire[gateway]`"
        raise ConfigurationError([problem])
    from leasewire.host.serve import serving  # noqa: PLC0415 - an extra, and half a second for others

    return serving(context, host, port, depth, bulk_depth)
