"""`leasewire services purge`: erasure of a customer's data, as the law demands."""

from typing import Annotated

import typer

from leasewire.answer import Answer, fail
from leasewire.context import ActorOption, Context
from worker.store.purge import purge


def purge_command(
    service_id: Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    actor: ActorOption = "",
) -> Answer:
    """Erase a cancelled service: record, history, events, outcomes, dead letters.

    Only a hash of its id stays, for 400 days. The service must be cancelled and its rows removed.
    Logs and backups keep what they have until they expire, and a late event of the BSS creates the
    service again.

    Example: leasewire services purge SVC-1001
    """
    store = Context().store
    if store.views.service(service_id, ()) is None:
        fail(f"There is no service {service_id}; see `leasewire services list`.")
    if not yes:
        typer.confirm(
            f"Erase all data of {service_id}? This cannot be undone", abort=True, err=True
        )
    gone = purge(store, service_id, actor)
    erased = ", ".join(f"{name} {count}" for name, count in gone.items() if count)
    text = f"{service_id}: erased" + (f" ({erased})" if erased else "")
    return Answer({"service": service_id, "deleted": gone}, [text])
