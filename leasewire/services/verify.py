"""`leasewire services verify`: whether a customer is online, as far as its router can tell."""

from contextlib import closing
from typing import Annotated

import typer

from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, local_time, print_json, print_table
from leasewire.services.why import diagnosis
from worker.admin.json_fields import utc_time, without_empty
from worker.core.diagnosis.facts import Facts
from worker.core.diagnosis.verification import Probe, active_address, verify
from worker.routeros.session import open_session


def verify_command(
    service_id: Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")],
    *,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Verify that a customer is online: entry, row, device, ping from the router, DHCP log.

    Each line says ok, warn or fail, and what to do. The router is asked and nothing is written;
    it pings where our user there has the policy test. Exit 0: nothing fails; 1: something does.

    Example: leasewire services verify SVC-1001
    """
    context = Context(inventory)
    if not context.store.records.read([service_id])[service_id].generation:
        typer.echo(f"No service {service_id} is known; see `leasewire services list`.", err=True)
        raise typer.Exit(1)
    facts = diagnosis(context, offline=False).service(service_id).facts
    if facts is None:
        raise typer.Exit(1)
    lines = list(verify(facts, _probe(context, facts), lambda ms: local_time(utc_time(ms))))
    if as_json:
        checks = [without_empty(each._asdict()) for each in lines]
        print_json({"service": service_id, "checks": checks})
    else:
        print_table(("", "what", "seen", "what to do"), lines, "")
    if any(each.level == "fail" for each in lines):
        raise typer.Exit(1)


def _probe(context: Context, facts: Facts) -> Probe | None:
    home = facts.home
    if home is None or home.seen is None or facts.record.status != "active":
        return None
    address = active_address(home)
    if not address or home.wants is None:
        return None
    config = context.inventory.routers[home.name]
    with closing(open_session(config, context.settings)) as session:
        return session.probe(address, home.wants["mac-address"])
