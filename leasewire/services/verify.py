"""`leasewire services verify`: whether a customer is online, as far as its router can tell."""

from contextlib import closing

import typer

from leasewire.answer import Answer, Exit, TextTable, fail, local_time
from leasewire.context import Context, ServiceArgument
from leasewire.services.why import diagnosis
from worker.admin.json_fields import utc_time, without_empty
from worker.core.diagnosis.facts import Facts
from worker.core.diagnosis.verification import Probe, held_row, verify
from worker.routeros.sessions import open_session


def verify_command(
    context: Context,
    service_id: ServiceArgument,
) -> Answer:
    """Verify that a customer is online: entry, row, device, ping from the router, DHCP log.

    Each line says ok, warn or fail, and what to do. The router is only read; it pings the device if
    our user there has the policy test. Exit 0: nothing fails; 1: something fails.

    Example: leasewire services verify SVC-1001
    """
    if not context.store.records.read([service_id])[service_id].generation:
        fail(f"There is no service {service_id}; see `leasewire services list`.")
    facts = diagnosis(context, offline=False).service(service_id).facts
    if facts is None:
        raise typer.Exit(Exit.FAILED)
    lines = list(verify(facts, _probe(context, facts), lambda ms: local_time(utc_time(ms))))
    checks = [line._asdict() for line in lines]
    columns = ", ".join(lines[0]._fields) if lines else "level"
    failed = any(line.level == "fail" for line in lines)
    return Answer(
        {"service": service_id, "checks": [without_empty(check) for check in checks]},
        [TextTable(checks, columns)],
        Exit.FAILED if failed else Exit.OK,
    )


def _probe(context: Context, facts: Facts) -> Probe | None:
    home = facts.home
    if home is None or home.seen is None or facts.record.status != "active":
        return None
    row = held_row(home)
    if row is None or not row.active_address:
        return None
    config = context.inventory.routers[home.name]
    with closing(open_session(config, context.settings)) as session:
        return session.probe(row.active_address, row.active_mac)
