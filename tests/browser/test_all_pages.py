"""Each page in a real browser: narrow and wide, light and dark, with and without scripts."""

import re

import pytest

from tests.browser.chromium import NARROW, WIDE
from tests.browser.pages import PAGES
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_no_barriers_and_fits(as_admin, page):
    browser = as_admin
    browser.open(page.path)
    eventually(lambda: page.is_shown(browser), f"it shows {page.words}")
    for width in (NARROW, WIDE):
        browser.look(width)
        assert not browser.scrolls_sideways(), width
    assert browser.violations() == []
    browser.look(scheme="dark")  # in which only colours differ
    assert browser.violations("color-contrast") == []


def test_times_are_in_the_readers_zone_with_its_offset(as_viewer):
    browser = as_viewer
    browser.zone("Asia/Kathmandu")
    browser.open("/routers")  # its script says the zone; the next page has it
    browser.open("/router?id=R4")
    shown = browser.find("time")
    assert re.fullmatch(r"2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d\+05:45", shown.text)
    assert shown.get_attribute("datetime").endswith("Z")


def test_without_scripts_pages_are_read_and_searched(as_viewer):
    browser = as_viewer
    browser.scripts(on=False)
    browser.open("/routers")
    assert "R4" in browser.text
    browser.fill("find", "R1")
    browser.click("Find")
    assert "R4" not in browser.find("table").text
    browser.click("R1")
    assert browser.path == "/router?id=R1"
    assert "Services" in browser.text


def test_now_is_kept_up_to_date_while_it_is_open(as_viewer, stage):
    browser = as_viewer
    browser.open("/now")
    eventually(lambda: "kept up to date" in browser.text, "the stream is open")
    assert "paused" not in browser.text
    with browser.stays():
        stage.store.fleet.pause("R2", "tower works", "anna")
        eventually(lambda: "paused" in browser.text, "the pause is shown")
        stage.store.fleet.resume("R2", "anna")
        eventually(lambda: "paused" not in browser.text, "its end is shown")
