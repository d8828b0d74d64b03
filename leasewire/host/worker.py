"""`leasewire worker`: the worker processes, against a Redis that runs elsewhere."""

import socket
from typing import Annotated

import typer

from leasewire.context import Context, InventoryOption, environment_for, load_settings
from worker.inventory import load_inventory
from worker.log_setup import configure_logging, hide_secret
from worker.runtime.supervisor import Supervisor
from worker.store.connection import check_login
from worker.watching.apprise_sender import check_installed

EventsOption = Annotated[
    int, typer.Option("--events", help="Processes that fold events.", min=1, max=64)
]
RoutersOption = Annotated[
    int,
    typer.Option("--routers", help="Processes that converge routers; one serves many.", min=1),
]


def worker_command(
    *,
    events: EventsOption = 1,
    routers: RoutersOption = 1,
    inventory: InventoryOption = None,
) -> None:
    """Run the worker processes and restart what ends, until SIGTERM or Ctrl-C.

    More of them may run, on this host and on others: a router is in the hands of one at a time.
    The log goes to standard error: columns on a terminal, else one JSON object a line.

    Example: LEASEWIRE_REDIS_URL=redis://redis.example.net:6379/0 leasewire worker
    """
    settings = load_settings(inventory)
    configure_logging(settings)
    # Each process reads it for itself; mistakes are told once, before any of them starts.
    check_installed(load_inventory(settings.inventory, on_secret=hide_secret).alerts)
    check_login(settings.redis_url, **settings.redis_login)
    raise typer.Exit(Supervisor(environment_for(settings), events, routers).run())


def health_command() -> None:
    """Say whether this host's worker processes are alive; for a container's health check.

    Each leaves a sign of life in Redis every second. Exit 0: both kinds did so in the last 15 s;
    1: one did not; 2: Redis refuses us; 3: it cannot be reached.

    Example: leasewire health
    """
    host = socket.gethostname()
    alive = {
        kind
        for kind, _, where in (name.partition("@") for name in Context().store.views.workers())
        if where.rpartition(":")[0] == host
    }
    missing = {"events", "routers"} - alive
    if missing:
        typer.echo(f"No sign of life on {host} from: {', '.join(sorted(missing))}.", err=True)
        raise typer.Exit(1)
    typer.echo("All alive.")
