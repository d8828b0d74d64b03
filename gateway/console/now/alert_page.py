"""The page of all open alerts, muted ones too; Now shows the worst of the others."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from htpy import Node

from gateway.api.responses import Document
from gateway.console.console import Console, Viewer
from gateway.console.layout import badge, link, moment, pager, table, with_code
from gateway.console.pages import PAGE_SIZE, PageNumber, Pages
from worker.admin.now import alert_documents

_COLUMNS = ("Severity", "Kind", "Subject", "Since", "Text")


def add_alert_page(pages: Pages, console: Console) -> None:
    """Add the page."""

    def read(request: Request, page: PageNumber = 1) -> Document:  # noqa: ARG001 - as every page
        alerts, start = console.store.alerts.all_open(), (page - 1) * PAGE_SIZE
        return {
            "open": len(alerts),
            "alerts": alert_documents(alerts)[start : start + PAGE_SIZE],
            "page": page,
            "more": len(alerts) > start + PAGE_SIZE,
        }

    pages.page("/alerts", read, _alerts, title="Alerts")


def _alerts(document: Mapping[str, Any], viewer: Viewer) -> Node:
    caption = f"Open alerts, muted ones too: {document['open']}"
    return (
        alert_table(caption, document["alerts"], viewer),
        pager("/alerts", document["page"], more=document["more"]),
    )


def alert_table(caption: str, alerts: Sequence[Mapping[str, Any]], viewer: Viewer) -> Node:
    """Alerts as `worker.admin.now.alert_documents` gives them."""
    rows = [
        (
            badge(alert["severity"]),
            alert["kind"],
            link("/router", alert["router"], id=alert["router"])
            if "router" in alert
            else alert.get("subject", ""),
            moment(alert.get("since"), viewer),
            with_code(alert["text"]),
        )
        for alert in alerts
    ]
    return table(caption, _COLUMNS, rows)
