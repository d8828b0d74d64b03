"""UISP CRM: a webhook is read back by its uuid, then its service is read at the vendor.

Pure. UISP signs nothing, so only the uuid of what was posted is used.

Source:
    Ubiquiti's public plugins (UCRM-plugins): `uuid`, `changeType`, `entity`, `entityId`,
    `eventName`, `extraData`; reading `webhook-events/{uuid}` back. Service fields and the numbers
    of its status are from field reports: `statuses` in `hooks.toml` overrides them.
"""

import json
import re
from typing import Final

from gateway.hooks.tables import Uisp
from gateway.hooks.verdicts import (
    Document,
    Ignored,
    Incomplete,
    Publish,
    ReadBack,
    Reread,
    RereadAll,
    State,
    Verdict,
    look_up,
)
from producers.fields import POLICY_MODE

_UUID: Final = re.compile(r"[0-9a-fA-F-]{16,64}")
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_ENDS_CLIENT: Final = frozenset({"client.archive", "client.delete"})
_TEST: Final = "test"
_SHOWN: Final = 1000
"""Characters of an invalid webhook that are kept for its dead letter."""
_KBPS: Final = 1000
_NAMED_BY: Final = ("key", "customAttributeId")
"""`attributes` of `hooks.toml` name an attribute by its key or its number."""


def named_in(text: str) -> str:
    """The part of a posted body that is stored: its uuid, as the rest is not signed."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text[:_SHOWN]
    if not isinstance(body, dict):
        return text[:_SHOWN]
    if _name(body) == _TEST:
        return json.dumps({"eventName": _TEST})
    return json.dumps({"uuid": str(body.get("uuid", ""))[:_SHOWN]})


def read_hook(body: Document) -> Verdict:
    """What to do with a posted body.

    Raises:
        Incomplete: it has no uuid.
    """
    uuid = body.get("uuid")
    if _name(body) == _TEST:
        return Ignored("a test")
    if not isinstance(uuid, str) or not _UUID.fullmatch(uuid):
        raise Incomplete("uuid: is missing or invalid; nothing can be read back")
    return ReadBack(uuid.lower())


def _name(body: Document) -> object:
    return body.get("eventName", body.get("changeType"))


def read_confirmed(event: Document, vendor_id: str) -> Verdict:
    """What to do with a webhook event as read from the CRM.

    Raises:
        Incomplete: it does not name the service.
    """
    name, entity = str(event.get("eventName", "")), event.get("entity")
    ref = str(event.get("entityId", ""))
    ends_client = entity == "client" and name in _ENDS_CLIENT
    of_service = entity == "service" and name.startswith("service.") and name != "service.outage"
    if not (ends_client or of_service):
        return Ignored(f"{name or 'no eventName'} of {entity or 'nothing'}")
    if not _NUMBER.fullmatch(ref):
        raise Incomplete("entityId: is missing")
    if ends_client:
        return RereadAll(ref, vendor_id)
    return Reread(ref, vendor_id, gone=event.get("changeType") == "delete")


def read_service(service: Document, settings: Uisp) -> State:
    """The flat fields of a service that was read; the contract checks their values.

    Raises:
        Incomplete: a value is not in a table of `hooks.toml`.
    """
    status = look_up(settings.statuses, service.get("status"), "status", "statuses")
    if status == "ignored":
        return Ignored(f"status {service.get('status')}")
    fields: dict[str, object] = {"service_id": f"{settings.service_prefix}{service.get('id', '')}"}
    if service.get("clientId") is not None:
        fields["customer_id"] = str(service["clientId"])
    if status == "cancelled":
        return Publish(fields | {"event": "cancelled"}, {})
    fields |= _attributes(service, settings) | _plan(service)
    if "router" in fields:
        fields["router"] = look_up(settings.routers, fields["router"], "router", "routers")
    usual = {"router": settings.router, "dhcp_server": settings.dhcp_server}
    if status == "suspended":
        usual["suspension_mode"] = POLICY_MODE
    fields = {name: value for name, value in usual.items() if value} | fields
    return Publish(settings.with_pools(fields), {})


def _attributes(service: Document, settings: Uisp) -> dict[str, object]:
    given = service.get("attributes") or ()
    values = {str(one.get(by)): one.get("value") for by in _NAMED_BY for one in given}
    found = {name: values.get(str(key)) for name, key in settings.attributes.items()}
    return {name: value for name, value in found.items() if value not in (None, "")}


def _plan(service: Document) -> dict[str, object]:
    if service.get("servicePlanId") is None:
        return {}
    found: dict[str, object] = {"plan": str(service["servicePlanId"])}
    for field, speed in (("down_kbps", "downloadSpeed"), ("up_kbps", "uploadSpeed")):
        mbps = service.get(f"{speed}Override") or service.get(speed)
        if isinstance(mbps, int | float) and mbps > 0:
            found[field] = round(mbps * _KBPS)
    return found
