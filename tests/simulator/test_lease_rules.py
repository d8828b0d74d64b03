import pytest

from simulator.control import ControlError
from simulator.testing import running

pytestmark = pytest.mark.router
LEASE = "/ip/dhcp-server/lease"
SERVER = "/ip/dhcp-server"
LIST = "/ip/firewall/address-list"
A, B = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B"
CLIENT_TAKEN = "already have static lease for this client"
ADDRESS_TAKEN = "already have static lease with this IP"


@pytest.fixture
def two_servers(router):
    router.add_row("/ip/pool", {"name": "p2", "ranges": "198.51.100.10-198.51.100.12"})
    router.add_row(SERVER, {"name": "s2", "interface": "ether3", "address-pool": "p2"})
    return router


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ({"server": "s2"}, {"server": "s2"}, CLIENT_TAKEN),
        ({"server": "s2"}, {"server": "dhcp-vlan-32"}, None),
        ({"server": "s2"}, {"server": "all"}, CLIENT_TAKEN),
        ({}, {"server": "s2"}, CLIENT_TAKEN),
        ({"server": "s2", "disabled": "yes"}, {"server": "s2"}, None),
        ({"server": "s2"}, {"server": "s2", "disabled": "true"}, None),
    ],
)
def test_a_mac_is_unique_within_a_server(two_servers, first, second, refused):
    two_servers.add_row(LEASE, {"mac-address": A, **first})
    if refused is None:
        two_servers.add_row(LEASE, {"mac-address": A.lower(), **second})
        assert len(two_servers.rows(LEASE)) == 2
    else:
        with pytest.raises(ControlError, match=refused):
            two_servers.add_row(LEASE, {"mac-address": A.lower(), **second})


def test_switching_a_second_row_of_a_mac_on_is_refused(two_servers):
    two_servers.add_row(LEASE, {"mac-address": A})
    other = two_servers.add_row(LEASE, {"mac-address": A, "disabled": "yes"})
    with pytest.raises(ControlError, match=CLIENT_TAKEN):
        two_servers.run(f"{LEASE}/enable", {".id": other})


def test_an_address_is_unique_over_all_servers(two_servers):
    two_servers.add_row(LEASE, {"address": "10.0.0.1", "server": "s2"})
    with pytest.raises(ControlError, match=ADDRESS_TAKEN):
        two_servers.add_row(LEASE, {"address": "10.0.0.1", "server": "dhcp-vlan-32"})
    other = two_servers.add_row(LEASE, {"address": "10.0.0.2"})
    with pytest.raises(ControlError, match=ADDRESS_TAKEN):
        two_servers.set_row(LEASE, other, {"address": "10.0.0.1"})
    two_servers.add_row(LEASE, {"mac-address": A})
    two_servers.add_row(LEASE, {"mac-address": B})  # 0.0.0.0 twice


def test_a_device_gets_its_static_lease_and_others_one_from_the_pool(router):
    router.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10"})
    assert router.device(A)["address"] == "223.203.225.10"
    other = router.device(B, host_name="phone")
    assert other["address"] == "223.203.225.100"
    mine, theirs = router.rows(LEASE)
    assert (mine["dynamic"], mine["status"], mine["active-address"]) == (
        "false",
        "bound",
        "223.203.225.10",
    )
    assert (theirs["dynamic"], theirs["host-name"], theirs["active-server"]) == (
        "true",
        "phone",
        "dhcp-vlan-32",
    )
    assert theirs["expires-after"] in ("30m", "29m59s")


def test_a_dynamic_lease_is_made_static_in_place_and_not_set_before(router):
    row_id = router.device(A)["row_id"]
    with pytest.raises(ControlError, match="can not change dynamic lease"):
        router.set_row(LEASE, row_id, {"comment": "x"})
    router.run(f"{LEASE}/make-static", {".id": row_id})
    (row,) = router.rows(LEASE)
    assert (row[".id"], row["dynamic"], row["status"]) == (row_id, "false", "bound")
    router.set_row(LEASE, row_id, {"comment": "x", "address": "223.203.225.7"})
    (row,) = router.rows(LEASE)
    assert row["active-address"] == "223.203.225.100"  # until it asks again
    assert router.device(A, requested="223.203.225.100")["kind"] == "nak"
    assert router.device(A)["address"] == "223.203.225.7"


