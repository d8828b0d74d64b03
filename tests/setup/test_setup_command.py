"""`leasewire routers setup` on a simulated router: plan, apply, proof; nothing else is touched."""

import json

import pytest

from simulator.testing import PASSWORD, running
from tests.setup.conftest import ADMIN, OURS, WISH, inventory_of
from tests.setup.pasting import paste
from worker.core.policy.setup_rows import MENUS

pytestmark = [pytest.mark.redis, pytest.mark.router]

SERVER, POOL, LEASE = "/ip/dhcp-server", "/ip/pool", "/ip/dhcp-server/lease"
NETWORK, FILTER, SERVICE = "/ip/dhcp-server/network", "/ip/firewall/filter", "/ip/service"
ALL = [*MENUS, LEASE]


def rows_of(router):
    """Every row by menu and id, but the counters and connections that live by themselves."""
    found = {}
    for menu in ALL:
        for row in router.rows(menu):
            if row.get("dynamic") != "true":
                row.pop("last-logged-in", None)
                found[menu, row[".id"]] = row
    return found


def alike(router):
    """What two routers set up in the same way have in common."""
    dropped = {".id", "last-logged-in", "creation-time"}
    dropped |= {"fingerprint", "invalid-before", "invalid-after"}
    menus = [menu for menu in ALL if menu not in ("/interface", LEASE)]
    return {
        menu: [
            {k: v for k, v in row.items() if k not in dropped}
            for row in router.rows(menu)
            if row.get("dynamic") != "true"
        ]
        for menu in menus
    }


def test_a_plan_writes_nothing_and_shows_each_step(inventory, setup, router):
    before = rows_of(router)
    shown = setup()
    assert shown.code == 4
    assert "14 changes. Run with --apply to make them." in shown.out
    assert "! the router has no address in 223.203.225.0/24" in shown.out
    assert "! api-ssl stays open to every address; manage_only = true" in shown.out
    assert OURS not in shown.out + shown.err
    assert rows_of(router) == before
    document = json.loads(setup("--json").out)
    assert [step["verb"] for step in document["steps"]].count("add") == 12
    assert OURS not in json.dumps(document)


def pin_of(router):
    """The line of the inventory that pins the one certificate of a router."""
    (row,) = router.rows("/certificate")
    return f'fingerprint = "{row["fingerprint"]}"'


def test_a_set_up_router_lets_us_in_over_tls_and_a_second_plan_is_empty(
    inventory, setup, leasewire, router
):
    done = setup("--apply", "--actor", "ada")
    assert done.code == 0, done
    assert "R1: 14 changes made" in done.out
    assert "✓ leasewire logs in to MikroTik over TLS" in done.out
    pin = pin_of(router)
    assert pin in done.out
    (user,) = [row for row in router.rows("/user") if row["name"] == "leasewire"]
    assert (user["group"], user["address"]) == ("leasewire", "127.0.0.0/8")
    (server,) = router.rows(SERVER)
    assert (server["interface"], server["lease-time"]) == ("ether2", "10m")
    after = router.journal()
    assert setup().out.endswith("R1: nothing to do.\n")
    assert setup().code == 0
    inventory(pin)
    assert leasewire("routers", "setup", "R1").code == 0
    again = leasewire("routers", "setup", "R1", "--apply")
    assert (again.code, "R1: nothing to do" in again.out) == (0, True)
    assert router.journal() == after
    # The run that found nothing to do is not recorded.
    (first,) = json.loads(leasewire("audit", "list", "--json").out)["entries"]
    assert (first["by"], first["what"], first["detail"]) == ("ada", "router.set_up", "14 changes")


def service(router, name="api-ssl"):
    """The row of a service that is not a connection."""
    rows = router.rows(SERVICE)
    (row,) = [r for r in rows if r["name"] == name and r.get("dynamic") != "true"]
    return row


