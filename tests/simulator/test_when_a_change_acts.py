"""When a change on the row of a bound device acts, for each value of each switch."""

import pytest

from simulator.control import ControlError

LEASE, QUEUE, ARP = "/ip/dhcp-server/lease", "/queue/simple", "/ip/arp"
LIST, SERVER = "/ip/firewall/address-list", "/ip/dhcp-server"
A, B, ADDRESS = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B", "223.203.225.10"
MOMENTS = ("at-once", "at-renewal", "kept-until-expiry")
HALF_AN_HOUR = 1801
ROW = {"mac-address": A, "address": ADDRESS, "rate-limit": "5M/20M", "address-lists": "gold"}


@pytest.fixture
def bound(router):
    """A bound device with a queue, a list row and an ARP row; gives the id of its row."""
    router.set_row(SERVER, "dhcp-vlan-32", {"add-arp": "yes"})
    row_id = router.add_row(LEASE, ROW)
    assert router.device(A)["address"] == ADDRESS
    assert acting(router) == ("5000000/20000000", ["gold"], [ADDRESS])
    return row_id


def acting(router):
    queues = [row["max-limit"] for row in router.rows(QUEUE)]
    lists = [row["list"] for row in router.rows(LIST)]
    return (queues or [""])[0], lists, [row["address"] for row in router.rows(ARP)]


def when_it_acts(router):
    """Give the first moment at which what the lease made has changed; the device renews once."""
    before = ("5000000/20000000", ["gold"], [ADDRESS])
    if acting(router) != before:
        return "at-once"
    router.device(A, requested=ADDRESS)
    if acting(router) != before:
        return "at-renewal"
    router.skip(HALF_AN_HOUR)
    assert acting(router) != before
    return "kept-until-expiry"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    ("switch", "change"),
    [
        ("rate_change", {"rate-limit": "10M/40M"}),
        ("rate_clear", {"rate-limit": ""}),
        ("lists_change", {"address-lists": "silver"}),
        ("lists_change", {"address-lists": ""}),
        ("block_access", {"block-access": "yes"}),
        ("disabling", {"disabled": "yes"}),
        ("address_change", {"address": "223.203.225.11"}),
        ("mac_change", {"mac-address": B}),
    ],
)
def test_a_change_acts_when_its_switch_says(router, bound, switch, change, moment):
    router.set_switches(**{switch: moment})
    router.set_row(LEASE, bound, change)
    assert when_it_acts(router) == moment


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_removal_acts_when_its_switch_says(router, bound, moment):
    router.set_switches(removal=moment)
    router.set_row(SERVER, "dhcp-vlan-32", {"address-pool": "static-only"})
    router.remove_row(LEASE, bound)
    assert when_it_acts(router) == moment
    assert acting(router) == ("", [], [])


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_rate_where_none_was_acts_at_once(router, moment):
    router.set_switches(rate_change=moment, rate_clear=moment)
    row_id = router.add_row(LEASE, {"mac-address": A, "address": ADDRESS})
    router.device(A)
    router.set_row(LEASE, row_id, {"rate-limit": "5M/20M"})
    assert acting(router)[0] == "5000000/20000000"


def test_a_change_that_is_taken_back_never_acts(router, bound):
    router.set_switches(rate_change="at-renewal")
    router.set_row(LEASE, bound, {"rate-limit": "10M/40M"})
    router.set_row(LEASE, bound, {"rate-limit": "5M/20M"})
    router.device(A, requested=ADDRESS)
    assert acting(router)[0] == "5000000/20000000"


def test_the_new_lease_of_a_device_ends_what_its_removed_row_left(router, bound):
    router.set_switches(removal="kept-until-expiry")
    router.remove_row(LEASE, bound)
    router.add_row(LEASE, {**ROW, "rate-limit": "1M/1M"})
    assert acting(router)[0] == "5000000/20000000"
    router.device(A)
    assert acting(router) == ("1000000/1000000", ["gold"], [ADDRESS])
    router.skip(HALF_AN_HOUR - 2)
    assert acting(router) == ("1000000/1000000", ["gold"], [ADDRESS])


def test_an_unknown_moment_is_refused(router):
    with pytest.raises(ControlError, match="switch removal: 'soon' is not at-once"):
        router.set_switches(removal="soon")
