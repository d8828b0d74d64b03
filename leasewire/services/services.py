"""`leasewire services`: what is known of services, and whether their routers have them."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from leasewire.answer import Answer, App, Fields, Part, TextTable, fail
from leasewire.context import Context, ServiceArgument
from leasewire.services import cancelled, follow, verify
from leasewire.services.schedule import COLUMNS as SCHEDULED
from leasewire.services.why import details, diagnosis, history_table
from worker.admin.diagnosis_documents import explained_service
from worker.admin.service_documents import ServiceList
from worker.core.service.record_parts import Status
from worker.core.storage_format import short_type
from worker.errors import ConfigurationError

app = App("Services, and whether their routers have them.")


@app.command("list")
def list_(
    context: Context,
    *,
    router: Annotated[
        str | None, typer.Option(help="Only those that are, or may still be, on this router.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option(help="Only those with this status.", show_default=False)
    ] = None,
) -> Answer:
    """List services.

    Example: leasewire services list --router tower-7 --status suspended
    """
    views, listing = context.store.views, ServiceList(context.store)
    stored = list(views.services() if router is None else views.router_services(router))
    if router is not None and not stored:
        context.router(router)  # one that is in the inventory no more may have services
    records = sorted((entry.record for entry in stored), key=lambda record: record.service_id)
    services = [listing.document(record) for record in records if status in (None, record.status)]
    columns = "service, status, router, mac, address, prefix, sync, reason"
    return Answer({"services": services}, [TextTable(services, columns, "No services.")])


@app.command()
def show(
    context: Context,
    service_id: ServiceArgument,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Also read its rows and its device from its routers.")
    ] = False,
) -> Answer:
    """Show all that is known of a service.

    Why its customer has no address or no IPv6 prefix, or that all is well; its values, each with
    the event that set it; its state on each router (in_sync, pending, waiting, circuit_open,
    failed; where nothing is written observed or observed: differs); what it waits for; its last
    events and its history.

    Example: leasewire services show SVC-1001 --live
    """
    store = context.store
    record = store.records.read([service_id])[service_id].record
    view = store.views.service(service_id, record.placements)
    if view is None:
        fail(f"There is no service {service_id}; see `leasewire services list`.")
    errors, result = [], None
    try:
        result = diagnosis(context, offline=not live).service(service_id)
    except ConfigurationError as error:
        errors = [f"No diagnosis without the inventory: {error}"]
    document = explained_service(view, store, result)
    return Answer(document, _text(document), errors=errors)


def _text(document: dict[str, Any]) -> Iterator[Part]:
    head = {name: document[name] for name in ("service", "status", "owner")}
    head |= {f"assigned {kind}": value for kind, value in document.get("assigned", {}).items()}
    head |= {"why": document["why"]["sentence"], "to do": document["why"]["advice"]}
    if ipv6 := document.get("why_ipv6"):
        head |= {"why IPv6": ipv6["sentence"], "to do for IPv6": ipv6["advice"]}
    for device in document["further_devices"]:
        head |= {f"why {device['device']}": device["why"]["sentence"]}
    yield Fields(head)
    for table in _tables(document):
        if table.rows or table.empty:
            yield ""
            yield table


def _tables(document: dict[str, Any]) -> Iterator[TextTable]:
    registers = [
        {"register": name} | register
        for name, register in document["registers"].items()
        if register["value"] not in (None, [])
    ]
    yield TextTable(registers, "register, value, set by event=event", "No registers.")
    routers = [
        router | {"to_clean": None if router["wanted"] else True} for router in document["routers"]
    ]
    columns = "router, to clean=to_clean, sync, since, reason, detail, lease"
    yield TextTable(routers, columns, "On no router.")
    devices = [
        {"router": router["router"], "device": number, **(row or {"mac-address": "no row"})}
        for router in routers
        for number, row in router.get("devices", {}).items()
    ]
    yield TextTable(devices, "router, further device=device, MAC=mac-address, address")
    yield TextTable(document["scheduled"], SCHEDULED)
    events = [
        event
        | {
            "type": short_type(event["type"]),
            "effect": event["effect"]["state"] if "effect" in event else None,
        }
        for event in document["events"]
    ]
    columns = "event, type, state, effect, at, reason, detail"
    yield TextTable(events, columns, "No recent events.")
    yield history_table([_history_row(entry) for entry in document["history"]], "No history.")


def _history_row(entry: dict[str, Any]) -> dict[str, Any]:
    more = {name: value for name, value in entry.items() if name not in ("at", "what") and value}
    return {"at": entry["at"], "what": entry["what"], "details": details(more)}


app.command("events")(follow.events_command)
app.command("purge")(cancelled.purge_command)
app.command("restore")(cancelled.restore_command)
app.command("verify")(verify.verify_command)