@pytest.mark.parametrize(
    ("stands", "becomes"),
    [
        ("", ""),
        ("10.5.0.0/16,192.0.2.7/32", "10.5.0.0/16,192.0.2.7,127.0.0.0/8"),
        ("126.0.0.0/7,10.5.0.0/16", "126.0.0.0/7,10.5.0.0/16"),
    ],
)
def test_who_may_use_the_service_already_still_may(inventory, setup, router, stands, becomes):
    router.set_row(SERVICE, "api-ssl", {"address": stands})
    assert setup("--apply").code == 0
    ours = [each.replace("/32", "") for each in service(router)["address"].split(",")]
    assert ",".join(ours) == becomes
    assert setup().code == 0


@pytest.mark.parametrize("stands", ["", "10.5.0.0/16"])
def test_who_would_be_shut_out_of_the_service_is_said(inventory, setup, router, stands):
    inventory(spec=WISH.replace("walled_garden", "manage_only = true\nwalled_garden"))
    router.set_row(SERVICE, "api-ssl", {"address": stands})
    message = (
        f"! api-ssl will be restricted to 127.0.0.0/8: {stands or 'every other address'} loses"
    )
    assert message in setup().out
    done = setup("--apply")
    assert (done.code, message in done.out) == (0, True)
    assert service(router)["address"] == "127.0.0.0/8"
    again = setup()
    assert (again.code, "restricted" in again.out) == (0, False)


@pytest.mark.parametrize("version", ["6.48.6", "7.1.5", "7.24"])
def test_older_and_newer_routers_are_set_up_as_well(tmp_path, leasewire, inventory, version):
    with running(user=ADMIN, version=version) as simulation:
        router = simulation.router
        (tmp_path / "routers.toml").write_text(inventory_of(router))
        first = ["--bootstrap-user", ADMIN, "--bootstrap-plain"]
        first += ["--bootstrap-port", str(router.api_port)]
        assert leasewire("routers", "setup", "R1", *first, "--apply").code == 0
        assert leasewire("routers", "setup", "R1", *first).code == 0
        script = leasewire("routers", "setup", "R1", "--script", "--routeros", version).out
        with running(user=ADMIN, version=version) as other:
            paste(other.router, script)
            assert alike(other.router) == alike(router)


def test_our_password_never_goes_over_the_wire_in_clear(inventory, setup, router):
    setup("--apply")
    by = {
        (entry["command"].rpartition("/")[0]): entry.get("service", entry.get("session"))
        for entry in router.journal()
    }
    assert by["/ip/service"] != by["/user"]


def test_what_is_there_already_stays_as_it_is(inventory, setup, router):
    router.add_row(POOL, {"name": "theirs", "ranges": "192.0.2.10-192.0.2.20"})
    router.add_row(SERVER, {"name": "theirs", "interface": "ether3", "address-pool": "theirs"})
    router.add_row(NETWORK, {"address": "192.0.2.0/24", "gateway": "192.0.2.1"})
    router.add_row(LEASE, {"mac-address": "00:00:5E:00:53:01", "address": "192.0.2.15"})
    router.add_row(FILTER, {"chain": "forward", "action": "accept"})
    router.add_row("/user/group", {"name": "theirs", "policy": "read,winbox"})
    router.add_row("/user", {"name": "theirs", "group": "theirs", "password": "x"})
    router.add_row("/certificate", {"name": "theirs", "common-name": "theirs"})
    before = rows_of(router)
    assert setup("--apply").code == 0
    after = rows_of(router)
    changed = [key for key in before if after.get(key) != before[key]]
    ((service, row_id),) = changed
    assert (service, after[service, row_id]["name"]) == (SERVICE, "api-ssl")
    assert [row.get("action") for row in router.rows(FILTER)] == ["drop", "drop", "accept"]


def test_what_differs_is_shown_with_what_it_is_now_and_put_right(inventory, setup, router):
    setup("--apply")
    (network,) = router.rows(NETWORK)
    router.set_row(NETWORK, network[".id"], {"gateway": "223.203.225.254", "comment": "keep me"})
    (group,) = [row for row in router.rows("/user/group") if row["name"] == "leasewire"]
    router.set_row("/user/group", group[".id"], {"policy": "ftp,!write"})
    shown = setup()
    assert shown.code == 4
    assert "gateway=223.203.225.254 -> 223.203.225.1" in shown.out
    assert "2 changes." in shown.out
    assert setup("--apply").code == 0
    (network,) = router.rows(NETWORK)
    assert (network["gateway"], network["comment"]) == ("223.203.225.1", "keep me")
    assert setup().code == 0


