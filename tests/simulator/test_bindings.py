"""Bindings of DHCPv6 servers: dynamic ones, `make-static`, what they make, and when they end."""

import pytest

from simulator.control import ControlError
from simulator.testing import running
from tests.waiting import eventually

SERVER, BINDING = "/ipv6/dhcp-server", "/ipv6/dhcp-server/binding"
LISTS, ROUTES, QUEUES = "/ipv6/firewall/address-list", "/ipv6/route", "/queue/simple"
A, B = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B"
DUID, FIRST, OWN = "0x0003000100005e00530a", "2001:db8:100::/56", "2001:db8:1:100::/56"
POOL = {"name": "p6", "prefix": "2001:db8:100::/54", "prefix-length": "56"}


@pytest.fixture
def six(router):
    return with_server(router)


def with_server(router, **more):
    router.add_row("/ipv6/pool", POOL)
    pool = "address-pool" if router.version == "7.15.3" else "prefix-pool"
    router.add_row(SERVER, {"name": "six", "interface": "vlan-32", pool: "p6", **more})
    return router


def binding(router):
    (row,) = router.rows(BINDING)
    return row


def made_static(router, **more):
    """Have a device's dynamic row as a static one; give its id."""
    row_id = router.device6(A)["row_id"]
    router.run(f"{BINDING}/make-static", {".id": row_id})
    if more:
        router.set_row(BINDING, row_id, {name.replace("_", "-"): v for name, v in more.items()})
    return row_id


def test_a_device_gets_a_prefix_of_the_pool_and_a_dynamic_row(six):
    answer = six.device6(A)
    assert (answer["status"], answer["address"], answer["life_s"]) == ("success", FIRST, 259200)
    row = binding(six)
    assert (row["duid"], row["iaid"], row["ia-type"]) == (DUID, "1", "pd")
    assert (row["dynamic"], row["status"], row["active-server"]) == ("true", "bound", "six")
    assert row["client-address"] == "fe80::200:5eff:fe00:530a"
    (neighbor,) = six.rows("/ipv6/neighbor")
    assert (neighbor["address"], neighbor["mac-address"]) == (row["client-address"], A)
    with pytest.raises(ControlError, match="can not change dynamic binding"):
        six.set_row(BINDING, row[".id"], {"comment": "mine"})


def test_made_static_and_changed_it_gets_its_own_prefix_when_it_asks(six):
    row_id = made_static(six, address="2001:db8:1:100::7/56", comment="mine")
    row = binding(six)
    assert (row["address"], row["dynamic"], row["status"]) == (OWN, "false", "bound")
    (route,) = six.rows(ROUTES)
    assert route["dst-address"] == FIRST  # the device does not know yet
    answer = six.device6_renews(A)
    assert (answer["address"], answer["ended"], answer["row_id"]) == (OWN, (FIRST,), row_id)
    (route,) = six.rows(ROUTES)
    assert route["dst-address"] == OWN
    assert route["gateway"] == "fe80::200:5eff:fe00:530a%vlan-32"
    assert (route["dynamic"], route["dhcp"], route["active"]) == ("true",) * 3


def test_a_bound_binding_is_in_its_lists_and_those_of_its_server(router):
    with_server(router, **{"address-lists": "all"})
    made_static(router, address_lists="own")
    rows = {(row["list"], row["address"], row["dynamic"]) for row in router.rows(LISTS)}
    assert rows == {("own", FIRST, "true"), ("all", FIRST, "true")}
    router.device6_release(A)
    assert router.rows(LISTS) == router.rows(ROUTES) == []
    assert binding(router)["status"] == "waiting"


def test_another_iaid_is_another_client(six):
    made_static(six, address=OWN)
    six.device6_renews(A)
    assert six.device6(A, iaid=2)["address"] == FIRST
    assert [row["dynamic"] for row in six.rows(BINDING)] == ["false", "true"]


