"""`leasewire services restore`: restores a cancelled service as it was."""

import time
from typing import Annotated, Final

import typer

from leasewire.answer import Answer, Exit, fail
from leasewire.context import ActorOption, Context
from worker.admin.restore import restored
from worker.errors import NotPossible

_CHECK_EVERY_S: Final = 0.1


def restore_command(
    context: Context,
    service_id: Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")],
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
        event = restored(store, context.policies(), service_id, actor)
    except NotPossible as error:
        fail(error)
    with context.publisher() as publisher:
        receipt = publisher.publish([event])[0]
    store.audit.record(actor, "service.restored", service_id, f"by event {receipt.event_id}")
    deadline = time.monotonic() + wait
    while not (found := store.views.outcomes([receipt.event_key])) and time.monotonic() < deadline:
        time.sleep(_CHECK_EVERY_S)
    state = found[0].state if found else "in the journal; no worker has folded it yet"
    return Answer(
        {"service": service_id, "event": receipt.event_id, "state": state},
        [f"{service_id}: event {receipt.event_id} restores it: {state}"],
        Exit.FAILED if state in ("rejected", "failed", "superseded") else Exit.OK,
    )