def test_the_printed_script_gives_the_same_router(inventory, setup, leasewire, router):
    script = leasewire("routers", "setup", "R1", "--script").out
    assert setup("--apply").code == 0
    with running(user=ADMIN) as simulation:
        paste(simulation.router, script)
        assert alike(simulation.router) == alike(router)
        inventory(
            f'host = "{simulation.router.host}"'.replace("host", "server_name"),
            f"port = {simulation.router.api_ssl_port}",
            pin_of(simulation.router),
        )
        assert leasewire("routers", "setup", "R1").code == 0
    with running(user=ADMIN) as simulation:
        simulation.router.add_row(FILTER, {"chain": "forward", "action": "accept"})
        paste(simulation.router, script)
        assert [r["action"] for r in simulation.router.rows(FILTER)] == ["drop", "drop", "accept"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (("127.0.0.0/8", "192.0.2.0/24"), "sees us as 127.0.0.1, which is not in manage_from"),
        (('"ether2"', '"ether9"'), "there is no interface ether9"),
    ],
)
def test_what_is_in_the_way_is_said_and_nothing_is_written(inventory, setup, router, spec, said):
    inventory(spec=WISH.replace(*spec))
    before = rows_of(router)
    shown = setup("--apply")
    assert (shown.code, said in shown.out) == (2, True)
    assert rows_of(router) == before


def test_another_server_on_the_interface_is_in_the_way(inventory, setup, router):
    router.add_row(SERVER, {"name": "theirs", "interface": "ether2"})
    shown = setup("--apply")
    assert "interface ether2 already has the DHCP server theirs" in shown.out
    assert shown.code == 2
    assert len(router.rows(SERVER)) == 1


def test_without_a_pin_no_password_is_sent_over_tls(inventory, setup, router):
    shown = setup("--bootstrap-port", str(router.api_ssl_port), plain=False)
    assert (shown.code, "and none is pinned" in shown.err) == (1, True)
    assert router.counters() == {}


def test_the_others_need_not_wait_for_the_pin_of_one_that_waits_for_its_setup(
    inventory, leasewire, router
):
    shown = leasewire("plan", "R1", "--json")  # it is known, and refused only when it is asked
    assert shown.code == 1
    assert "and none is pinned" in shown.out + shown.err
    assert router.counters() == {}
    inventory(spec="")
    assert "has neither fingerprint nor ca_file" in leasewire("plan", "R1").err


@pytest.mark.parametrize("transport", ["api-ssl", "rest"])
def test_a_pinned_router_is_set_up_over_tls_from_the_first_step(
    inventory, setup, router, transport
):
    port = router.api_ssl_port if transport == "api-ssl" else router.rest_port
    row_id = router.add_row("/certificate", {"name": "theirs", "common-name": "theirs"})
    router.run("/certificate/sign", {".id": row_id})
    for service in ("api-ssl", "www-ssl"):
        router.set_row(SERVICE, service, {"certificate": "theirs"})
    pin = pin_of(router)
    inventory(f'transport = "{transport}"', f"port = {port}", pin)
    done = setup("--apply", plain=False)
    assert done.code == 0, done
    assert "Pin its certificate" not in done.out
    assert setup(plain=False).code == 0
    assert [row["name"] for row in router.rows("/certificate")] == ["theirs"]
    (group,) = [row for row in router.rows("/user/group") if row["name"] == "leasewire"]
    assert ("rest-api" in group["policy"].split(",")) == (transport == "rest")


def test_what_the_router_refuses_is_said_and_a_later_run_goes_on(
    inventory, setup, router, leasewire
):
    router.add_row(NETWORK, {"address": "223.203.225.0/24"})
    inventory(spec=WISH.replace("0x0A0B", "no form"))
    refused = setup("--apply")
    assert refused.code == 1
    assert "refused /ip/dhcp-server/option add dhcp-customers-43" in refused.err
    made = "4 of 14 changes; then it stopped"
    assert f"R1: {made}. Run it again to continue." in refused.err
    (entry,) = json.loads(leasewire("audit", "list", "--json").out)["entries"]
    assert entry["detail"] == made
    inventory()
    assert setup("--apply").code == 0


