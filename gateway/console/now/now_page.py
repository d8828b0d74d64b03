"""The page Now: what is wrong, what waits, what is under way. It is kept up to date while open."""

from collections.abc import Iterable, Mapping
from typing import Final

import htpy as h
from htpy import Node
from markupsafe import Markup

from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.now.alert_page import alert_table
from gateway.console.now.live import LiveStreams, Parts
from gateway.console.now.now_reader import NowReader
from gateway.console.pages import Pages
from gateway.console.pictures import line_picture, series
from worker.admin.health import host_row
from worker.admin.now import read_now
from worker.core.policy.circuit import UNKNOWN
from worker.core.texts import capitalized, counted

LIVE: Final = "/now/live"
_SHOWN_ZONES: Final = 64
_PAGES: Final[Mapping[str, tuple[str, str]]] = {
    "brake": ("/approvals", "Approvals"),
    "dead": ("/failed", "Failed"),
    "routers": ("/routers", "Routers"),
    "work_items": ("/routers", "Routers"),
    "addresses": ("/services", "Services"),
    "waiting": ("/services", "Services"),
}
"""Where a finding is looked into."""

_EVENTS: Final = ("accepted", "applied", "superseded", "scheduled", "rejected", "failed")


class NowPage(Pages):
    """The page, its stream, and the thread that reads for both."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        store, settings = console.store, console.settings
        self.reader = NowReader(
            lambda: read_now(store, console.inventory(), settings.waiting_alert_s)
        )
        streams = LiveStreams(self.sessions, lambda: self.reader.look().number, self.parts)
        self._shown: dict[object, tuple[str, Parts]] = {}
        self.page("/now", self.read, self.show, title="Now")
        self.get(LIVE, response_model=None)(streams.open)

    def read(self) -> Document:
        """How the installation is, as it was read last."""
        return self.reader.document()

    def show(self, document: Document, viewer: Viewer) -> Node:
        """The page. A script replaces its parts; without one it stays as it was when opened."""
        return h.div(data_live=ui.ROOT + LIVE)[
            h.p(".dim", role="status", data_live_state=True)[
                "Reload the page to see what changed."
            ],
            [
                h.div(data_live_part=name, aria_live="polite" if name in _SAID else None)[
                    Markup(html)  # noqa: S704 - htpy made it
                ]
                for name, html in self._made(document, viewer).items()
            ],
        ]

    def parts(self, viewer: Viewer) -> Parts:
        """The parts of the page, as the last reading was."""
        reading = self.reader.look()
        if reading.error is not None:
            problem = ui.note("error", "Redis cannot be read: what is shown here is old.")
            return {"problem": str(problem)}
        return self._made(reading.document, viewer) if reading.document else {}

    def _made(self, document: Document, viewer: Viewer) -> Parts:
        """The parts as HTML; made once for all who see the same."""
        at, parts = self._shown.get(viewer.zone, ("", {}))
        if at != document["at"]:
            made = now_parts(document, viewer)
            parts = {name: str(h.fragment[part]) for name, part in made.items()}
            if len(self._shown) >= _SHOWN_ZONES:
                self._shown.clear()
            self._shown[viewer.zone] = document["at"], parts
        return parts


_SAID: Final = ("problem", "findings")
"""Parts that a screen reader reads out when they change."""


def now_parts(document: Document, viewer: Viewer) -> dict[str, Node]:
    """The parts of the page by name, in their order."""
    return {
        "problem": None,
        "time": h.p(".dim")["As of ", ui.moment(document["at"], viewer), "."],
        "findings": _findings(document),
        "overview": h.div(".grid")[
            h.section[_waiting(document, viewer)],
            h.section[_states(document["routers"]), _held(document["held"], viewer)],
        ],
        "pictures": _pictures(document["minutes"], viewer),
        "alerts": _alerts(document["alerts"], viewer),
        "routers": h.div(".grid")[
            _some_routers("Routers that are not up", document["not_up"], viewer, "since"),
            _some_routers("Routers that are late", document["late"], viewer, "oldest_due"),
        ],
        "rest": _rest(document),
    }


def _findings(document: Document) -> Node:
    findings = document["findings"]
    if not findings:
        return (h.h2["Findings"], h.p[ui.badge("ok", "All is well.")])
    return (
        h.h2["Findings"],
        h.ul(".findings")[
            [
                h.li[
                    ui.badge(finding["level"]),
                    [f" {finding['what']}: ", ui.with_code(finding["detail"]), ". "],
                    h.span(".dim")[ui.with_code(capitalized(finding["advice"])), ". "],
                    ui.link(*_PAGES[finding["what"]]) if finding["what"] in _PAGES else None,
                ]
                for finding in findings
            ]
        ],
    )


def _alerts(alerts: Document, viewer: Viewer) -> Node:
    first, number = alerts["first"], alerts["open"]
    caption = f"Open alerts: {_of(len(first), number)}"
    caption += f"; {alerts['muted']} more are muted" if alerts["muted"] else ""
    every = h.p[ui.link("/alerts", "All open alerts")] if number or alerts["muted"] else None
    return (h.h2["Alerts"], alert_table(caption, first, viewer), every)


def _held(held: Document, viewer: Viewer) -> Node:
    if not held["services"]:
        return (h.h2["Held for approval"], h.p(".empty")["Nothing is held."])
    rows = [
        {
            "Limit of": ui.link("/approval", entry["scope"], id=entry["id"]),
            "Services": entry["services"],
            "Since": ui.moment(entry["since"], viewer),
        }
        for entry in held["first"]
    ]
    return (
        h.h2["Held for approval"],
        ui.table(
            f"{counted(held['services'], 'service')} of {counted(held['approvals'], 'approval')}",
            rows,
        ),
        h.p[ui.link("/approvals", "All approvals")],
    )


def _waiting(document: Document, viewer: Viewer) -> Node:
    def row(what: str, number: int, oldest: str | None, where: Node = None) -> dict[str, Node]:
        since = ui.moment(oldest, viewer)
        return {"What": what, "How many": number, "Oldest since": since, "Where": where}

    work = document["work_items"]
    where = ui.router_link(work.get("oldest_router"))
    rows = [
        *(
            row(f"Events, {lane} lane", journal["depth"], journal.get("oldest_due"))
            for lane, journal in document["journal"].items()
        ),
        row("Services to check on routers", work["services"], work.get("oldest_due"), where),
        *(
            row(f"Services that wait: {reason}", group["count"], group.get("oldest"))
            for reason, group in document["waiting"].items()
        ),
        *(
            row(
                *(f"Dead letters: {reason}", group["count"], group.get("oldest")),
                ui.link("/failed", "Failed"),
            )
            for reason, group in document["dead_letters"].items()
        ),
    ]
    return (h.h2["Backlog"], ui.table("What waits", rows))


def _states(routers: Mapping[str, int]) -> Node:
    rows: list[dict[str, Node]] = [
        {
            "State": ui.badge(state),
            "Routers": ui.link("/routers", str(number), state=state)
            if state != UNKNOWN.state
            else f"{number}, not in the inventory",
        }
        for state, number in routers.items()
    ]
    return (h.h2["Routers"], ui.table("Routers by state", rows))


def _some_routers(caption: str, routers: list[Document], viewer: Viewer, time_name: str) -> Node:
    since = "Since" if time_name == "since" else "Oldest work due since"
    rows = [
        {
            "Router": ui.router_link(router["router"]),
            "State": ui.badge(router["state"]),
            "Backlog": router.get("backlog", 0),
            since: ui.moment(router.get(time_name), viewer),
        }
        for router in routers
    ]
    return ui.table(caption, rows)


def _pictures(minutes: list[Document], viewer: Viewer) -> Node:
    backlog = series("events and services", minutes, "backlog")
    accepted = series("accepted", minutes, "accepted_per_minute")
    applied = series("applied", minutes, "applied_per_minute")
    return (
        h.h2["The last hours"],
        h.div(".grid")[
            line_picture("Backlog", [backlog], viewer.zone),
            line_picture("Events per minute", [accepted, applied], viewer.zone),
        ],
    )


def _rest(document: Document) -> Node:
    redis, counters = document["redis"], document["counters"]
    acting = [
        {
            "Kind of change": entry["kind"],
            "Rung": entry["rung"],
            "Changes": entry["changes"],
            "p50": f"{entry['p50_s']} s",
            "p95": f"{entry['p95_s']} s",
        }
        for entry in document["acting"]
    ]
    events = [(name.capitalize(), str(counters.get(name, 0))) for name in _EVENTS]
    return h.div(".grid")[
        h.section[
            h.h2["Redis and workers"],
            ui.fields(
                ("Redis", redis["server"]),
                ("Memory", _memory(redis)),
                ("Workers", ", ".join(document["workers"]) or "none"),
                ("Queues", ", ".join(f"{k} {v}" for k, v in document["queues"].items())),
            ),
        ],
        h.section[h.h2["Hosts"], _hosts(document["hosts"])],
        h.section[h.h2["Events since Redis began"], ui.fields(*events)],
        h.section[h.h2["Effects"], ui.table("From applied to acting, last day", acting)],
    ]


def _hosts(hosts: Iterable[Document]) -> Node:
    names = ("host", "version", "running", "silent", "clock")
    rows = [{capitalized(name): row[name] for name in names} for row in map(host_row, hosts)]
    return ui.table("Processes by host; the clock beside Redis's", rows)


def _memory(redis: Document) -> str:
    used = f"{redis['used_bytes'] / 1_000_000:.1f} MB"
    limit = redis.get("maxmemory_bytes")
    return f"{used} of {limit / 1_000_000:.1f} MB" if limit else f"{used}, without a limit"


def _of(shown: int, number: int) -> str:
    return str(number) if shown == number else f"the first {shown} of {number}"
