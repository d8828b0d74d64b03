"""`leasewire worker`: the worker processes, against a Redis that runs elsewhere."""

from typing import Annotated

import typer

from leasewire.context import InventoryOption, environment_for, load_settings
from worker.inventory import load_inventory
from worker.log_setup import configure_logging, hide_secret
from worker.supervisor import Supervisor

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
    load_inventory(settings.inventory, on_secret=hide_secret)
    raise typer.Exit(Supervisor(environment_for(settings), events, routers).run())
