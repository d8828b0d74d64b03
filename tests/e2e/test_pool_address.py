"""A service whose address comes from a pool of the router: which one it got is seen and shown."""

import pytest

from tests import builders
from tests.installation import SERVER, Installation, in_leases
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

POOL = {"name": "customers", "ranges": "100.64.9.10-100.64.9.20"}


@in_leases  # /ip/mac-server knows no pools, and of a secret its profile names the pool
def test_the_address_that_a_device_got_from_a_pool_is_shown(short_directory):
    often = {"LEASEWIRE_EFFECTS_EVERY_S": "0.2"}
    with Installation(short_directory, environ_more=often) as here:
        router = here.control["R1"]
        router.add_row("/ip/pool", POOL)
        here.start_workers("events", "routers")
        activated = builders.activated(
            "SVC-1", server=SERVER, mac=builders.mac(1), pool="customers"
        )
        here.publisher.publish([activated])
        eventually(lambda: here.rows("R1"), "the row", within_s=20)
        here.wait_until_settled()
        [row] = here.rows("R1")["SVC-1"]
        assert row["address"] == "customers"
        got = router.device(builders.mac(1), server=SERVER)["address"]
        assert got.startswith("100.64.9.")
        shown = here.leasewire("services", "show", "SVC-1", "--live")
        assert shown.returncode == 0, shown.stderr
        assert "customers" in shown.stdout
        assert got in shown.stdout
        assert got in here.leasewire("why", builders.mac(1)).stdout