def test_a_stale_renewal_can_be_met_with_silence(router):
    row_id = router.device(A)["row_id"]
    router.run(f"{LEASE}/make-static", {".id": row_id})
    router.set_row(LEASE, row_id, {"address": "223.203.225.7"})
    router.set_switches(stale_renewal="silent")
    assert router.device(A, requested="223.203.225.100")["kind"] == "none"


def test_a_blocked_client_gets_no_answer(router):
    router.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10", "block-access": "yes"})
    assert router.device(A)["kind"] == "none"
    assert router.rows(LEASE)[0]["blocked"] == "true"


def test_another_mac_gets_the_address_and_the_old_device_is_refused(router):
    row_id = router.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10"})
    router.device(A)
    router.set_row(LEASE, row_id, {"mac-address": B})
    assert router.device(A, requested="223.203.225.10")["kind"] == "nak"
    assert router.device(B)["address"] == "223.203.225.10"


def test_a_lost_server_or_pool_leaves_its_dead_id(router):
    router.add_row(LEASE, {"mac-address": A, "address": "10.0.0.1", "server": "dhcp-vlan-32"})
    router.device(A)
    router.run("/ip/pool/remove", {".id": "pool-vlan-32"})
    assert router.rows(SERVER)[0]["address-pool"] == "*1"
    router.set_row(SERVER, "dhcp-vlan-32", {"name": "renamed"})
    assert router.rows(LEASE)[0]["server"] == "renamed"
    router.run(f"{SERVER}/remove", {".id": "renamed"})
    (row,) = router.rows(LEASE)
    assert (row["server"], row["active-server"]) == ("*1", "*FFFFFFFF")
    router.add_row(SERVER, {"name": "renamed", "interface": "vlan-32"})
    assert router.rows(LEASE)[0]["server"] == "*1"


def test_a_static_lease_without_device_shows_a_lost_server_too(two_servers):
    two_servers.add_row(LEASE, {"mac-address": A, "server": "s2"})
    assert "active-server" not in two_servers.rows(LEASE)[0]
    two_servers.run(f"{SERVER}/remove", {".id": "s2"})
    assert two_servers.rows(LEASE)[0]["active-server"] == "*FFFFFFFF"


@pytest.mark.parametrize(
    ("name", "value"),
    [("lease-time", "1h"), ("dhcp-option-set", "s"), ("client-id", "1:2"), ("rate-limit", "1M/1M")],
)
def test_an_empty_value_takes_a_property_away(router, name, value):
    router.add_row("/ip/dhcp-server/option", {"name": "o", "code": "6", "value": "0x01"})
    router.add_row("/ip/dhcp-server/option/sets", {"name": "s", "options": "o"})
    row_id = router.add_row(LEASE, {"mac-address": A, name: value})
    assert router.rows(LEASE)[0][name] == value
    router.set_row(LEASE, row_id, {name: ""})
    assert name not in router.rows(LEASE)[0]
    assert router.device(A)["lease_s"] == 1800


@pytest.mark.parametrize("name", ["insert-queue-before", "parent-queue"])
def test_a_lease_names_queues_that_are_there(router, name):
    with pytest.raises(ControlError, match=f"does not match any value of {name}"):
        router.add_row(LEASE, {"mac-address": A, name: "q"})
    router.add_row("/queue/simple", {"name": "q", "target": "198.51.100.1"})
    router.add_row(LEASE, {"mac-address": A, name: "q"})
    assert router.rows(LEASE)[0][name] == "q"


def test_a_lease_without_a_mac_is_matched_by_its_client_id(router):
    fixed = {"client-id": "1:0:0:5e:0:53:a", "address": "223.203.225.10"}
    router.add_row(LEASE, fixed)
    assert router.device(B, client_id=fixed["client-id"])["address"] == "223.203.225.10"
    (row,) = router.rows(LEASE)
    assert (row["active-mac-address"], row["status"]) == (B, "bound")
    assert "mac-address" not in row
    assert router.device(A, client_id="1:2")["address"] != "223.203.225.10"
    assert router.device("00:00:5E:00:53:0C")["address"] != "223.203.225.10"
    router.device_release(B)
    assert router.rows(LEASE)[0]["status"] == "waiting"


def test_only_four_properties_can_be_unset(router):
    row_id = router.add_row(LEASE, {"insert-queue-before": "bottom", "comment": "c"})
    router.run(f"{LEASE}/unset", {".id": row_id, "value-name": "insert-queue-before"})
    (row,) = router.rows(LEASE)
    assert "insert-queue-before" not in row
    with pytest.raises(ControlError, match="value-name"):
        router.run(f"{LEASE}/unset", {".id": row_id, "value-name": "comment"})
    router.set_row(LEASE, row_id, {"comment": ""})
    assert "comment" not in router.rows(LEASE)[0]


