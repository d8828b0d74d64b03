"""After *applied* in a User Manager: what is read on the access router, which asks it over RADIUS.

The exchange is real: the simulated DHCP server asks the simulated User Manager on UDP.
"""

import pytest

from simulator.menus.user_manager import CLIENT, MANAGER, USER
from tests import builders
from tests.outcomes.test_effects import Watched
from tests.simulator.test_user_manager import free_port
from tests.small_installation import LEASES, SERVER
from tests.user_manager import ACCESS, PLANS
from worker.core.effect.facts import EffectFacts

pytestmark = [pytest.mark.redis, pytest.mark.router]

MAC, OTHER, ADDRESS, SECOND = builders.mac(1), builders.mac(2), "223.203.225.10", "223.203.225.11"
FILTER, LISTS, POOL, DHCP = "/ip/firewall/filter", "/ip/firewall/address-list", "pool-a", "/ip/pool"
SECRET, GOLD, SILVER = "a shared secret", {"code": "gold"}, {"code": "silver"}


class Asking(Watched):
    """R1 asks the User Manager of R2, and has rules for suspended customers."""

    def __init__(self, same=False, lines=""):
        users = f'entries = "user-manager"\nthrottle = "64k/64k"\n{lines}'
        asks = ACCESS.replace("R3", "R2")
        tables = {"R1": users} if same else {"R1": asks, "R2": users}
        super().__init__(
            1 if same else 2,
            router_lines=tables,
            defaults='suspend_list = "suspended"',
            tables=PLANS,
        )
        self.manager = "R1" if same else "R2"

    def __enter__(self):
        super().__enter__()
        access, manager, port = self.r["R1"], self.r[self.manager], str(free_port())
        by = {"address": "127.0.0.1", "authentication-port": port}
        manager.add_row(CLIENT, {"name": "R1", "address": "127.0.0.1", "shared-secret": SECRET})
        manager.run(f"{MANAGER}/set", {"enabled": "yes", "authentication-port": port})
        access.add_row("/radius", {"service": "dhcp", "secret": SECRET, "timeout": "300ms", **by})
        (server,) = access.rows("/ip/dhcp-server")
        access.set_row("/ip/dhcp-server", server[".id"], {"use-radius": "yes"})
        access.add_row(DHCP, {"name": POOL, "ranges": "10.33.0.10-10.33.0.20"})
        for end in ("src-address-list", "dst-address-list"):
            access.add_row(FILTER, {"chain": "forward", "action": "drop", end: "suspended"})
        return self

    def renew(self, mac=MAC):
        held = [row for row in self.r["R1"].rows(LEASES) if row["mac-address"] == mac]
        return self.device(mac, requested=held[0]["active-address"] if held else "")

    @property
    def until_s(self):
        """How long after the read the reported change may still not act."""
        (outcome,) = self.said
        return outcome.effect.until_ms / 1000 - self.store.records.now_ms() / 1000


def change(name, revision, **given):
    return builders.event(name, "SVC-1", revision=revision, **given)


def activated(**given):
    place = {"mac": MAC, "ipv4": ADDRESS, "server": SERVER, "revision": 1, "plan": GOLD}
    return builders.activated(**{**place, **given})


@pytest.fixture
def here(request):
    with Asking(same=getattr(request, "param", False)) as here:
        yield here


also_on_one_router = pytest.mark.parametrize(
    "here", [False, True], ids=["two-routers", "one-router"], indirect=True
)


@pytest.fixture
def bound(here):
    """A service that is active, with its device."""
    here.apply(activated())
    assert here.read() == ["not-acting-yet: device-offline"]
    assert here.device()["address"] == ADDRESS
    assert here.read() == ["acting"]
    assert here.said[0].router == here.manager
    assert here.said[0].detail.startswith(f"the device has {ADDRESS}, read ")
    return here


@also_on_one_router
def test_a_rate_acts_when_the_device_renewed(bound):
    bound.apply(change("plan_changed", 2, plan=SILVER))
    assert bound.read() == ["not-acting-yet: other-limit"]
    assert bound.read() == [], "it is not repeated"
    bound.renew()
    assert bound.read() == ["acting"]
    assert bound.said[0].detail.startswith(f"{ADDRESS} is limited to 5M/20M")
    acted = bound.store.memory.known(bound.manager).acted
    assert ("rate", "lease-time") in acted


