"""The routers, store and use cases that a pass works with; every log line is seen."""

import pytest

from tests.leasewire.conftest import edited, world
from tests.ppp import ACTIVE, PppInstallation

__all__ = ["edited", "world"]


@pytest.fixture(autouse=True)
def _talkative(monkeypatch):
    monkeypatch.setenv("LEASEWIRE_LOG_LEVEL", "DEBUG")


@pytest.fixture(scope="module")
def ppp_routers(tmp_path_factory):
    """One installation; each test has services of its own."""
    with PppInstallation(tmp_path_factory.mktemp("ppp")) as here:
        here.know()
        yield here


@pytest.fixture
def logged_in(ppp_routers):
    """The same; all devices that logged in are logged out after each test."""
    yield ppp_routers
    for row in ppp_routers.r["R1"].rows(ACTIVE):
        ppp_routers.r["R1"].ppp_logout(row["name"])
