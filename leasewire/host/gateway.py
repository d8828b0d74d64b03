"""`leasewire gateway`: events over HTTP."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import structlog
import typer

from contracts.names import BULK_DEPTH, INTAKE_DEPTH
from leasewire.context import Context, check_extra
from leasewire.host.stopping import asked_to_stop, run_until_stopped
from leasewire.sources.hooks import hooks_of
from producers.publisher import Publisher
from worker.errors import ConfigurationError, system_text
from worker.interpreter import answer_while_computing
from worker.store.connection import connect
from worker.store.store import Store, open_store
from worker.version import installed_version

if TYPE_CHECKING:
    from gateway.api.server import GatewayServer
    from gateway.console.app import ConsoleApp

log = structlog.get_logger()

_TIME_LIMIT_S: Final = 5.0
"""How long Redis may take to answer: callers wait for it, and are told to retry."""

ListenOption = Annotated[
    str, typer.Option(help="Address to listen on. Beyond this host only behind a TLS proxy.")
]
ConsoleOption = Annotated[
    bool,
    typer.Option(
        "--console",
        help="Also serve the console for the NOC at /console/; `leasewire people add` adds people.",
    ),
]
PortOption = Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65_535)]


def gateway_command(  # noqa: PLR0913 - as many options
    context: Context,
    *,
    listen: ListenOption = "127.0.0.1",
    port: PortOption = 8080,
    depth: Annotated[
        int,
        typer.Option(
            help="Events in the journal at which intake closes; it reopens at 80 % of that.", min=1
        ),
    ] = INTAKE_DEPTH,
    bulk_depth: Annotated[
        int, typer.Option(help="The same for the bulk lane.", min=1)
    ] = BULK_DEPTH,
    console: ConsoleOption = False,
) -> None:
    """Run the HTTP gateway until SIGTERM or Ctrl-C: it accepts events and answers for their state.

    Callers need a key from `leasewire keys create`. Several gateways may run, on any hosts. At
    SIGHUP it reads the inventory again.

    Examples: leasewire gateway --port 8080; leasewire gateway --console
    """
    context.log_as_set()
    answer_while_computing()
    with (
        asked_to_stop(reloads=True) as stopping,
        running_gateway(context, listen, port, depth, bulk_depth, console=console) as server,
    ):
        typer.echo(
            f"The gateway listens on {server.url}; it is version {installed_version()} and "
            "describes itself at /openapi.json."
        )
        if console:
            typer.echo(f"The console is at {server.url}/console/")
        run_until_stopped(server, stopping, context.reload)
    typer.echo("The gateway has stopped.")


@contextmanager
def running_gateway(  # noqa: PLR0913 - as the command
    context: Context,
    host: str,
    port: int,
    depth_limit: int = INTAKE_DEPTH,
    bulk_limit: int = BULK_DEPTH,
    *,
    console: bool = False,
) -> Iterator["GatewayServer"]:
    """Run a gateway while the block runs.

    Raises:
        ConfigurationError: the extra `gateway` or `console` is not installed, the address cannot be
            listened on, or Redis does not keep its data.
        StoreUnavailable: Redis cannot be reached, or refuses us.
    """
    check_extra("gateway", "the gateway needs FastAPI and uvicorn", "fastapi", "uvicorn")
    # Imported here: an optional extra, and half a second for other commands.
    from gateway.api.app import make_app  # noqa: PLC0415 - see above
    from gateway.api.limits import Depth  # noqa: PLC0415 - see above
    from gateway.api.server import GatewayServer  # noqa: PLC0415 - see above
    from gateway.hooks.reader import processing_hooks  # noqa: PLC0415 - see above

    clock = context.store.heartbeats.clock.now
    settings = context.settings
    with ExitStack() as stack:
        client = stack.enter_context(
            connect(settings.redis_url, **settings.redis_login, socket_timeout_s=_TIME_LIMIT_S)
        )
        store = open_store(client, settings.key_prefix)
        store.check_server()
        store.check_kinds(context.inventory.routers, context.inventory.sources)
        Depth(store.client, settings.key_prefix).check_writes()
        hooks = hooks_of(context)
        publisher = stack.enter_context(context.publisher(clock))
        pages = _console(context, store, publisher) if console else None
        app = make_app(
            store=store,
            inventory=lambda: context.inventory,
            publisher=publisher,
            clock=clock,
            depth_limit=depth_limit,
            bulk_limit=bulk_limit,
            hooks=hooks,
            console=pages and pages.app,
        )
        try:
            server = GatewayServer(app, host, port)
        except OSError as error:
            problem = f"{host} port {port} cannot be listened on: {system_text(error)}"
            advice = "Stop what listens there, or choose another with --listen and --port"
            raise ConfigurationError([f"{problem}. {advice}"]) from error
        # Only now: one that ends before it began was not silent.
        stack.enter_context(context.heartbeat("gateway"))
        hook_publisher = stack.enter_context(context.publisher(clock))
        for thread in pages.threads if pages else ():
            stack.enter_context(thread)
        with server, processing_hooks(hooks, store, hook_publisher, clock):
            yield server


def _console(context: Context, store: Store, publisher: Publisher) -> "ConsoleApp":
    check_extra("console", "the console needs htpy and argon2-cffi", "htpy", "argon2")
    # Imported here, as the gateway is.
    from gateway.api.api_keys import ApiKeys  # noqa: PLC0415 - see above
    from gateway.console.app import make_console  # noqa: PLC0415 - see above
    from gateway.console.console import Console  # noqa: PLC0415 - see above
    from gateway.console.people import People  # noqa: PLC0415 - see above

    prefix = context.settings.key_prefix
    people = People(store.client, prefix)
    if not people.all():
        log.warning("console.without_people", advice="leasewire people add NAME --role admin")
    return make_console(
        Console(
            store=store,
            inventory=lambda: context.inventory,
            publisher=publisher,
            settings=context.settings,
            api_keys=ApiKeys(store.client, prefix),
            people=people,
        )
    )