def test_a_static_row_takes_the_place_of_the_dynamic_one_at_the_next_request(six):
    six.device6(A)
    own = {"address": OWN, "duid": DUID.upper().replace("X", "x"), "iaid": "1"}
    row_id = six.add_row(BINDING, own)
    assert six.device6_renews(A)["address"] == OWN
    assert [row[".id"] for row in six.rows(BINDING)] == [row_id]


def test_a_static_row_for_the_same_prefix_keeps_the_route(six):
    six.device6(A)
    six.add_row(BINDING, {"address": FIRST, "duid": DUID, "iaid": "1"})
    six.device6_renews(A)
    assert binding(six)["dynamic"] == "false"
    assert [row["dst-address"] for row in six.rows(ROUTES)] == [FIRST]


def test_a_removed_binding_is_gone_for_the_device_that_renews(six):
    made_static(six, address=OWN)
    six.device6_renews(A)
    six.remove_row(BINDING, binding(six)[".id"])
    assert six.rows(ROUTES) == []
    assert six.device6_renews(A)["address"] == FIRST
    assert binding(six)["dynamic"] == "true"


def test_a_dynamic_row_waits_ten_minutes_for_its_device_after_it_ended(six):
    six.device6(A)
    six.skip(259201)
    assert binding(six)["status"] == "waiting"
    assert six.device6(B)["address"] == "2001:db8:100:100::/56"
    assert six.device6(A)["address"] == FIRST
    six.device6_release(A)
    six.skip(601)
    assert [row["client-address"][-4:] for row in six.rows(BINDING)] == ["530b"]


def test_a_pool_that_is_full_gives_nothing(six):
    for number in range(4):
        assert six.device6(A, iaid=number)["status"] == "success"
    assert six.device6(B)["status"] == "none-available"
    assert len(six.rows(BINDING)) == 4


def test_a_static_prefix_inside_the_pool_is_given_to_nobody_else(six):
    six.add_row(BINDING, {"address": "2001:db8:100:10::/60", "duid": DUID, "iaid": "1"})
    assert six.device6(B)["address"] == "2001:db8:100:100::/56"


def test_only_static_bindings_are_served_where_there_is_no_pool(six):
    six.set_row(SERVER, "six", {"prefix-pool": "static-only"})
    assert six.device6(A)["status"] == "none-available"
    six.add_row(BINDING, {"address": OWN, "duid": DUID, "iaid": "1"})
    assert six.device6(A)["address"] == OWN


def test_an_address_of_a_pool_of_addresses(six):
    six.add_row("/ipv6/pool", {"name": "a6", "prefix": "2001:db8:2::/64", "prefix-length": "128"})
    assert six.device6(A, ia="na")["status"] == "none-available"
    six.set_row(SERVER, "six", {"address-pool": "a6"})
    assert six.device6(A, ia="na")["address"] == "2001:db8:2::1/128"
    assert six.device6(A)["address"] == FIRST  # the same IAID, but a prefix
    assert [row["ia-type"] for row in six.rows(BINDING)] == ["na", "pd"]
    assert [row["dst-address"] for row in six.rows(ROUTES)] == [FIRST]


def test_before_7_17_there_are_prefixes_only_and_from_address_pool():
    with running(version="7.15.3", seed_guide=True) as sim:
        router = with_server(sim.router)
        assert router.device6(A, ia="na")["status"] == "none-available"
        assert router.device6(A)["address"] == FIRST
        assert "ia-type" not in binding(router)
        with pytest.raises(ControlError, match="unknown parameter ia-type"):
            router.add_row(BINDING, {"duid": DUID, "iaid": "2", "ia-type": "pd"})
        with pytest.raises(ControlError, match="unknown parameter parent-queue"):
            router.add_row(BINDING, {"duid": DUID, "iaid": "2", "parent-queue": "none"})


