"""`leasewire services restore`: restores a cancelled service as it was."""

import time
from typing import Annotated, Final

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.answer import Answer, Exit, fail
from leasewire.context import Context, InventoryOption
from worker.core.entry.entry import address_field
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import is_host_address, scopes_meet
from worker.core.service.record import ServiceRecord
from worker.core.service.restoring import restoring_event
from worker.inventory import CLI_SOURCE
from worker.store.claims import HeldClaim
from worker.store.store import Store

_CHECK_EVERY_S: Final = 0.1


def restore_command(
    service_id: Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")],
    *,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the outcome.", min=0)] = 5,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> Answer:
    """Restore a cancelled service with the same MAC and address.

    If another service has one of them now, names it and does nothing. The next event of the BSS
    about the service overrides it.

    Example: leasewire services restore SVC-1001
    """
    context = Context(inventory)
    store = context.store
    record = store.records.read([service_id])[service_id].record
    router = record.router
    if record.status == "incomplete" or router is None:
        fail(f"No service {service_id} was ever active.")
    if record.status != "cancelled":
        fail(f"Service {service_id} is not cancelled, but {record.status}.")
    config = context.inventory.routers.get(router)
    if config is None:
        fail(f"Its router {router} is not in the inventory.")
    taken = holders(store, record, router, config.policy)
    if taken:
        others = store.records.read([claim.holder for claim in taken])
        message = "; ".join(
            f"{claim.key} is held by service {claim.holder} ({others[claim.holder].record.status})"
            for claim in taken
        )
        fail(f"Nothing was done: on router {router} {message}.")
    event = restoring_event(record, source=CLI_SOURCE, actor=actor_of(actor), reason="restored")
    with context.publisher() as publisher:
        receipt = publisher.publish([event])[0]
    deadline = time.monotonic() + wait
    while not (found := store.views.outcomes([receipt.event_key])) and time.monotonic() < deadline:
        time.sleep(_CHECK_EVERY_S)
    state = found[0].state if found else "in the journal; no worker has folded it yet"
    return Answer(
        {"service": service_id, "event": receipt.event_id, "state": state},
        [f"{service_id}: event {receipt.event_id} restores it: {state}"],
        Exit.FAILED if state in ("rejected", "failed", "superseded") else Exit.OK,
    )


def holders(
    store: Store, record: ServiceRecord, router: str, policy: RouterPolicy
) -> list[HeldClaim]:
    """The claims of other services for the MAC or the address of a service on its router."""
    scope = str(record.value("dhcp_server") or policy.default_server)
    keys = [f"mac:{record.value('mac')}"]
    address = address_field(record.value("address")) or ""
    if is_host_address(address):
        keys.append(f"address:{address}")
    return [
        claim
        for claim in store.claims.at(router, keys)
        if claim.is_held
        and claim.holder != record.service_id
        and (claim.key.startswith("address:") or scopes_meet(claim.scope, scope))
    ]