def test_a_bound_lease_makes_list_rows_a_queue_and_log_lines_while_it_lasts(router):
    router.set_row(SERVER, "dhcp-vlan-32", {"address-lists": "all-clients"})
    row_id = router.add_row(
        LEASE,
        {
            "mac-address": A,
            "address": "223.203.225.10",
            "address-lists": "paid,fast",
            "rate-limit": "5M/20M",
        },
    )
    assert router.rows(LIST) == []
    router.device(A)
    assert {(r["list"], r["address"], r["dynamic"]) for r in router.rows(LIST)} == {
        (name, "223.203.225.10", "true") for name in ("paid", "fast", "all-clients")
    }
    (queue,) = router.rows("/queue/simple")
    assert (queue["name"], queue["target"], queue["max-limit"], queue["dynamic"]) == (
        f"dhcp-ds<{A}>",
        "223.203.225.10/32",
        "5000000/20000000",
        "true",
    )
    router.set_row(LEASE, row_id, {"address-lists": "paid", "rate-limit": ""})
    assert {r["list"] for r in router.rows(LIST)} == {"paid", "all-clients"}
    assert router.rows("/queue/simple") == []
    router.device_release(A)
    assert router.rows(LIST) == []
    assert router.rows(LEASE)[0]["status"] == "waiting"
    assert [r["message"] for r in router.rows("/log") if r["topics"] == "dhcp,info"] == [
        f"dhcp-vlan-32 assigned 223.203.225.10 for {A}",
        f"dhcp-vlan-32 deassigned 223.203.225.10 for {A}",
    ]


def test_an_expired_lease_frees_its_address():
    with running(seed_guide=True) as sim:
        router = sim.router
        router.set_row(SERVER, "dhcp-vlan-32", {"lease-time": "1s"})
        router.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10"})
        router.device(A)
        router.device(B)
        rows = router.rows(LEASE)
        while len(rows) == 2:
            rows = router.rows(LEASE)
        assert (rows[0]["status"], "active-address" in rows[0]) == ("waiting", False)


def test_an_address_list_row_with_a_timeout_is_dynamic_and_goes(router):
    row = {"list": "blocked", "address": "10.0.0.1", "timeout": "1s"}
    router.add_row(LIST, row)
    with pytest.raises(ControlError, match="already have such entry"):
        router.add_row(LIST, row)
    assert router.rows(LIST)[0]["dynamic"] == "true"
    while router.rows(LIST):
        pass


def test_networks_and_servers_have_their_own_refusals(router):
    network = "/ip/dhcp-server/network"
    for values, words in (
        ({"address": "223.203.225.0/24"}, "such network already exists"),
        ({"address": "10.0.0.1/24"}, "invalid network"),
        ({}, "missing =address="),
    ):
        with pytest.raises(ControlError, match=words):
            router.add_row(network, values)
    router.add_row(network, {"address": "223.203.225.0/25"})  # overlaps: accepted
    with pytest.raises(ControlError, match="server with such name already exists"):
        router.add_row(SERVER, {"name": "dhcp-vlan-32", "interface": "ether1"})


def test_a_used_option_may_be_removed_unless_the_switch_forbids_it(router):
    option = "/ip/dhcp-server/option"
    row_id = router.add_row(option, {"name": "dns", "code": "6", "value": "0x08080808"})
    router.add_row(LEASE, {"dhcp-option": "dns"})
    router.set_switches(option_in_use_removal="refuse")
    with pytest.raises(ControlError, match="in use"):
        router.remove_row(option, row_id)
    router.set_switches(option_in_use_removal="allow")
    router.remove_row(option, row_id)
    assert router.rows(LEASE)[0]["dhcp-option"] == row_id


def test_a_static_lease_of_the_same_address_keeps_what_the_dynamic_one_made(router):
    router.set_row(SERVER, "dhcp-vlan-32", {"add-arp": "yes"})
    address = router.device(A)["address"]
    router.add_row(LEASE, {"mac-address": A, "address": address})
    router.device_renews(A)
    assert [row["dynamic"] for row in router.rows(LEASE)] == ["false"]
    assert [row["address"] for row in router.rows("/ip/arp")] == [address]