def test_one_queue_for_both_families_where_the_duid_tells_whose_it_is(six):
    made_static(six, rate_limit="5M/20M")
    (alone,) = six.rows(QUEUES)
    assert (alone["name"], alone["target"]) == (f"dhcp<{DUID[2:]} {FIRST}>", FIRST)
    lease = {"mac-address": A, "address": "223.203.225.10", "rate-limit": "1M/2M"}
    six.add_row("/ip/dhcp-server/lease", lease)
    six.device(A)
    (shared,) = six.rows(QUEUES)
    assert (shared["name"], shared["target"]) == (f"dhcp-ds<{A}>", f"223.203.225.10/32,{FIRST}")
    assert shared["max-limit"] == "1000000/2000000"
    six.set_row(BINDING, binding(six)[".id"], {"allow-dual-stack-queue": "no"})
    targets = {row["target"] for row in six.rows(QUEUES)}
    assert targets == {"223.203.225.10/32", FIRST}
    six.device_release(A)
    assert [row["target"] for row in six.rows(QUEUES)] == [FIRST]


def test_a_device_of_another_duid_has_a_queue_of_its_own(six):
    six.add_row("/ip/dhcp-server/lease", {"mac-address": A, "address": "223.203.225.10"})
    row_id = six.device6(A, duid="0x00020000ab11")["row_id"]
    six.run(f"{BINDING}/make-static", {".id": row_id})
    six.set_row(BINDING, row_id, {"rate-limit": "5M/20M"})
    six.device(A)
    assert [row["target"] for row in six.rows(QUEUES)] == [FIRST]


@pytest.mark.parametrize("duid", ["0003000100005e00530a", "0x", "0x123", "0xzz", "0x" + "00" * 131])
def test_a_duid_of_no_form_is_refused(six, duid):
    with pytest.raises(ControlError, match="Invalid DUID!"):
        six.add_row(BINDING, {"duid": duid, "iaid": "1"})


def test_a_second_static_binding_of_a_client_or_a_prefix_is_refused_by_switch(six):
    six.add_row(BINDING, {"address": OWN, "duid": DUID, "iaid": "1"})
    same_client = {"address": FIRST, "duid": DUID, "iaid": "1"}
    same_prefix = {"address": OWN, "duid": DUID, "iaid": "2"}
    for row, text in ((same_client, "for this client"), (same_prefix, "with this address")):
        with pytest.raises(ControlError, match=f"already have static binding {text}"):
            six.add_row(BINDING, row)
    six.set_switches(double_binding="allow")
    for row in (same_client, same_prefix):
        six.add_row(BINDING, row)


@pytest.mark.parametrize(
    ("moment", "after_the_change", "after_a_request"),
    [
        ("at-once", ["new"], ["new"]),
        ("at-renewal", ["old"], ["new"]),
        ("kept-until-expiry", ["old"], ["old"]),
    ],
)
def test_when_other_lists_act(six, moment, after_the_change, after_a_request):
    six.set_switches(lists_change=moment)
    row_id = made_static(six, address_lists="")
    six.set_switches(lists_change="at-once")
    six.set_row(BINDING, row_id, {"address-lists": "old"})
    six.set_switches(lists_change=moment)
    six.set_row(BINDING, row_id, {"address-lists": "new"})
    assert [row["list"] for row in six.rows(LISTS)] == after_the_change
    six.device6_renews(A)
    assert [row["list"] for row in six.rows(LISTS)] == after_a_request


def test_a_row_for_another_client_serves_the_old_one_no_more(six):
    row_id = made_static(six, address=OWN)
    six.device6_renews(A)
    six.set_row(BINDING, row_id, {"iaid": "2"})
    (route,) = six.rows(ROUTES)
    assert route["dst-address"] == OWN  # until its device asks
    assert six.device6_renews(A)["address"] == FIRST
    assert six.device6(A, iaid=2)["address"] == OWN


def test_a_restart_keeps_dynamic_rows_and_lets_static_ones_wait(six):
    made_static(six)
    six.device6(B)
    six.reboot()
    assert [row["status"] for row in six.rows(BINDING)] == ["waiting", "bound"]
    assert six.rows("/ipv6/neighbor") == []
    assert six.device6_renews(A)["address"] == FIRST


def test_ipv6_switched_off_gives_nothing(six):
    six.set_row("/ipv6/settings", "", {"disable-ipv6": "yes"})
    assert six.device6(A)["kind"] == "none"


