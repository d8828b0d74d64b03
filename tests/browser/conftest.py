"""One browser and one stage for all tests here."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.browser.chromium import AXE, CHROMIUM, DRIVER, Chromium
from tests.browser.stage import running_stage
from tests.needs import missing


def needed():
    """What these tests need besides Python; empty: all is there."""
    for program in (CHROMIUM, DRIVER):
        if not Path(program).exists():
            return f"{program} is missing: apt-get install chromium chromium-driver"
    if not AXE.exists():
        return "axe-core is missing: `make test` installs it where npm and a registry are in reach"
    return ""


@pytest.fixture(scope="session")
def chromium():
    if what := needed():
        missing(what)
    profile = Path(tempfile.mkdtemp(prefix="lw-"))
    browser = Chromium(profile)
    yield browser
    browser.quit()
    shutil.rmtree(profile)


@pytest.fixture(scope="session")
def stage(chromium):
    with running_stage() as here:
        yield here


@pytest.fixture
def browser(chromium, stage):
    """The browser, where nobody is logged in. Whatever it complains of fails the test."""
    chromium.base = stage.url
    chromium.reset()
    yield chromium
    assert chromium.problems() == []


@pytest.fixture
def as_viewer(browser, stage):
    browser.log_in(stage.session("vera"))
    return browser


@pytest.fixture
def as_operator(browser, stage):
    browser.log_in(stage.session("omar"))
    return browser


@pytest.fixture
def as_admin(browser, stage):
    browser.log_in(stage.session("anna"))
    return browser
