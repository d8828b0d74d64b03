"""Pages of routers from documents alone: texts of routers are never markup, pages stay small."""

from collections import Counter
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

from htpy import fragment
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.console.console import Viewer
from gateway.console.people import Role
from gateway.console.routers import reading_views, router_forms, router_views
from worker.admin.plan_documents import SIGNS

VIEWER = Viewer("anna", Role.ADMIN, ZoneInfo("Europe/Vienna"), "token")
AT = "2026-11-30T01:00:00.000Z"
hostile = st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=x>', "' hx-on:load='x", "&lt;b&gt;", "`"]
) | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40)


def short(text):
    """What `reading_document` gives, with this text wherever a router or a person wrote it."""
    line = {"sign": "+", "service": text, "text": text}
    row = dict.fromkeys(("service", "kind", "menu", "field", "wanted", "found"), text)
    return {
        "router": text,
        "running": True,
        "read_at": AT,
        "error": {},
        "summary": text,
        "signs": dict.fromkeys(SIGNS, 1),
        "lines": [line],
        "lines_in_all": 1,
        "drift": [row | {"mendable": True}],
        "drift_in_all": 1,
        "leases": {"ours": 1},
        "pools": [{"pool": text, "used": 1, "size": 2}],
    }


def part(text, **more):
    paged = {"page": 2, "more": True, "found": 120, "sign": "+"}
    return short(text) | paged | more


def details(text):
    return {
        "router": text,
        "shown": "blocked",
        "state": "paused",
        "circuit": "open",
        "cause": text,
        "host": text,
        "transport": "api-ssl",
        "message": text,
        "since": AT,
        "services": 3,
        "backlog": 2,
        "waiting": 1,
        "work": {"live_due": 1, "live_oldest": AT, "bulk_due": 0, "reasons": {text: 2}},
        "alerts": [{"kind": text, "severity": "critical", "text": text, "runbook": text}],
        "findings": [{"kind": text, "detail": text}],
        "findings_read_at": AT,
        "misfits": [text],
        "latency": [{"at_ms": 0, "answers": 1, "mean_ms": 3.0, "most_ms": 5}],
        "reading": short(text),
    }


def lease(text):
    keys = ("address", "mac", "whose", "service", "server", "kind", "comment")
    return dict.fromkeys(keys, text)


def check(text):
    line = {"level": "fail", "what": text, "detail": text, "advice": text}
    return part(text, checks=[line], workers=[line], error=text)


PAGES = {
    "list": lambda text: router_views.routers(
        {
            "routers": [details(text)],
            "find": text,
            "state": "up",
            "states": {"up": 1},
            "found": 1,
            "total": 2,
            "page": 1,
            "more": True,
        },
        VIEWER,
    ),
    "router": lambda text: router_views.router(details(text), VIEWER),
    "plan": lambda text, **rows: reading_views.plan(part(text, **rows), VIEWER),
    "leases": lambda text, **rows: reading_views.leases(
        part(text, **{"rows": [lease(text)], "whose": "ours", "find": text} | rows), VIEWER
    ),
    "drift": lambda text, **rows: reading_views.drift(part(text, reported_at=AT, **rows), VIEWER),
    "check": lambda text: reading_views.check(check(text), VIEWER),
    "pause": lambda text: router_forms.pause(details(text), VIEWER),
    "resume": lambda text: router_forms.resume(details(text), VIEWER),
    "reconcile": lambda text, **rows: router_forms.reconcile(
        part(text, services=1, left=1, digest="d", obstacle=text, **rows), VIEWER
    ),
    "rebuild": lambda text, **rows: router_forms.rebuild(
        part(
            text, services=1, missing=1, expected=2, of_others=1, digest="d", obstacle=text, **rows
        ),
        VIEWER,
    ),
}


class Tags(HTMLParser):
    """Counts tags and the names of attributes, and keeps the text."""

    def __init__(self):
        super().__init__()
        self.found = Counter()
        self.words = []

    def handle_starttag(self, tag, attributes):
        self.found[tag] += 1
        for name, _ in attributes:
            self.found[f"{tag} {name}"] += 1

    def handle_data(self, data):
        self.words.append(data)


def parsed(page, text):
    tags = Tags()
    tags.feed(str(fragment[PAGES[page](text)]))
    return tags


PLAIN = {page: parsed(page, "harmless").found for page in PAGES}


@settings(max_examples=20)
@given(text=hostile)
def test_no_text_is_markup(text):
    for page, plain in PLAIN.items():
        found = parsed(page, f"x{text}").found
        if "`" not in text:  # parts in backticks are shown as code
            assert found == plain
        assert set(found) <= set(plain) | {"code"}
        assert not {name for name in plain if " on" in name or "style" in name}


def test_pages_of_fifty_long_rows_are_small():
    """As long as a reading keeps texts; `&` takes five characters."""
    field, name = "&" * 160, "S" * 64
    line = {"sign": "~", "service": name, "text": "&" * 300}
    row = dict.fromkeys(("kind", "menu", "field"), "x" * 20) | {"service": name}
    drift = row | {"wanted": field, "found": field, "mendable": True}
    rows = {
        "lines": [line] * 50,
        "drift": [drift] * 50,
        "rows": [lease("x" * 20) | {"comment": field}] * 50,
    }
    for page in ("plan", "leases", "drift", "reconcile", "rebuild"):
        assert len(str(fragment[PAGES[page](name, **rows)])) < 100_000, page