def test_options_are_named_and_may_be_sets(six):
    option = {"name": "dns", "code": "23", "value": "'2001:db8::53'"}
    six.add_row(f"{SERVER}/option", option)
    (row,) = six.rows(f"{SERVER}/option")
    assert row["raw-value"] == "20010db8000000000000000000000053"
    six.add_row(f"{SERVER}/option/sets", {"name": "all", "options": "dns"})
    six.set_row(SERVER, "six", {"dhcp-option": "dns,all"})
    with pytest.raises(ControlError, match="input does not match any value of dhcp-option"):
        six.set_row(SERVER, "six", {"dhcp-option": "dns,none"})
    with pytest.raises(ControlError, match="no such command"):
        six.run(f"{SERVER}/unset", {".id": "six", "value-name": "dhcp-option"})


def test_reconfigure_is_sent_by_command_and_by_a_change():
    with running(version="7.20.8", seed_guide=True) as sim:
        router = with_server(sim.router, **{"use-reconfigure": "yes"})
        row_id = router.device6(A, reconfigure="ignore")["row_id"]
        router.run(f"{BINDING}/make-static", {".id": row_id})
        router.run(f"{BINDING}/send-reconfigure", {".id": row_id})
        assert binding(router)["reconfigure-last-sent"] == "1"
        router.set_row(BINDING, row_id, {"address": OWN})
        assert binding(router)["reconfigure-last-sent"] == "2"
        router.set_row(BINDING, row_id, {"comment": "mine"})
        router.set_row(SERVER, "six", {"lease-time": "1d"})
        assert binding(router)["reconfigure-last-sent"] == "3"
        router.device6(A)
        with pytest.raises(ControlError, match="client does not support reconfigure"):
            router.run(f"{BINDING}/send-reconfigure", {".id": row_id})


def test_a_device_that_obeys_has_its_new_prefix_by_itself():
    with running(version="7.20.8", seed_guide=True) as sim:
        router = with_server(sim.router, **{"use-reconfigure": "yes"})
        row_id = router.device6(A, reconfigure="obey")["row_id"]
        key = binding(router)["reconfigure-key"]
        router.run(f"{BINDING}/make-static", {".id": row_id})
        router.set_row(BINDING, row_id, {"address": OWN})
        eventually(lambda: router.rows(ROUTES)[0]["dst-address"] == OWN, "it has asked")
        row = binding(router)
        assert (row["reconfigure-status"], row["reconfigure-key"]) == ("renewed", key)


def test_a_router_without_the_package_has_none_of_its_menus(six):
    six.set_faults(missing_menus=["/ipv6"])
    for menu in (BINDING, ROUTES, LISTS):
        with pytest.raises(ControlError, match="no such command prefix"):
            six.rows(menu)
    assert six.device6(A)["kind"] == "none"
    assert six.rows("/ip/firewall/address-list") == []
    six.clear_faults()
    assert six.device6(A)["address"] == FIRST


@pytest.mark.parametrize(
    ("moment", "after_the_change", "after_a_request"),
    [("at-once", [], []), ("at-renewal", [FIRST], []), ("kept-until-expiry", [FIRST], [FIRST])],
)
def test_when_a_disabled_row_lets_its_client_go(six, moment, after_the_change, after_a_request):
    six.set_switches(disabling=moment)
    row_id = made_static(six)
    six.set_row(SERVER, "six", {"prefix-pool": "static-only"})
    six.set_row(BINDING, row_id, {"disabled": "yes"})
    assert [row["dst-address"] for row in six.rows(ROUTES)] == after_the_change
    assert six.device6(A, prefix=FIRST)["status"] == "none-available"
    assert [row["dst-address"] for row in six.rows(ROUTES)] == after_a_request
    six.skip(259201)
    assert six.rows(ROUTES) == []


def test_another_prefix_may_end_the_old_one_at_once(six):
    six.set_switches(address_change="at-once")
    made_static(six, address=OWN)
    assert binding(six)["status"] == "waiting"
    assert six.rows(ROUTES) == []
    assert six.device6_renews(A)["address"] == OWN
