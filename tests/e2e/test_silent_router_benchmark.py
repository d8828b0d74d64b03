"""The benchmark of a silent router in its short form: that it measures, not how fast."""

import pytest

from benchmarks import silent_router
from tests.installation import SETTINGS

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


# A write that was under way when the router fell silent is looked at again after two such locks
SOON = {
    f"LEASEWIRE_{name}_S": SETTINGS[f"LEASEWIRE_{name}_S"]
    for name in ("ROUTER_LOCK", "COMMAND_TIMEOUT", "CONNECT_TIMEOUT")
}


def test_the_others_are_served_while_one_is_silent():
    found = silent_router.measure(routers=4, phases=1, phase_s=1.5, rate=20, environ=SOON)
    assert len(found["p99_ms_well"]) == len(found["p99_ms_one_silent"]) == 1
    assert found["workers_taken_for_silent"] == 0
