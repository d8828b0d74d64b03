"""`leasewire export`: the services as a file, to keep or to import again."""

import sys
from typing import Annotated, Any, Literal

import typer

from leasewire.answer import counted
from leasewire.context import Context
from producers.files.writing import csv_row, flat_fields, heading, ndjson_row
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Status
from worker.core.service.restoring import ipv6_of

Format = Literal["csv", "ndjson"]
"""Format of a file of services."""


def export_command(
    *,
    format_: Annotated[Format, typer.Option("--format", help="Format of the file.")] = "csv",
    router: Annotated[
        str | None, typer.Option(help="Only those of this router.", show_default=False)
    ] = None,
    status: Annotated[
        Status | None, typer.Option(help="Only those with this status.", show_default=False)
    ] = None,
) -> None:
    """Write the services to standard output, in the format of `leasewire import`.

    Services that are cancelled or were never activated are left out. The file has no revisions: an
    edited file is imported as of its last change. An address that Leasewire assigned is in `ipv4`,
    beside `assigned_pool`: imported elsewhere, the service gets the same one. Cells that a
    spreadsheet would take for formulas begin with an apostrophe, which `import` removes.

    Examples: leasewire export > services.csv; leasewire export --format ndjson --router tower-7
    """
    store = Context().store
    stored = store.views.services() if router is None else store.views.router_services(router)
    write = sys.stdout.write
    if format_ == "csv":
        write(heading())
    left_out = written = 0
    for record in (entry.record for entry in stored):
        exported = record.status in ("active", "suspended") and status in (None, record.status)
        if not exported or router not in (None, record.router):
            continue
        data = snapshot_of(record)
        written += 1
        write(csv_row(flat_fields(data)) if format_ == "csv" else ndjson_row(data))
        left_out += format_ == "csv" and "devices" in data["service"]
    if not written:
        where = "" if router is None else f" of router {router}"
        typer.echo(f"No service{where} is exported; see `leasewire services list`.", err=True)
    if left_out:
        named = f"{counted(left_out, 'service')} left without further devices"
        typer.echo(f"{named}, for which CSV has no columns: use --format ndjson.", err=True)


def snapshot_of(record: ServiceRecord) -> dict[str, Any]:
    """The data of a snapshot with the values of a record."""
    values = {name: record.value(name) for name in record.registers}
    suspension: Any = values.get("suspension")
    device = _some(values, "mac", "serial", "circuit_id", "remote_id")
    block: dict[str, Any] = {
        "status": "active" if suspension is None else "suspended",
        "access": _some(values, "router", "dhcp_server"),
        **({"device": device} if device else {}),
        **_some(_addresses(record), "address", "ipv6"),
        **_some(values, "ppp", "plan", "dns_servers", "options", "label"),
        **({"devices": [*record.devices.values()]} if record.devices else {}),
    }
    if suspension is not None and any(suspension.values()):
        block["suspension"] = _some(suspension, "mode", "reason_code")
    return {"service_id": record.service_id, **_some(values, "customer_id"), "service": block}


def _addresses(record: ServiceRecord) -> dict[str, Any]:
    """Its address and IPv6; an assigned one is named, so that another installation can keep it."""
    address: Any = record.value("address")
    ipv6: Any = ipv6_of(record)
    given = record.assigned_values
    if "address" in given:
        address = {**address, "ipv4": given["address"]}
    if "prefix" in given:
        ipv6 = {**ipv6, "prefix": {**ipv6["prefix"], "ipv6": given["prefix"]}}
    return {"address": address, "ipv6": ipv6}


def _some(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if values.get(name) not in (None, [], {})}
