"""`leasewire services purge`: erasure, as the law gives people a right to it."""

from typing import Annotated

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context
from leasewire.printing import JsonOption, print_json
from worker.store.purge import purge


def purge_command(
    service_id: Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a cancelled service for good: record, history, events, outcomes, dead letters.

    Only a hash of its id is left, for 400 days. It must be cancelled and its rows gone. Logs and
    backups keep what they have until they go themselves, and a late event of the BSS makes the
    service known anew.

    Example: leasewire services purge SVC-1001
    """
    store = Context().store
    if store.views.service(service_id, ()) is None:
        typer.echo(f"No service {service_id} is known; see `leasewire services list`.", err=True)
        raise typer.Exit(1)
    if not yes:
        typer.confirm(f"Forget all about {service_id}? It cannot be undone", abort=True, err=True)
    gone = purge(store, service_id, actor_of(actor))
    if as_json:
        print_json({"service": service_id, "deleted": gone})
        return
    notified = ", ".join(f"{name} {count}" for name, count in gone.items() if count)
    typer.echo(f"{service_id}: forgotten" + (f" ({notified})" if notified else ""))
