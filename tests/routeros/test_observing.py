"""What is read of the devices that hold rows: only when somebody asks."""

import pytest

from tests.builders import ipv4, mac
from tests.routeros.peers import config_for, settings
from worker.core.rows.normal import seconds
from worker.inventory import Inventory
from worker.ports import LeaseQuery
from worker.routeros.parallel_read import RowObserver

LEASES = "/ip/dhcp-server/lease"
SERVER = "dhcp-vlan-32"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5m57s", 357),
        ("19h57m36s", 71_856),
        ("14:40:26", 52_826),
        ("2d04:05:06", 187_506),
        ("1w1d", 691_200),
        ("0s", 0),
        ("10m", 600),
        ("never", None),
        ("", None),
        ("5x", None),
    ],
)
def test_durations_are_read_in_each_form(text, expected):
    assert seconds(text) == expected


@pytest.mark.router
def test_rows_come_with_the_device_that_holds_them(router, log_into, transport):
    row = {"mac-address": mac(1), "address": "223.203.225.40", "server": SERVER, "comment": "c"}
    router.add_row(LEASES, row)
    router.add_row(LEASES, {"mac-address": mac(2), "address": ipv4(50), "server": SERVER})
    router.device(mac(1), server=SERVER)
    router.device(mac(3), server=SERVER)
    session = log_into(router, transport)
    seen = session.observe(LeaseQuery(devices=frozenset({mac(1), mac(3)})))
    by_mac = {each.lease.device: each for each in seen.rows}
    assert by_mac.keys() == {mac(1), mac(3)}
    held = by_mac[mac(1)]
    assert (held.status, held.active_mac, held.active_address) == (
        "bound",
        mac(1),
        "223.203.225.40",
    )
    assert 0 < held.expires_in_s <= seen.lease_times_s[SERVER]
    assert by_mac[mac(3)].lease.dynamic
    (waiting,) = session.observe(LeaseQuery(addresses=frozenset({ipv4(50)}))).rows
    assert (waiting.status, waiting.active_mac, waiting.last_seen_s) == ("waiting", "", None)
    (tagged,) = session.observe(LeaseQuery(comments=frozenset({"c"}))).rows
    assert tagged.lease.device == mac(1)


@pytest.mark.router
def test_a_device_is_found_on_the_row_that_it_holds(router, log_into):
    row_id = router.add_row(
        LEASES, {"mac-address": mac(1), "address": "223.203.225.40", "server": SERVER}
    )
    router.device(mac(1), server=SERVER)
    router.set_row(LEASES, row_id, {"address": "223.203.225.41"})
    session = log_into(router)
    (seen,) = session.observe(LeaseQuery(addresses=frozenset({"223.203.225.40"}))).rows
    assert (seen.lease.address, seen.active_address) == ("223.203.225.41", "223.203.225.40")


@pytest.mark.router
def test_a_router_that_is_down_is_told_in_words_beside_the_others(router):
    up, down = config_for(router), config_for(router, "api")
    router.add_row(LEASES, {"mac-address": mac(1), "address": ipv4(1), "server": SERVER})
    inventory = Inventory("acme", {"up": up, "wrong": down}, {})
    query = LeaseQuery(devices=frozenset({mac(1)}))
    onlooker = RowObserver(inventory, settings())
    found = onlooker.look({"up": query, "unheard-of": query})
    assert [row.lease.address for row in found["up"].rows] == [ipv4(1)]
    assert "unheard-of" not in found
    router.power_off()
    found = onlooker.look({"up": query, "wrong": query})
    assert all(isinstance(words, str) and words for words in found.values())
    assert len(found) == 2


@pytest.mark.router
def test_dynamic_leases_and_blocked_ones_that_are_bound_are_watched(router, log_into, transport):
    for number in (1, 2, 3):
        row = {"mac-address": mac(number), "address": ipv4(number), "server": SERVER}
        row_id = router.add_row(LEASES, row)
        if number < 3:
            router.device(mac(number), server=SERVER)
        if number > 1:
            router.set_row(LEASES, row_id, {"block-access": "yes"})
    router.device(mac(4), server=SERVER)
    seen = log_into(router, transport).read_watched()
    assert {each.active_mac: each.lease.dynamic for each in seen.rows} == {
        mac(2): False,
        mac(4): True,
    }
    assert seen.lease_times_s[SERVER] > 0
