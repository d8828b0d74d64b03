"""`leasewire metrics`: metrics for Prometheus."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from leasewire.context import Context, check_extra
from leasewire.host.stopping import asked_to_stop, run_until_stopped
from leasewire.sources.delivering import Targets
from worker.errors import ConfigurationError

if TYPE_CHECKING:
    from leasewire.monitor.exporter import MetricsServer

_HIGHEST_PORT: Final = 65_535


def metrics_command(
    context: Context,
    *,
    bind: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Address to listen on; [::1]:9464 for IPv6. No authentication: beyond this host "
            "only on a trusted network.",
        ),
    ] = "127.0.0.1:9464",
) -> None:
    """Serve metrics for Prometheus at /metrics, until SIGTERM or Ctrl-C.

    Each scrape reads Redis: waiting events, routers by state, services by state, dead letters,
    alerts, the brake, workers, memory. One exporter is enough for an installation, whatever its
    number of workers. While Redis is down, leasewire_redis_up is 0 and there are no other metrics.

    At SIGHUP it reads the inventory and outcomes.toml again.

    Example: leasewire metrics --bind 127.0.0.1:9464
    """
    host, port = _address_of(bind)
    context.log_as_set()
    context.check_login()
    targets = Targets(context, signing=False)
    with asked_to_stop(reloads=True) as stopping, exporting(targets, host, port) as server:
        typer.echo(f"Metrics for Prometheus: {server.url}/metrics")
        run_until_stopped(server, stopping, targets.reload)
    typer.echo("Stopped.")


def exporting(targets: Targets, host: str, port: int) -> "MetricsServer":
    """A server of metrics, for a `with` block; Redis may be down meanwhile, and at the start.

    Port 0 takes a free one.

    Raises:
        ConfigurationError: the address cannot be listened on, the inventory has mistakes, or the
            extra `metrics` is not installed.
    """
    check_extra("metrics", "metrics need prometheus-client", "prometheus_client")
    from leasewire.monitor.exporter import MetricsServer  # noqa: PLC0415 - an extra
    from leasewire.monitor.figures import FiguresReader  # noqa: PLC0415 - goes with it

    reader = FiguresReader(targets)
    try:
        return MetricsServer(reader.read, host, port)
    except (OSError, UnicodeError) as error:  # UnicodeError: the host is no valid name
        message = getattr(error, "strerror", None) or str(error)
        problem = f"--bind {host} port {port} cannot be listened on: {message}"
        raise ConfigurationError([problem]) from error


def _address_of(text: str) -> tuple[str, int]:
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
    return bare, int(port)