@also_on_one_router
def test_a_suspension_by_list_acts_when_the_device_renewed(bound):
    bound.apply(builders.suspended(revision=2))
    assert bound.read() == ["not-acting-yet: not-listed"]
    assert "it is when the device renews" in bound.said[0].detail
    bound.renew()
    assert bound.read() == ["acting"]
    bound.apply(builders.resumed(revision=3))
    assert bound.read() == ["not-acting-yet: still-listed"]
    bound.renew()
    assert bound.read() == ["acting"]


def test_a_block_acts_when_the_lease_is_over(bound):
    bound.apply(builders.suspended(mode="block", revision=2))
    assert bound.read() == ["not-acting-yet: keeps-lease"]
    assert bound.renew()["kind"] != "ack"
    bound.pass_time(3600)
    assert bound.read() == ["acting"]
    bound.apply(builders.resumed(revision=3))
    assert bound.read() == ["not-acting-yet: device-offline"]
    assert bound.device()["address"] == ADDRESS
    assert bound.read() == ["acting"]


def test_a_throttled_service_is_slow_when_the_device_renewed(bound):
    bound.apply(builders.suspended(mode="throttle", revision=2))
    assert bound.read() == ["not-acting-yet: other-limit"]
    bound.renew()
    assert bound.read() == ["acting"]


def test_another_address_and_a_cancellation(bound):
    moved = {"mode": "static", "ipv4": SECOND}
    bound.apply(change("address_changed", 2, address=moved))
    assert bound.read() == ["not-acting-yet: keeps-old-lease"]
    assert 0 < bound.until_s <= 1800
    bound.renew()
    bound.device()
    assert bound.read() == ["acting"]
    bound.apply(builders.cancelled(revision=3))
    assert bound.read() == ["not-acting-yet: keeps-lease"]
    bound.pass_time(3600)
    assert bound.read() == ["acting"]
    assert bound.r[bound.manager].rows(USER) == []


def test_another_device_acts_when_it_is_there(bound):
    bound.apply(builders.mac_changed(mac=OTHER, revision=2))
    assert bound.read() == ["not-acting-yet: device-offline"]
    bound.device(OTHER)
    assert bound.read() == ["acting"]


def test_a_suspension_of_an_address_of_a_pool(here):
    here.apply(activated(pool=POOL))
    held = here.device()["address"]
    assert held.startswith("10.33.0.")
    assert here.read() == ["acting"]
    here.apply(builders.suspended(revision=2))
    assert here.read() == ["not-acting-yet: not-listed"]
    assert held in here.said[0].detail
    here.renew()
    assert [row["address"] for row in here.r["R1"].rows(LISTS)] == [held]
    assert here.read() == ["acting"]


def test_a_lease_that_is_not_of_radius_never_acts():
    with Asking() as here:
        here.r["R1"].add_row(LEASES, {"mac-address": MAC, "address": ADDRESS})
        (server,) = here.r["R1"].rows("/ip/dhcp-server")
        here.r["R1"].set_row("/ip/dhcp-server", server[".id"], {"use-radius": "no"})
        here.apply(activated())
        assert here.device()["address"] == ADDRESS
        assert here.read() == ["not-acting-yet: not-by-radius"]
        assert "remove that lease" in here.said[0].detail


def test_another_list_of_the_service_is_no_suspension():
    with Asking(lines='address_lists = ["gold"]') as here:
        here.apply(activated())
        here.device()
        assert here.read() == ["acting"]
        here.apply(builders.suspended(mode="block", revision=2))
        assert here.read() == ["not-acting-yet: keeps-lease"]


def test_the_rules_of_the_access_router_are_read_once(bound):
    facts = EffectFacts.from_text(bound.client.hget(bound.block("R1").memory, "effect-facts"))
    assert facts.suspension == "first"
    reads = bound.r["R1"].counters()[f"{FILTER}/print"]
    bound.apply(change("plan_changed", 2, plan=SILVER))
    assert bound.read() == ["not-acting-yet: other-limit"]
    assert bound.r["R1"].counters()[f"{FILTER}/print"] == reads
