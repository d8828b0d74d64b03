"""`leasewire services restore|purge`: a cancelled service comes back, or is erased."""

from typing import Annotated

import typer

from leasewire.answer import Answer, Exit, fail
from leasewire.context import ActorOption, Context, ServiceArgument
from leasewire.progress import looks
from worker.admin.restore import restored
from worker.errors import NotPossible
from worker.store.purge import purge


def restore_command(
    context: Context,
    service_id: ServiceArgument,
    *,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the outcome.", min=0)] = 5,
    actor: ActorOption = "",
) -> Answer:
    """Restore a cancelled service with the same MAC and address.

    If another service has one of them now, names it and does nothing. The next event of the BSS
    about the service overrides it.

    Example: leasewire services restore SVC-1001
    """
    store = context.store
    try:
        event = restored(store, context.inventory.policies, service_id, actor)
    except NotPossible as error:
        fail(error)
    with context.publisher() as publisher:
        receipt = publisher.publish([event])[0]
    store.audit.record(actor, "service.restored", service_id, f"by event {receipt.event_id}")
    state = "in the journal; no worker has folded it yet"
    for _ in looks(wait):
        if found := store.views.outcomes([receipt.event_key]):
            state = found[0].state
            break
    return Answer(
        {"service": service_id, "event": receipt.event_id, "state": state},
        [f"{service_id}: event {receipt.event_id} restores it: {state}"],
        Exit.FAILED if state in ("rejected", "failed", "superseded") else Exit.OK,
    )


def purge_command(
    service_id: ServiceArgument,
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
