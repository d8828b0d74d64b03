"""`leasewire worker` and `health`: the worker processes of this host."""

import socket
from typing import Annotated

import typer

from leasewire.answer import Answer, Exit
from leasewire.context import Context, environment_for
from worker.log_setup import configure_logging
from worker.runtime.supervisor import Supervisor
from worker.watching.apprise_sender import check_installed

EventsOption = Annotated[
    int, typer.Option("--events", help="Processes that fold events.", min=1, max=64)
]
RoutersOption = Annotated[
    int,
    typer.Option("--routers", help="Processes that write to routers; one serves many.", min=1),
]


def worker_command(
    context: Context, *, events: EventsOption = 1, routers: RoutersOption = 1
) -> None:
    """Run the worker processes and restart those that end, until SIGTERM or Ctrl-C.

    Several may run, on any hosts: only one works on a router at a time. The log goes to standard
    error: columns on a terminal, else one JSON object per line. At SIGHUP they read the inventory
    again; `leasewire config check` says before whether it is correct.

    Example: LEASEWIRE_REDIS_URL=redis://redis.example.net:6379/0 leasewire worker
    """
    configure_logging(context.settings)
    # Each process loads it again; report mistakes once, before they start.
    known = context.inventory
    check_installed(known.alerts)
    context.check_login()
    environ = environment_for(context.settings)
    raise typer.Exit(Supervisor(environ, events, routers, inventory=known).run())


def health_command() -> Answer:
    """Check this host's worker processes; for the health check of a container.

    Each process sends a heartbeat to Redis every second. Exit 0: both kinds did so in the last
    15 s; 1: one did not; 2: Redis refuses us; 3: Redis cannot be reached.

    Example: leasewire health
    """
    host = socket.gethostname()
    alive = {
        kind
        for kind, _, where in (name.partition("@") for name in Context().store.heartbeats.workers())
        if where.rpartition(":")[0] == host
    }
    missing = sorted({"events", "routers"} - alive)
    document = {"host": host, "missing": missing}
    if missing:
        message = f"No heartbeat on {host} from: {', '.join(missing)}."
        return Answer(document, [], Exit.FAILED, [message])
    return Answer(document, ["All workers are alive."])
