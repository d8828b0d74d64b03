"""Two rows with one address, one of which landed late: what each kind of router makes of that."""

import pytest

from simulator.control import ControlError
from simulator.menus.user_manager import USER
from tests import builders, ppp
from tests.converge.test_late_rows import LEASE_MS, Late, add_late, recheck
from tests.installation import MAC_ENTRIES, NEWEST, SECRETS
from tests.ppp import PppInstallation
from tests.small_installation import LEASES, SmallInstallation, activated
from worker.core.entry.wanted import DEFAULT_KIND, KINDS

pytestmark = [pytest.mark.redis, pytest.mark.router]

MENUS = {"user-manager": USER, "mac-server": MAC_ENTRIES, "ppp-secret": SECRETS}


def installation(kind, directory):
    if kind == "ppp-secret":
        return PppInstallation(directory, lock_ms=LEASE_MS)
    lines = {"R1": f'entries = "{kind}"'}
    return SmallInstallation(
        1, router_lines=lines, lock_ms=LEASE_MS, simulator={"with_mac_server": True}
    )


def events(world, kind):
    """A service, and the same with another device."""
    if kind == "ppp-secret":
        return map(world.seal, [ppp.activated(1), ppp.ppp_changed(1, name="other@isp")])
    if kind == "option-82":
        first, other = ({"circuit_id": f"eth {number}"} for number in (1, 2))
        swapped = builders.event("device_swapped", "SVC-1", revision=2, device=other)
        return activated("SVC-1", 1, device=first), swapped
    changed = builders.mac_changed("SVC-1", builders.mac(9), revision=2)
    return activated("SVC-1", 1), changed


def late_device(world, kind):
    """A row of a service's first device that lands after its second one has it."""
    late = Late(world, LEASES, KINDS.get(kind, DEFAULT_KIND), getattr(world, "sealer", None))
    return add_late(world, *events(world, kind), late)


@pytest.mark.parametrize("kind", MENUS)
def test_where_none_is_refused_it_goes_with_the_second_look(kind, tmp_path):
    with installation(kind, tmp_path) as world:
        late = late_device(world, kind)
        before = world.r["R1"].rows(MENUS[kind])
        late.land()
        rows = world.r["R1"].rows(MENUS[kind])
        assert all(builders.ipv4(1) in str(row) for row in rows)
        assert len(rows) == 2, "the router refuses nothing"
        recheck(world)
        assert world.r["R1"].rows(MENUS[kind]) == before
        assert world.client.hgetall(world.block("R1").inflight) == {}


@pytest.mark.parametrize("kind", ["lease", "option-82"])
def test_a_second_lease_is_refused(kind):
    lines = {"R1": f'identify_by = "{"mac" if kind == "lease" else kind}"'}
    with SmallInstallation(
        1, router_lines=lines, lock_ms=LEASE_MS, simulator={"version": NEWEST}
    ) as world:
        late = late_device(world, kind)
        with pytest.raises(ControlError, match="already have static lease with this IP address"):
            late.land()
        assert len(world.r["R1"].rows(LEASES)) == 1
