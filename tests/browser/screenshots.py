"""Draws the pages of the console on a stage of 50,000 services: docs/screenshots/.

Run: `make screenshots`, or `.venv/bin/python -m tests.browser.screenshots [--services N] [NAME …]`.
It needs chromium and chromedriver.
"""

import argparse
import base64
import json
import logging
import random
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import structlog

from benchmarks.populate import paper_routers
from gateway.api.api_keys import ApiKeys, KeyScope
from tests import builders
from tests.browser.chromium import NARROW, WIDE, Chromium
from tests.browser.pages import PAGES
from tests.browser.stage import Stage, running_stage
from tests.waiting import eventually
from worker.store.samples import SLOT_MS, Minute
from worker.store.store import Store

FOLDER = Path(__file__).parents[2] / "docs/screenshots"
ROUTERS = 1_000
HOURS = 6
TALLEST = 2_200
"""Pixels of a picture; what is below is not shown."""
LOOKS = {"": (WIDE, "light"), "-narrow": (NARROW, "light"), "-dark": (WIDE, "dark")}
DARK = {"now", "service", "router", "approvals"}
"""Pages that are drawn dark, too: all the colours are on them."""


DID = (
    ("anna (console)", "key.created", "3f9c02ab77d1", "billing: publish, urn:isp:bss:test"),
    ("omar (console)", "router.paused", "R2", "firmware upgrade"),
    ("omar (console)", "router.resumed", "R2", ""),
    ("key 3f9c02ab77d1 (billing)", "dead_letter.retried", "SVC-1-14@R1", "operation-refused"),
    ("root", "source.imported", "urn:isp:bss:test", "412 rows of services.csv"),
    ("omar (console)", "brake.approved", "router:R3", "10 services: tower 3 is gone"),
)
"""What people did, for the page of the audit trail."""


def add_past(store: Store) -> None:
    """Add six hours of samples, in which a router was away for 50 minutes, and some writes."""
    rng = random.Random(5)
    for by, what, subject, detail in DID:
        store.audit.record(by, what, subject, detail)
    now_ms, accepted, backlog = store.records.now_ms(), 0, 0
    for ago in range(HOURS * 60, 0, -1):
        new = rng.randrange(60, 100)
        accepted += new
        backlog = max(0, backlog + (new // 2 if 100 < ago < 150 else -400))
        applied = accepted - backlog
        minute = Minute(now_ms - ago * 60_000, backlog, rng.randrange(5), accepted, applied)
        store.client.lpush(store.keys.minutes, json.dumps(minute))
    store.client.hset(store.keys.counters, mapping={"accepted": accepted, "applied": accepted})
    answers = {
        now_ms // SLOT_MS - slot: f"100 {rng.randrange(900, 1_400)} {rng.randrange(30, 160)}"
        for slot in range(HOURS * 12)
    }
    store.client.hset(store.keys.router("R1").answers, mapping=answers)
    keys = ApiKeys(store.client, store.keys.prefix)
    created_at = datetime.now(UTC).isoformat()
    for name in ("billing", "provisioning portal"):
        scopes = [KeyScope.PUBLISH, KeyScope.READ]
        keys.create(name, [builders.SOURCE], scopes, created_at=created_at, actor="anna")
    store.fleet.pause("site-0007", "mast is repainted", "omar (console)")
    store.audit.record("omar (console)", "service.suspended", "ACC-000311", "unpaid since May")


def draw(browser: Chromium, name: str, folder: Path, *, as_png: bool) -> None:
    """Write the pictures of the page that is open."""
    for suffix, (width, scheme) in LOOKS.items():
        if scheme == "dark" and name not in DARK:
            continue
        browser.look(width, scheme)
        height = min(TALLEST, browser.height)
        browser.look(width, scheme, height)
        kind = {"format": "png"} if as_png else {"format": "webp", "quality": 75}
        found = browser.cdp("Page.captureScreenshot", **kind)
        file = folder / f"{name}{suffix}.{kind['format']}"
        file.write_bytes(base64.b64decode(found["data"]))
        print(file, file.stat().st_size)  # noqa: T201 - what it made


def all_pages(here: Stage, browser: Chromium, chosen: list[str], folder: Path, as_png: bool):
    """Open each page, wait for what it shows, and draw it."""
    browser.base = here.url
    browser.reset()
    browser.open("/login")
    for page in PAGES:
        if chosen and page.name not in chosen:
            continue
        browser.log_in(here.session("anna"))
        browser.look()
        browser.open(page.path)
        eventually(lambda page=page: page.is_shown(browser), f"{page.path} is shown", within_s=30)
        draw(browser, page.name, folder, as_png=as_png)


def main() -> None:
    """Make the stage, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--png", action="store_true", help="larger files that any viewer shows")
    parser.add_argument("names", nargs="*", help="pages; else all")
    options = parser.parse_args()
    level = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=level)
    options.folder.mkdir(parents=True, exist_ok=True)
    profile = Path(tempfile.mkdtemp(prefix="lw-"))
    browser = Chromium(profile)
    try:
        with running_stage(paper_routers(ROUTERS - 5), options.services) as here:
            add_past(here.store)
            all_pages(here, browser, options.names, options.folder, options.png)
    finally:
        browser.quit()
        shutil.rmtree(profile)


if __name__ == "__main__":
    main()
