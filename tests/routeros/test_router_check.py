"""What `routers check` tells of a router, and that it changes nothing there."""

import pytest

from simulator.testing import running
from tests.routeros.peers import LEASE, SERVER, config_for, settings
from worker.core.policy import RouterPolicy
from worker.routeros.check import check_router

pytestmark = pytest.mark.router


def look(router, transport="api-ssl", **changes):
    lines = check_router(config_for(router, transport, **changes), settings())
    assert router.journal() == []
    return lines


def levels(lines):
    return [(line.level, line.what) for line in lines]


@pytest.fixture
def router():
    with running(seed_guide=True, rest_port=0, identity="tower-7") as sim:
        for number, comment in enumerate(["leasewire:acme:S-1", "leasewire:other:S-1", "mine"]):
            sim.router.add_row(LEASE, {"address": f"198.51.100.{number}", "comment": comment})
        sim.router.device("00:00:5E:00:53:99", server=SERVER)
        yield _Fresh(sim.router)


class _Fresh:
    """The router, its journal starting now."""

    def __init__(self, router):
        self._router = router
        self._since = router.journal()[-1]["seq"]

    def journal(self):
        return self._router.journal(after=self._since)

    def __getattr__(self, name):
        return getattr(self._router, name)


@pytest.mark.parametrize("transport", ["api-ssl", "rest"])
def test_a_router_in_order(router, transport):
    lines = look(router, transport, policy=RouterPolicy("acme", default_server=SERVER))
    assert [line.level for line in lines] == ["ok"] * 6
    told = {line.what: line.detail for line in lines}
    assert router.fingerprint_sha256 in told["certificate"]
    assert told["router"] == f"tower-7, RouterOS 7.18.2, serial {router.serial}"
    assert told["dhcp-server"] == f"{SERVER} is there"
    assert told["leases"] == "4 in all, 3 of them static, 1 ours"


def test_an_unpinned_router_shows_its_fingerprint_and_gets_no_password(router):
    (line,) = look(router, fingerprint=None)
    assert (line.level, line.what) == ("fail", "certificate-mismatch")
    assert router.fingerprint_sha256 in line.detail.replace(":", "")
    assert "write it into the inventory" in line.advice
    assert router.counters() == {}


def test_a_plain_connection_is_warned_of(router):
    lines = look(router, "api")
    assert levels(lines)[:2] == [("ok", "connection"), ("warn", "certificate")]
    assert levels(lines)[-1] == ("ok", "leases")


def test_a_server_that_is_not_there_fails_and_the_rest_is_told(router):
    lines = look(router, policy=RouterPolicy("acme", default_server="dhcp-cust"))
    assert levels(lines)[-2:] == [("fail", "dhcp-server"), ("ok", "leases")]
    assert SERVER in lines[-2].detail


def test_a_router_without_a_server_is_warned_of():
    with running() as sim:
        assert ("warn", "dhcp-server") in levels(look(sim.router))


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ({"_environ": {}}, ("fail", "credentials-missing")),
        ({"_environ": {"ROUTER_PASSWORD": "wrong"}}, ("fail", "login-refused")),
        ({"expect_identity": "tower-8"}, ("fail", "identity-mismatch")),
        ({"expect_serial": "X"}, ("fail", "serial-mismatch")),
    ],
)
def test_what_is_wrong_comes_last_with_advice(router, changes, last):
    lines = look(router, **changes)
    assert levels(lines)[0] == ("ok", "connection")
    assert levels(lines)[-1] == last
    assert lines[-1].advice


def test_a_router_that_is_off(router):
    router.power_off()
    (line,) = look(router)
    assert (line.level, line.what) == ("fail", "connection")
    assert "Connection refused" in line.detail
