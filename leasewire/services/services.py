"""`leasewire services`: what is known of a service, and whether its routers have it."""

from typing import Annotated, Any

import typer

from leasewire.context import Context, InventoryOption
from leasewire.printing import (
    JsonOption,
    local_time,
    print_fields,
    print_json,
    print_table,
)
from leasewire.services import follow, purge, restore, verify
from leasewire.services.schedule import COLUMNS as SCHEDULE
from leasewire.services.schedule import row_of as scheduled_row
from leasewire.services.why import diagnosis
from leasewire.services.why import document_of as why_document
from worker.admin.service_documents import ServiceList, service_document
from worker.core.service.record import Status
from worker.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="Services, and whether their routers have them.")


@app.command("list")
def list_(
    *,
    router: Annotated[
        str | None, typer.Option(help="Only those that are, or may still be, on this router.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option(help="Only those with this status.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List services.

    Example: leasewire services list --router tower-7 --status suspended
    """
    store = Context().store
    stored = store.views.services() if router is None else store.views.router_services(router)
    records = sorted((each.record for each in stored), key=lambda record: record.service_id)
    listing = ServiceList(store)
    services = [listing.document(record) for record in records if status in (None, record.status)]
    if as_json:
        print_json({"services": services})
        return
    columns = ("service", "status", "router", "mac", "address", "sync", "reason")
    print_table(
        columns, ([each.get(name) for name in columns] for each in services), "No services."
    )


app.command("events")(follow.events_command)
app.command("purge")(purge.purge_command)
app.command("restore")(restore.restore_command)
app.command("verify")(verify.verify_command)


@app.command()
def show(
    service_id: Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")],
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Also ask its routers for its rows and its device.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Show all that is known of a service.

    Why its customer has no address, or that all is well; what it is (each value with the event
    that set it), how far its routers are with it (in_sync, pending, waiting, failed; where
    nothing is written, observed or observed: differs), who has what it waits for, its last events
    and what happened to it.

    Example: leasewire services show SVC-1001 --live
    """
    context = Context(inventory)
    store = context.store
    record = store.records.read([service_id])[service_id].record
    view = store.views.service(service_id, record.placements)
    if view is None:
        typer.echo(f"No service {service_id} is known; see `leasewire services list`.", err=True)
        raise typer.Exit(1)
    try:
        answer = why_document(diagnosis(context, offline=not live).service(service_id))
    except ConfigurationError as error:
        answer = {}
        typer.echo(f"Why it is so cannot be told without the inventory: {error}", err=True)
    document = service_document(view, store) | {
        "why": {name: answer.get(name, "") for name in ("code", "sentence", "advice")},
        "waits_for": answer.get("waits_for", []),
        "rows": answer.get("rows", []),
    }
    if as_json:
        print_json(document)
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    print_fields((name, document[name]) for name in ("service", "status", "owner"))
    print_fields((("why", document["why"]["sentence"]), ("to do", document["why"]["advice"])))
    typer.echo()
    print_table(
        ("register", "value", "set by event"),
        (
            (name, _plain(register["value"]), register["event"])
            for name, register in document["registers"].items()
            if register["value"] not in (None, [])
        ),
        "No registers.",
    )
    print_table(
        ("router", "", "sync", "since", "reason", "detail"),
        (
            (
                each["router"],
                "" if each["wanted"] else "to clean",
                each["sync"],
                local_time(each.get("since")),
                each.get("reason"),
                each.get("detail"),
            )
            for each in document["routers"]
        ),
        "On no router.",
    )
    if document["scheduled"]:
        print_table(SCHEDULE, (scheduled_row(each) for each in document["scheduled"]), "")
    print_table(
        ("event", "type", "state", "at", "reason", "detail"),
        (
            (
                *(each.get(name) for name in ("event", "type", "state")),
                local_time(each.get("at")),
                *(each.get(name) for name in ("reason", "detail")),
            )
            for each in document["events"]
        ),
        "No events are remembered.",
    )
    print_table(
        ("at", "what happened", ""),
        (
            (
                local_time(line["at"]),
                line["what"],
                "; ".join(
                    f"{name} {_plain(value)}"
                    for name, value in line.items()
                    if name not in ("at", "what") and value
                ),
            )
            for line in document["history"]
        ),
        "No history.",
    )


def _plain(value: object) -> str:
    match value:
        case dict():
            return " ".join(f"{name}={_plain(each)}" for name, each in value.items() if each)
        case list():
            return ", ".join(_plain(each) for each in value)
        case _:
            return str(value)
