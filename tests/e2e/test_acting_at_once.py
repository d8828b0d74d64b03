"""Changes that act at once: real workers, and traffic through a simulated router."""

import time

import pytest

from tests import builders
from tests.installation import LEASES, SERVER, Installation, in_leases, not_in_mac_server
from tests.traffic import with_fasttrack
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

LISTS = "/ip/firewall/address-list"
ADDRESS, NEW = "223.203.225.10", "223.203.225.20"
MAC = builders.mac(1)


def publish(here, event):
    here.publisher.publish([event])
    eventually(lambda: is_applied(here, event), f"applied: {event['type']}", within_s=20)
    return here.outcome(event)


def is_applied(here, event):
    said = here.outcome(event)
    return said is not None and said.state in ("applied", "acting", "not-acting-yet")


def watched(here, event):
    """What the watch said last of an event: state and reason, and its sentence."""
    items = here.store.feed.read([builders.SOURCE], "0-0", 100).items
    found = [item.outcome for item in items if item.outcome.event.id == event["id"]]
    return ((found[-1].state, found[-1].reason), found[-1].detail) if found else None


def activated():
    return builders.activated(server=SERVER, mac=MAC, ipv4=ADDRESS)


@not_in_mac_server  # a suspended service has no entry there
@pytest.mark.parametrize(("policy", "goes_on"), [("auto", False), ("never", True)])
def test_a_suspended_customer_is_silent_within_a_second(short_directory, policy, goes_on):
    keys = {"suspend_list": '"suspended"', "cut_connections": f'"{policy}"'}
    watching = {"LEASEWIRE_EFFECTS_EVERY_S": "0.2"}
    with Installation(short_directory, inventory={"R1": keys}, environ_more=watching) as here:
        router = here.control["R1"]
        with_fasttrack(router)
        here.start_workers("events", "routers")
        publish(here, activated())
        flow, other = router.flow(ADDRESS).establish(), router.flow("223.203.225.11").establish()
        assert flow.send().fasttrack
        event = builders.suspended()
        here.publisher.publish([event])
        eventually(lambda: router.rows(LISTS), "its row in the list", within_s=20)
        listed_s = time.monotonic()
        if not goes_on:
            eventually(lambda: not flow.exchange().passed, "silent", within_s=20)
            assert time.monotonic() - listed_s < 1
        eventually(lambda: is_applied(here, event), "applied", within_s=20)
        assert flow.exchange().passed == goes_on
        assert other.exchange().passed
        # no time is promised: an open connection goes on longer than any lease
        rung = "address-list" if goes_on else "connection-cut"
        assert here.outcome(event).effective_by == rung
        said = (
            (("not-acting-yet", "flows-left"), "until they end")
            if goes_on
            else (("acting", ""), "")
        )
        eventually(
            lambda: (last := watched(here, event)) and last[0] == said[0], f"{said}", within_s=20
        )
        assert said[1] in watched(here, event)[1]


@in_leases
@pytest.mark.parametrize("obeys", [True, False])
def test_a_device_that_accepts_reconfigure_moves_within_two_seconds(short_directory, obeys):
    with Installation(short_directory) as here:
        router = here.control["R1"]
        router.set_row("/ip/dhcp-server", SERVER, {"use-reconfigure": "yes"})
        here.start_workers("events", "routers")
        publish(here, activated())
        router.device(MAC, reconfigure="obey" if obeys else "ignore")
        address = {"mode": "static", "ipv4": NEW}
        said = publish(
            here, builders.event("address_changed", "SVC-1", revision=2, address=address)
        )
        assert said.effective_by.startswith("reconfigure")

        def active():
            (row,) = here.rows("R1")["SVC-1"]
            return row["active-address"]

        send = f"{LEASES}/send-reconfigure"
        eventually(lambda: router.counters().get(send), "it was told", within_s=10)
        if obeys:
            eventually(lambda: active() == NEW, "it has its new address", within_s=2)
        else:
            assert active() == ADDRESS
            assert router.device_renews(MAC)["address"] == NEW
        here.wait_until_settled()
        assert router.counters()[send] == 1
