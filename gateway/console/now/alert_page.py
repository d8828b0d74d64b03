"""The page of all open alerts, muted ones too; Now shows the worst of the others."""

from collections.abc import Sequence

from htpy import Node

from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.pages import PageNumber, Pages, page_of
from worker.admin.now import alert_documents


class AlertPage(Pages):
    """The page."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.page("/alerts", self.read, show_alerts, title="Alerts")

    def read(self, page: PageNumber = 1) -> Document:
        """One page of the alerts, the worst first."""
        alerts = alert_documents(self.console.store.alerts.all_open())
        return page_of("alerts", alerts, page) | {"open": len(alerts)}


def show_alerts(document: Document, viewer: Viewer) -> Node:
    """The alerts."""
    caption = f"Open alerts, muted ones too: {document['open']}"
    return (
        alert_table(caption, document["alerts"], viewer),
        ui.pager("/alerts", document),
    )


def alert_table(caption: str, alerts: Sequence[Document], viewer: Viewer) -> Node:
    """Alerts as `worker.admin.now.alert_documents` gives them."""
    rows = [
        {
            "Severity": ui.badge(alert["severity"]),
            "Kind": alert["kind"],
            "Subject": ui.router_link(alert.get("router")) or alert.get("subject", ""),
            "Since": ui.moment(alert.get("since"), viewer),
            "Text": ui.with_code(alert["text"]),
        }
        for alert in alerts
    ]
    return ui.table(caption, rows)
