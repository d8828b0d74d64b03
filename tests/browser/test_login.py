"""Login and logout in a real browser."""

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import NARROW, WIDE
from tests.browser.stage import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


def log_in(browser, name, password=PASSWORD):
    browser.fill("name", name)
    browser.fill("password", password)
    browser.click("Log in")


def test_login_leads_on_to_what_was_asked_for_and_logout_ends_it(browser):
    browser.open("/routers?state=blocked")
    assert browser.path.startswith("/login?")
    browser.expected = ("401",)
    log_in(browser, "omar", "a-wrong-password-000")
    assert "There is no person with this name and password." in browser.text
    log_in(browser, "vera")
    assert browser.path == "/routers?state=blocked"
    assert "vera, viewer" in browser.text
    browser.click("Log out", "header")
    assert browser.path == "/login"
    browser.open("/now")
    assert browser.path.startswith("/login?")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_login_page_has_no_barriers(browser, scheme):
    for width in (WIDE, NARROW):
        browser.look(width, scheme)
        browser.open("/login")
        assert browser.violations() == []
        assert not browser.scrolls_sideways()


def test_login_by_keyboard_alone(browser):
    browser.open("/login")
    with browser.leads_on("Enter"):
        browser.type(Keys.TAB, Keys.TAB, "anna", Keys.TAB, PASSWORD, Keys.ENTER)
    assert browser.path == "/now"
