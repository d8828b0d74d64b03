"""Any system: `hooks.toml` says where in a body each field of an event stands. Pure."""

from typing import Final

from gateway.hooks.paths import at_path
from gateway.hooks.tables import Generic
from gateway.hooks.verdicts import Document, Ignored, Say, Verdict, known
from producers.fields import fields_of

_TEXTS: Final = ("customer_id", "plan", "serial", "label")
"""Other systems write numbers there."""


def read_hook(body: Document, vendor_id: str, settings: Generic) -> Verdict:
    """The event that a body says; `vendor_id` is its id where the body gives none.

    Raises:
        Incomplete: a value is not in a table of `hooks.toml`.
    """
    at = {name: at_path(body, path) for name, path in settings.fields.items()}
    found: dict[str, object] = dict(settings.constants)
    found |= {k: v for k, v in at.items() if v not in (None, "") and not isinstance(v, dict | list)}
    event = known(settings.events, found.get("event"), "event", "events")
    if event == "ignored":
        return Ignored(f"event {found['event']}")
    tables = {"router": settings.routers} if settings.routers else {}
    for name, table in (tables | settings.values).items():
        if name in found:
            found[name] = known(table, found[name], name, f"values.{name}")
    if event in ("activated", "snapshot"):
        usual = {"router": settings.router, "dhcp_server": settings.dhcp_server}
        found = {name: value for name, value in usual.items() if value} | found
    if "service_id" in found:
        found["service_id"] = f"{settings.service_prefix}{found['service_id']}"
    found |= {name: str(found[name]) for name in _TEXTS if name in found}
    # A body may hold the whole service, whatever it tells of it.
    fields: dict[str, object] = {name: found[name] for name in fields_of(event) if name in found}
    envelope = {"id": str(found.get("id", vendor_id))}
    if "time" in found:
        envelope["time"] = str(found["time"])
    return Say(fields | {"event": event}, envelope)
