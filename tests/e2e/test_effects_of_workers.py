"""Workers read whether changes act, by themselves and across restarts, and say so once."""

import signal

import pytest

from tests import builders
from tests.installation import SERVER, Installation, not_in_mac_server
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

MAC, ADDRESS = builders.mac(1), "223.203.225.9"
QUICK = {"LEASEWIRE_EFFECTS_EVERY_S": "0.2"}


def said(here, event):
    items = here.store.feed.read([builders.SOURCE], None, 1000).items
    outcomes = [item.outcome for item in items if item.outcome.event.id == event["id"]]
    return [o.state for o in outcomes if o.state in ("acting", "not-acting-yet")]


@not_in_mac_server  # it shows no devices
def test_a_change_is_read_until_it_acts_though_the_worker_is_killed(short_directory):
    with Installation(short_directory, environ_more=QUICK) as here:
        here.start_workers("events", "routers")
        event = builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER)
        here.publisher.publish([event])
        waits = "its device is offline"
        eventually(lambda: said(here, event) == ["not-acting-yet"], waits, within_s=30)
        (routers,) = [worker for worker in here.workers if worker.kind == "routers"]
        routers.process.send_signal(signal.SIGKILL)
        routers.process.wait()
        assert here.device("R1", MAC) == ADDRESS
        routers.process = here.start_process("routers")
        both = ["not-acting-yet", "acting"]
        # A watch that the killed worker had taken is free again after two minutes.
        for member in here.client.zrange(here.store.keys.watches_due, 0, -1):
            here.client.zadd(here.store.keys.watches_due, {member: 1}, xx=True)
        eventually(lambda: said(here, event) == both, "its device is online", within_s=30)
        shown = here.leasewire("events", "show", event["id"])
        (acting,) = [line for line in shown.stdout.splitlines() if "At the customer: " in line]
        assert acting.startswith("At the customer: acting: the device ")
        assert f"has {ADDRESS}" in acting
        assert "acting" in here.leasewire("services", "show", "SVC-1").stdout
        assert "acting" in here.leasewire("why", "SVC-1", "--offline").stdout
        acted = here.leasewire("status").stdout
        assert "Seconds from applied to acting, last day:" in acted
        assert not here.client.exists(here.store.keys.watches)
