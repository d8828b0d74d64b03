"""Names that were typed in Winbox in the local code page, whose bytes are no UTF-8."""

from dataclasses import replace

import pytest

from tests.builders import mac, mac_changed
from tests.small_installation import SERVER, SmallInstallation, activated
from worker.core.policy.circuit import RouterState
from worker.core.rows.operations import Waiting
from worker.routeros.sessions import Sessions
from worker.store.alerts import Alerts
from worker.store.batches import Busy
from worker.watching.unknown_devices import Watch

pytestmark = [pytest.mark.redis, pytest.mark.router]


def odd(text):
    """As a router's words arrive here."""
    return text.encode("cp1251").decode("utf-8", "surrogateescape")


POOL, OTHER = odd("клиенты"), odd("сервер")
ESCAPED = "\\udceb"
"""The second letter of the pool's name."""


@pytest.fixture
def small():
    with SmallInstallation() as small:
        yield small


def test_alerts_with_any_text_are_opened_found_and_resolved(store):
    alerts, subject = store.alerts, f"R1 {POOL}"
    assert alerts.open("pool-nearly-full", subject, f"pool {POOL} is full")
    found = alerts.find("pool-nearly-full", subject)
    assert ESCAPED in found.subject
    assert ESCAPED in found.text
    # settled once more it is the same one
    alerts.settle({("pool-nearly-full", subject): f"pool {POOL} is full"}, {"pool-nearly-full": ""})
    assert alerts.all_open() == [found]
    assert alerts.resolve("pool-nearly-full", subject, f"{POOL} is free")
    assert alerts.all_open() == []


def test_a_circuit_opens_with_any_message_of_the_router(store):
    assert store.routers.acquire("R1", "token", 1) != Busy()
    state = RouterState("unreachable", message=odd("ошибка"))
    assert store.routers.open_circuit("R1", "token", 1_000, state)
    assert "\\udcee" in store.views.state("R1").message


def test_the_reason_of_a_wait_is_printable():
    assert ESCAPED in Waiting("router-says", POOL).detail


def with_pool(router):
    """A DHCP server and its pool with such names; the pool is nearly full."""
    router.run("/ip/pool/add", {"name": POOL, "ranges": "10.9.0.10-10.9.0.14"})
    router.run("/interface/vlan/add", {"name": "vlan-9", "vlan-id": "9", "interface": "ether2"})
    router.run("/ip/address/add", {"address": "10.9.0.1/24", "interface": "vlan-9"})
    router.run("/ip/dhcp-server/network/add", {"address": "10.9.0.0/24", "gateway": "10.9.0.1"})
    server = {"name": OTHER, "interface": "vlan-9", "address-pool": POOL, "disabled": "no"}
    router.run("/ip/dhcp-server/add", server)
    for number in range(5):
        router.device(f"00:00:5E:77:00:{number:02X}", server=OTHER)


def test_a_full_pool_with_such_a_name_is_reported_and_delays_nobody(small):
    with_pool(small.r["R1"])
    small.say(activated())
    small.drain()
    change = mac_changed(mac=mac(2))
    small.client.sadd(small.store.keys.reports.asked, "R1")
    small.say(change)
    small.drain("R1")
    assert small.outcome(change).startswith("applied")
    assert not small.client.exists(small.block("R1").lock)
    assert small.store.full_reads.last("R1") is not None
    (alert,) = small.store.alerts.all_open()
    assert (alert.kind, alert.router) == ("pool-nearly-full", "R1")
    assert ESCAPED in alert.subject


def test_a_server_with_such_a_name_is_watched_as_all_others(small):
    with_pool(small.r["R1"])
    small.r["R2"].device("00:00:5E:77:01:01", server=SERVER)
    # every server of R1 is ours
    policies = small.policies | {"R1": replace(small.policies["R1"], default_server="all")}
    sessions = Sessions(small.inventory, small.settings)
    watch = Watch(small.store, sessions, policies, 2.0)
    assert sorted(watch.once()) == ["R1", "R2"]
    sessions.close_all()
    alerts = {alert.router: alert for alert in small.store.alerts.all_open()}
    assert {alert.kind for alert in alerts.values()} == {"rogue-device"}
    assert alerts.keys() == {"R1", "R2"}


def test_what_fails_with_one_router_is_watched_at_the_others(small, monkeypatch):
    for name in ("R1", "R2"):
        small.r[name].device("00:00:5E:77:01:01", server=SERVER)
    settle = Alerts.settle

    def fail(self, found, ends, router=""):
        if router == "R1":
            raise KeyError("a bug")
        settle(self, found, ends, router)

    monkeypatch.setattr(Alerts, "settle", fail)
    sessions = Sessions(small.inventory, small.settings)
    watch = Watch(small.store, sessions, small.policies, 2.0)
    assert watch.once() == ["R2"]
    assert [alert.router for alert in small.store.alerts.all_open()] == ["R2"]
    monkeypatch.undo()
    for name in ("R1", "R2"):
        small.client.delete(small.store.keys.watched(name))
    assert sorted(watch.once()) == ["R1", "R2"]
    sessions.close_all()


def test_the_watch_reopens_a_failed_session(small, monkeypatch):
    class Broken:
        closed = False

        def read_watched(self):
            raise KeyError("a bug")

        def close(self):
            Broken.closed = True

    sessions = Sessions(small.inventory, small.settings)
    monkeypatch.setattr(sessions, "open", lambda *_: Broken())
    watch = Watch(small.store, sessions, small.policies, 2.0)
    assert watch.once() == []
    assert Broken.closed
