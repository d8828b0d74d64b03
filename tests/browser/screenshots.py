"""Draws the pages of the console on a stage of 50,000 services: docs/screenshots/.

Run: `make screenshots`, or `.venv/bin/python -m tests.browser.screenshots [--services N] [NAME …]`.
It needs chromium and chromedriver.
"""

import argparse
import base64
import logging
import shutil
import tempfile
from pathlib import Path

import structlog

from benchmarks.populate import paper_routers
from tests.browser.chromium import NARROW, WIDE, Chromium
from tests.browser.pages import PAGES
from tests.browser.stage import Stage, running_stage
from tests.waiting import eventually

FOLDER = Path(__file__).parents[2] / "docs/screenshots"
ROUTERS = 1_000
TALLEST = 2_200
"""Pixels of a picture; what is below is not shown."""
LOOKS = {"": (WIDE, "light"), "-dark": (WIDE, "dark"), "-narrow": (NARROW, "light")}


def draw(browser: Chromium, name: str, folder: Path, *, as_png: bool) -> None:
    """Write the pictures of the page that is open."""
    for suffix, (width, scheme) in LOOKS.items():
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
            all_pages(here, browser, options.names, options.folder, options.png)
    finally:
        browser.quit()
        shutil.rmtree(profile)


if __name__ == "__main__":
    main()
