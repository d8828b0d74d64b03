"""`leasewire services restore`: a cancelled service comes back as it was."""

import time
from typing import Annotated, Final, NoReturn

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, clean, print_json
from worker.core.entry.entry import address_field
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import is_host_address, scopes_meet
from worker.core.service.record import ServiceRecord
from worker.core.service.restoring import restoring_event
from worker.inventory import CLI_SOURCE
from worker.store.claims import HeldClaim
from worker.store.store import Store

FAILED: Final = 1
_CHECK_EVERY_S: Final = 0.1


def restore_command(
    service_id: Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")],
    *,
    wait: Annotated[float, typer.Option(help="Seconds to wait for what becomes of it.", min=0)] = 5,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Bring a cancelled service back with the same MAC and address.

    Where another service has one of them by now, says which, and does nothing. It is an operator's
    word: the BSS's next word about the service beats it.

    Example: leasewire services restore SVC-1001
    """
    context = Context(inventory)
    store = context.store
    record = store.records.read([service_id])[service_id].record
    router = record.router
    if record.status == "incomplete" or router is None:
        _fail(f"No service {service_id} that ever was active is known.")
    if record.status != "cancelled":
        _fail(f"Service {service_id} is not cancelled, it is {record.status}.")
    config = context.inventory.routers.get(router)
    if config is None:
        _fail(f"It was served by router {router}, which is not in the inventory.")
    taken = holders(store, record, router, config.policy)
    if taken:
        others = store.records.read([each.holder for each in taken])
        message = "; ".join(
            f"{each.key} is held by service {each.holder} ({others[each.holder].record.status})"
            for each in taken
        )
        _fail(f"Nothing was done: on router {router} {message}.")
    event = restoring_event(record, source=CLI_SOURCE, actor=actor_of(actor), reason="restored")
    with context.publisher() as publisher:
        receipt = publisher.publish([event])[0]
    deadline = time.monotonic() + wait
    while not (said := store.views.outcomes([receipt.event_key])) and time.monotonic() < deadline:
        time.sleep(_CHECK_EVERY_S)
    state = said[0].state if said else "in the journal; no worker has taken it yet"
    if as_json:
        print_json({"service": service_id, "event": receipt.event_id, "state": state})
    else:
        typer.echo(clean(f"{service_id}: event {receipt.event_id} restores it: {state}"))
    if said and said[0].state in ("rejected", "failed", "superseded"):
        raise typer.Exit(FAILED)


def holders(
    store: Store, record: ServiceRecord, router: str, policy: RouterPolicy
) -> list[HeldClaim]:
    """Who wants the MAC or the address of a service on its router now."""
    scope = str(record.value("dhcp_server") or policy.default_server)
    keys = [f"mac:{record.value('mac')}"]
    address = address_field(record.value("address")) or ""
    if is_host_address(address):
        keys.append(f"address:{address}")
    return [
        each
        for each in store.claims.at(router, keys)
        if each.is_held
        and each.holder != record.service_id
        and (each.key.startswith("address:") or scopes_meet(each.scope, scope))
    ]


def _fail(message: str) -> NoReturn:
    typer.echo(clean(message), err=True)
    raise typer.Exit(FAILED)
