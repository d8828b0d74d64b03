"""Any BSS: `hooks.toml` maps fields of a body to fields of an event. Pure."""

from typing import Final

from gateway.hooks.paths import at_path
from gateway.hooks.tables import Generic
from gateway.hooks.verdicts import Document, Ignored, Publish, Verdict, look_up
from producers.fields import fields_of

_TEXTS: Final = ("customer_id", "plan", "serial", "label")
"""Some systems write numbers there."""


def read_hook(body: Document, vendor_id: str, settings: Generic) -> Verdict:
    """Make an event of a body; `vendor_id` is its id if the body has none.

    Raises:
        Incomplete: a value is not in a table of `hooks.toml`.
    """
    at = {name: at_path(body, path) for name, path in settings.fields.items()}
    found: dict[str, object] = dict(settings.constants)
    found |= {k: v for k, v in at.items() if v not in (None, "") and not isinstance(v, dict | list)}
    event = look_up(settings.events, found.get("event"), "event", "events")
    if event == "ignored":
        return Ignored(f"event {found['event']}")
    tables = {"router": settings.routers} if settings.routers else {}
    for name, table in (tables | settings.values).items():
        if name in found:
            found[name] = look_up(table, found[name], name, f"values.{name}")
    if event in ("activated", "snapshot"):
        usual = {"router": settings.router, "dhcp_server": settings.dhcp_server}
        found = {name: value for name, value in usual.items() if value} | found
    if "service_id" in found:
        found["service_id"] = f"{settings.service_prefix}{found['service_id']}"
    found |= {name: str(found[name]) for name in _TEXTS if name in found}
    # A body may have the whole service, whatever its event is.
    fields: dict[str, object] = {name: found[name] for name in fields_of(event) if name in found}
    envelope = {"id": str(found.get("id", vendor_id))}
    if "time" in found:
        envelope["time"] = str(found["time"])
    return Publish(fields | {"event": event}, envelope)