def test_a_wrong_password_of_the_first_user_is_said_and_not_shown(inventory, setup):
    shown = setup(password="wrong-3f9")
    assert shown.code == 1
    assert "login-refused" in shown.err
    assert "wrong-3f9" not in shown.out + shown.err
    assert PASSWORD not in shown.out + shown.err


def test_an_inventory_without_a_set_up_is_answered_with_an_example(inventory, setup, leasewire):
    inventory(spec="")
    shown = setup()
    assert shown.code == 2
    assert "[[routers.R1.setup.dhcp]]" in shown.err
    assert leasewire("routers", "setup", "R9").code == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('gateway = "223.203.225.1"', 'gateway = "192.0.2.1"'), "192.0.2.1 must be in"),
        (("225.100-223.203.225.254", "225.254-223.203.225.1"), "the lower address first"),
        (("223.203.225.0/24", "223.203.225.1/24"), "without host bits"),
        (('interface = "ether2"\n', ""), "interface: is missing"),
        (("domain =", "domein ="), "domein: unknown key"),
        (('["127.0.0.0/8"]', "[]"), "manage_from"),
    ],
)
def test_a_mistake_in_the_wish_is_told_where_it_stands(inventory, setup, change, said):
    assert change[0] in WISH
    inventory(spec=WISH.replace(*change))
    shown = setup()
    assert shown.code == 2
    assert "routers.R1.setup" in shown.err
    assert said in shown.err


def firewall(router):
    """Action, lists and whether it is on, of each rule that is not dynamic, in order."""
    names = ("action", "src-address-list", "dst-address-list", "disabled")
    rows = [row for row in router.rows(FILTER) if row.get("dynamic") != "true"]
    return [tuple(row.get(name, "") for name in names) for row in rows]


UP = ("drop", "suspended", "!suspended-garden", "false")
DOWN = ("drop", "!suspended-garden", "suspended", "false")


@pytest.mark.parametrize("transport", ["api-ssl", "rest"])
def test_rules_of_ours_that_stand_too_late_are_moved_before_fasttrack(
    inventory, setup, router, transport
):
    assert setup("--apply").code == 0
    port = router.api_ssl_port if transport == "api-ssl" else router.rest_port
    if transport == "rest":
        router.set_row(SERVICE, "www-ssl", {"certificate": "leasewire-api-ssl"})
    inventory(f'transport = "{transport}"', f"port = {port}", pin_of(router))
    assert setup("--apply", plain=False).code == 0
    first, second = (row[".id"] for row in router.rows(FILTER))
    router.add_row(FILTER, {"chain": "forward", "action": "fasttrack-connection"})
    router.add_row(FILTER, {"chain": "forward", "action": "accept"})
    router.run(f"{FILTER}/move", {"numbers": first})
    router.run(f"{FILTER}/move", {"numbers": second})
    assert [rule[0] for rule in firewall(router)][:2] == ["fasttrack-connection", "accept"]
    shown = setup(plain=False)
    assert shown.code == 4
    assert "before rule 1 (chain=forward action=fasttrack-connection" in shown.out
    assert setup("--apply", plain=False).code == 0
    assert firewall(router)[:2] == [UP, DOWN]
    assert [rule[0] for rule in firewall(router)][2:] == ["fasttrack-connection", "accept"]
    after = router.journal()
    assert setup("--apply", plain=False).code == 0
    assert router.journal() == after


@pytest.mark.parametrize("mode", ["keep", "spare-suspended", "off"])
def test_what_fasttrack_may_handle_is_as_the_inventory_says(
    inventory, setup, leasewire, router, mode
):
    inventory(spec=WISH.replace("walled_garden", f'fasttrack = "{mode}"\nwalled_garden'))
    fasttrack = {"chain": "forward", "action": "fasttrack-connection"}
    router.add_row(FILTER, fasttrack)
    assert setup("--apply").code == 0
    lists, disabled = ("", ""), "true" if mode == "off" else ""
    if mode == "spare-suspended":
        lists = ("!suspended", "!suspended")
    wanted = [UP, DOWN, ("fasttrack-connection", *lists, disabled)]
    assert firewall(router) == wanted
    assert setup().code == 0
    script = leasewire("routers", "setup", "R1", "--script").out
    with running(user=ADMIN) as simulation:
        simulation.router.add_row(FILTER, fasttrack)
        paste(simulation.router, script)
        assert firewall(simulation.router) == wanted


