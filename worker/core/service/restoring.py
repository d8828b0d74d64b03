"""The event with which an operator restores a service."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from contracts.envelope import MOST_NOTE
from worker.core.rows.rows import device_field, device_of, is_host_address
from worker.core.service.record import ServiceRecord


def restoring_event(  # noqa: PLR0913 - what an event of a person has
    record: ServiceRecord,
    *,
    source: str,
    actor: str,
    reason: str,
    note: str = "",
    written: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Return a snapshot of the service as it was; without id and time.

    It wins over all earlier events, and loses to the owner's next one.

    `written` is the row that still works on its router: the service becomes active with its MAC and
    address. None: those of the record, suspended if it was suspended; a cancelled one still has
    them.
    """
    suspension = None if written else record.value("suspension")
    device: dict[str, Any] = {
        name: record.value(name) for name in ("mac", "serial", "circuit_id", "remote_id")
    }
    address: Any = record.value("address")
    if written is not None:
        if device_field(written) == "mac-address":
            device["mac"] = device_of(written)
        place = written["address"]
        given = record.assigned.get("address")
        if given is not None and given.value == place and address["mode"] == "assigned":
            pass  # the pool's: it stays so
        elif is_host_address(place):
            address = {"mode": "static", "ipv4": place}
        else:
            address = {"mode": "pool", "pool": place}
    service = {
        "status": "active" if suspension is None else "suspended",
        "suspension": _without_none(suspension),
        "access": _without_none(
            {"router": record.router, "dhcp_server": record.value("dhcp_server")}
        ),
        "device": _without_none(device) or None,
        "ppp": record.value("ppp"),
        "address": address,
        "ipv6": ipv6_of(record),
        "plan": _without_none(record.value("plan")),
        **{
            name: record.value(name) or None
            for name in ("dns_servers", "options", "label", "devices")
        },
    }
    data = {
        "service_id": record.service_id,
        "customer_id": record.value("customer_id"),
        "reason": _without_none({"code": reason, "note": note[:MOST_NOTE] or None}),
        "service": _without_none(service),
    }
    return {
        "type": "leasewire.service.snapshot.v1",
        "source": source,
        "actor": actor,
        "data": _without_none(data),
    }


def _without_none(value: Any) -> Any:  # noqa: ANN401 - any value of JSON
    if not isinstance(value, Mapping):
        return value
    return {name: inner for name, inner in value.items() if inner is not None}


def ipv6_of(record: ServiceRecord) -> dict[str, JsonValue] | None:
    """Return the `ipv6` of a `service` block with the values of a record; None: it has no IPv6."""
    ipv6 = record.value("ipv6")
    if not isinstance(ipv6, dict):
        return None
    fields = {**ipv6, "duid": record.value("duid"), "iaid": record.value("iaid")}
    return {name: value for name, value in fields.items() if value is not None}
