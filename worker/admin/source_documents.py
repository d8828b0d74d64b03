"""Sources as documents: how each orders its events, what it owns, what became of its events."""

from collections.abc import Mapping
from typing import Any

from worker.admin.json_fields import utc_time, without_empty
from worker.inventory import SourceConfig
from worker.store.sources import SourceView
from worker.store.store import Store


def source_documents(store: Store, known: Mapping[str, SourceConfig]) -> list[dict[str, Any]]:
    """The sources of the inventory, and others that own services."""
    others = sorted(store.sources.owners() - known.keys())
    views = store.sources.views([*known, *others])
    return [
        _document(name, known.get(name), view)
        for name, view in views.items()
        if name in known or view.services
    ]


def _document(name: str, config: SourceConfig | None, view: SourceView) -> dict[str, Any]:
    document = {
        "source": name,
        "order": config and config.order,
        "scopes": sorted(config.scopes) if config else None,
        "unmanaged": sorted(config.unmanaged) if config else None,
        "last_event_at": utc_time(view.last_ms),
        "alarm_since": utc_time(view.alarm_ms),
    }
    numbers = {
        "services": view.services,
        "events": view.events,
        "superseded": view.superseded,
        "superseded_percent": round(100 * view.superseded / view.events) if view.events else 0,
    }
    return without_empty(document) | numbers