def test_devices_may_be_asked_to_renew_where_the_router_can(inventory, leasewire, tmp_path):
    spec = WISH.replace("walled_garden", "use_reconfigure = true\nwalled_garden")
    for version, wanted in (("7.18.2", None), ("7.21.5", "true")):
        with running(user=ADMIN, version=version) as simulation:
            router = simulation.router
            (tmp_path / "routers.toml").write_text(inventory_of(router, spec=spec))
            first = ["--bootstrap-user", ADMIN, "--bootstrap-plain"]
            first += ["--bootstrap-port", str(router.api_port)]
            done = leasewire("routers", "setup", "R1", *first, "--apply")
            assert (done.code, "use_reconfigure is left out" in done.out) == (0, not wanted), done
            assert router.rows(SERVER)[0].get("use-reconfigure") == wanted
            assert leasewire("routers", "setup", "R1", *first).code == 0


def test_packets_of_a_suspended_customer_pass_before_the_set_up_and_not_after_it(
    inventory, setup, router
):
    customer, world, garden = "223.203.225.100", "203.0.113.9", "198.51.100.80"
    for action in ("fasttrack-connection", "accept"):
        known = {"connection-state": "established,related"}
        router.add_row(FILTER, {"chain": "forward", "action": action, **known})
    router.add_row(FILTER, {"chain": "forward", "action": "accept"})
    old = router.flow(customer, world).establish()
    router.add_row("/ip/firewall/address-list", {"list": "suspended", "address": customer})
    assert router.flow(customer, world, protocol="udp").send().passed
    assert setup("--apply").code == 0
    assert not old.again().send().passed
    assert not router.flow(world, customer).send().passed
    assert router.flow(customer, garden).exchange().passed
    assert old.send().fasttrack  # no rule stops that: its connection must be removed
    for row in router.rows("/ip/firewall/connection"):
        router.remove_row("/ip/firewall/connection", row[".id"])
    assert not old.send().passed
    assert not old.send(back=True).passed


FILTER6, SERVER6 = "/ipv6/firewall/filter", "/ipv6/dhcp-server"


def rules6(router):
    names = ("action", "src-address-list", "dst-address-list")
    rows = [row for row in router.rows(FILTER6) if row.get("dynamic") != "true"]
    return [tuple(row.get(name, "") for name in names) for row in rows]


def test_a_router_that_delegates_prefixes_gets_rules_for_ipv6(inventory, setup, leasewire, router):
    assert setup("--apply").code == 0
    assert rules6(router) == []
    router.add_row(SERVER6, {"name": "v6", "interface": "ether2"})
    for action in ("fasttrack-connection", "accept"):
        router.add_row(FILTER6, {"chain": "forward", "action": action})
    shown = setup()
    assert (shown.code, shown.out.count(f"add      {FILTER6}")) == (4, 2), shown.out
    assert setup("--apply").code == 0
    assert rules6(router)[:2] == [("drop", "suspended", ""), ("drop", "", "suspended")]
    assert len(rules6(router)) == 4
    assert setup().code == 0

    spec = WISH.replace('["198.51.100.80"]', '["198.51.100.80", "2001:db8:80::80"]')
    inventory('ipv6_suspend_list = "off6"', spec=spec)
    script = leasewire("routers", "setup", "R1", "--script").out
    with running(user=ADMIN) as simulation:
        paste(simulation.router, script)
        assert rules6(simulation.router) == [
            ("drop", "off6", "!off6-garden"),
            ("drop", "!off6-garden", "off6"),
        ]
        (garden,) = simulation.router.rows("/ipv6/firewall/address-list")
        assert (garden["list"], garden["address"]) == ("off6-garden", "2001:db8:80::80/128")
