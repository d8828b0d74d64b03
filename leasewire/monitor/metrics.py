"""`leasewire metrics`: figures for Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from leasewire.context import Context, InventoryOption
from leasewire.host.stopping import asked_to_stop, run_until_stopped
from leasewire.sources.outcomes import targets_of
from worker.errors import ConfigurationError
from worker.log_setup import configure_logging

if TYPE_CHECKING:
    from leasewire.monitor.exporter import MetricsServer

_HIGHEST_PORT: Final = 65_535


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


def metrics_command(
    *,
    bind: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Address to listen on; [::1]:9464 for IPv6. It asks nobody who they are: beyond "
            "this host only on a network that is the operators'.",
        ),
    ] = "127.0.0.1:9464",
    inventory: InventoryOption = None,
) -> None:
    """Give figures for Prometheus at /metrics, until SIGTERM or Ctrl-C.

    Redis is read at each scrape: events that wait, routers by state, services by where they stand,
    dead letters, alerts, the brake, workers, memory. One is enough for an installation, however
    many workers it has. While Redis is away, leasewire_redis_up is 0 and nothing else is told.

    Routers, sources and targets of outcomes are those of the inventory when this started.

    Example: leasewire metrics --bind 127.0.0.1:9464
    """
    address = address_of(bind)
    context = Context(inventory)
    configure_logging(context.settings)
    context.report_failed_checks()
    context.check_login()
    with asked_to_stop() as stopping, exporting(context, address) as server:
        typer.echo(f"Figures for Prometheus are at {server.url}/metrics.")
        run_until_stopped(server, stopping)
    typer.echo("The figures have stopped.")


@contextmanager
def exporting(context: Context, address: Address) -> Iterator["MetricsServer"]:
    """Serve the figures while the block runs; Redis may be away meanwhile, and at the start.

    Raises:
        ConfigurationError: the address cannot be listened on, the inventory or `outcomes.toml` has
            mistakes, or what the extra `metrics` installs is missing.
    """
    if find_spec("prometheus_client") is None:
        problem = "the figures need prometheus-client: install `leasewire[metrics]`"
        raise ConfigurationError([problem])
    from leasewire.monitor.exporter import MetricsServer  # noqa: PLC0415 - an extra
    from leasewire.monitor.figures import FiguresReader  # noqa: PLC0415 - goes with it

    reader = FiguresReader(context, targets_of(context, signing=False))
    try:
        server = MetricsServer(reader, address.host, address.port)
    except (OSError, UnicodeError) as error:  # a host that is no name at all makes the latter
        message = getattr(error, "strerror", None) or str(error)
        problem = f"--bind {address.host} port {address.port} cannot be listened on: {message}"
        raise ConfigurationError([problem]) from error
    with server:
        yield server


def address_of(text: str) -> Address:
    """`HOST:PORT`, or `[HOST]:PORT` where the host is an IPv6 address.

    Raises:
        ConfigurationError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    in_brackets = host == f"[{bare}]"
    whole = port.isascii() and port.isdecimal() and int(port) <= _HIGHEST_PORT
    if not (colon and bare and whole) or (":" in bare) != in_brackets:
        problem = "write HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464"
        raise ConfigurationError([f"--bind {text}: {problem}"])
    return Address(bare, int(port))
