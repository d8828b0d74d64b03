"""Workers die around the removal of connections: they are removed all the same."""

import sys

import pytest

from tests import builders
from tests.installation import SERVER, Installation
from tests.traffic import with_fasttrack
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

ADDRESS = "100.64.0.1"


def still_online(directory, build):
    """Whether a suspended customer's FastTracked flow passes when the event is applied."""
    here = Installation(
        directory,
        transport="api",
        inventory={"R1": {"suspend_list": '"suspended"'}},
        environ_more={"LEASEWIRE_ROUTER_LOCK_S": "2", "LEASEWIRE_COMMAND_TIMEOUT_S": "1"},
        worker_command=[sys.executable, "-m", "tests.faults.broken", build],
    )
    with here:
        router = here.control["R1"]
        with_fasttrack(router)
        here.start_workers("events", "routers", "routers", "routers")

        def publish(event):
            here.publisher.publish([event])
            eventually(
                lambda: (said := here.outcome(event)) is not None and said.state == "applied",
                f"applied: {event['type']}",
                within_s=40,
            )

        publish(builders.activated(server=SERVER, ipv4=ADDRESS))
        flow = router.flow(ADDRESS).establish()
        assert flow.send().fasttrack
        publish(builders.suspended())
        assert (directory / "deaths").exists(), "a worker died"
        return flow.exchange().passed


@pytest.mark.timeout(120)
def test_connections_are_removed_whenever_a_worker_dies(short_directory):
    assert not still_online(short_directory, "dies-around-the-cut")
    assert (short_directory / "deaths").read_text() == "xx", "before the cut, and after it"


@pytest.mark.timeout(120)
def test_a_build_that_cuts_only_what_it_wrote_leaves_the_customer_online(short_directory):
    assert still_online(short_directory, "cuts-only-what-it-wrote")
