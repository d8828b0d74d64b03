"""Splynx: a signed webhook says that a service changed, and the service is read at the vendor.

Pure. Its times have one second and no zone, so only the id of the service is used.

Source:
    Splynx's help on hooks, and public receivers of `X-Splynx-Signature`: `type`, `data.model`,
    `data.action`, `data.customer_id`, `data.result`, `data.attributes`. Names of models and of
    statuses are from secondary sources: `models` and `statuses` in `hooks.toml` override them.
"""

import re
from typing import Final

from gateway.hooks.tables import Splynx
from gateway.hooks.verdicts import (
    Document,
    Ignored,
    Incomplete,
    Publish,
    Reread,
    State,
    Verdict,
    look_up,
)
from producers.fields import POLICY_MODE

_STATIC: Final = "1"
_POOL: Final = "2"
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def read_hook(body: Document, vendor_id: str, settings: Splynx) -> Verdict:
    """What to do with a body; `vendor_id` is made of its bytes, as Splynx gives none.

    Raises:
        Incomplete: it does not name the service.
    """
    if body.get("type") != "event":
        return Ignored(f"type {body.get('type')!r}")
    data = _mapping(body.get("data"))
    if str(data.get("model", "")).strip("\\") not in settings.models:
        return Ignored(f"model {data.get('model')!r}")
    if data.get("result", "success") != "success":
        return Ignored(f"result {data.get('result')!r}")
    attributes = _mapping(data.get("attributes"))
    service = str(attributes.get("id", ""))
    customer = str(data.get("customer_id") or attributes.get("customer_id") or "")
    if not _NUMBER.fullmatch(service) or not _NUMBER.fullmatch(customer):
        raise Incomplete("data.attributes.id or data.customer_id: is missing")
    return Reread(f"{customer}/{service}", vendor_id, gone=data.get("action") == "delete")


def read_service(service: Document, settings: Splynx) -> State:
    """The flat fields of a service that was read; the contract checks their values.

    Raises:
        Incomplete: a value is not in a table of `hooks.toml`.
    """
    status = "cancelled"
    if str(service.get("deleted", "0")) != "1":
        status = look_up(settings.statuses, service.get("status"), "status", "statuses")
    if status == "ignored":
        return Ignored(f"status {service.get('status')}")
    fields: dict[str, object] = {"service_id": f"{settings.service_prefix}{service.get('id', '')}"}
    if service.get("customer_id"):
        fields["customer_id"] = str(service["customer_id"])
    if status == "cancelled":
        return Publish(fields | {"event": "cancelled"}, {})
    router = settings.router
    if settings.routers:
        router = look_up(settings.routers, service.get("router_id"), "router", "routers")
    fields |= {"router": router, "dhcp_server": settings.dhcp_server, "mac": service.get("mac")}
    how = str(service.get("taking_ipv4", ""))
    if how == _STATIC:
        fields["ipv4"] = service.get("ipv4")
    elif how == _POOL:
        fields["pool"] = look_up(settings.pools, service.get("ipv4_pool_id"), "pool", "pools")
    if service.get("tariff_id"):
        fields["plan"] = str(service["tariff_id"])
    if status == "suspended":
        fields["suspension_mode"] = POLICY_MODE
    return Publish(settings.with_pools(fields), {})


def _mapping(value: object) -> Document:
    return value if isinstance(value, dict) else {}
