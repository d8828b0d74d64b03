"""What a router's policy makes of suspensions, plans, DNS servers and options, on real parts."""

import pytest

from tests import builders
from tests.installation import (
    LEASES,
    SECRETS,
    SERVER,
    Installation,
    in_any_version,
    in_leases,
    not_in_mac_server,
)
from tests.refusals import refused
from tests.waiting import eventually
from worker.core.effect.rungs import describe

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

OPTIONS, LISTS = "/ip/dhcp-server/option", "/ip/firewall/address-list"
POLICY = {"suspend_list": '"suspended"', "throttle": '"64k/64k"', "lease_time": '"30m"'}
PLANS = '[plans.HOME-50]\nrate_limit = "10M/50M"\nprofile = "p-50"\n'
PROFILE = "/ppp/profile"


def activated(service_id="SVC-1", number=1, **given):
    given = {"server": SERVER, "mac": builders.mac(number), "ipv4": builders.ipv4(number)} | given
    return builders.activated(service_id, **given)


def change(name, revision, service_id="SVC-1", **data):
    return builders.event(name, service_id, revision=revision, **data)


def publish(here, *events):
    """Publish, and wait until every event is applied; returns the last one's outcome."""
    here.publisher.publish(events)
    eventually(
        lambda: all((o := here.outcome(e)) and o.state == "applied" for e in events),
        f"applied: {[here.outcome(event) for event in events]}",
        within_s=20,
    )
    return here.outcome(events[-1])


def lease_of(here, service_id="SVC-1"):
    (row,) = here.rows("R1")[service_id]
    return row


def converge_again(here, *service_ids):
    """Mark services once more and see that nothing is written."""
    before = len(here.writes("R1"))
    assert here.leasewire("plan", "R1").returncode == 0
    assert len(here.writes("R1")) == before


@pytest.fixture(params=["7.9.2", "7.24", pytest.param("6.48.6", marks=in_any_version)])
def version(request):
    return request.param


@in_leases
def test_each_way_to_suspend_and_back(short_directory, version):
    with Installation(
        short_directory,
        inventory={"R1": POLICY},
        tables=PLANS,
        simulator=["--version", version],
    ) as here:
        router = here.control["R1"]
        router.add_row(LISTS, {"list": "suspended", "address": "198.51.100.99", "comment": "x"})
        foreign = router.rows(LISTS)
        here.start_workers("events", "routers")
        publish(here, activated(plan={"code": "HOME-50"}))
        assert lease_of(here)["rate-limit"] == "10M/50M"
        assert lease_of(here)["lease-time"] == "30m"

        said = publish(here, builders.suspended(revision=2))
        assert describe(said.effective_by).startswith("with its row in the address list")
        assert router.rows(LISTS)[:1] == foreign
        (row,) = router.rows(LISTS)[1:]
        assert (row["list"], row["address"]) == ("suspended", builders.ipv4(1))
        assert row["comment"] == "leasewire:tests:SVC-1"
        assert lease_of(here)["blocked"] == "false"

        # the row follows the address
        moved = {"mode": "static", "ipv4": builders.ipv4(7)}
        publish(here, change("address_changed", 3, address=moved))
        assert [row["address"] for row in router.rows(LISTS)[1:]] == [builders.ipv4(7)]

        said = publish(here, change("suspended", 4, suspension={"mode": "throttle"}))
        assert router.rows(LISTS) == foreign
        assert lease_of(here)["rate-limit"] == "64k/64k"

        said = publish(here, change("suspended", 5, suspension={"mode": "block"}))
        assert describe(said.effective_by) == (
            "at the device's next renewal, at the latest by the end of the lease time of 30m"
        )
        assert lease_of(here)["blocked"] == "true"
        assert lease_of(here)["rate-limit"] == "10M/50M"

        publish(here, builders.resumed(revision=6))
        assert lease_of(here)["blocked"] == "false"
        publish(here, builders.suspended(revision=7), builders.cancelled(revision=8))
        assert router.rows(LISTS) == foreign
        assert "SVC-1" not in here.rows("R1")
        converge_again(here)


@in_leases
def test_dns_servers_and_options_are_rows_that_services_share(short_directory):
    with Installation(short_directory) as here:
        router = here.control["R1"]
        here.start_workers("events", "routers")
        dns = ["198.51.100.53", "198.51.100.54"]
        publish(
            here,
            *(
                activated(f"SVC-{n}", n, dns_servers=dns, options=[{"code": 42, "hex": "C6336435"}])
                for n in range(1, 21)
            ),
        )
        rows = {row["name"]: row for row in router.rows(OPTIONS)}
        assert sorted((row["code"], row["value"]) for row in rows.values()) == [
            ("42", "0xc6336435"),
            ("6", "0xc6336435c6336436"),
        ]
        assert {lease_of(here, f"SVC-{n}")["dhcp-option"] for n in range(1, 21)} == {
            ",".join(sorted(rows))
        }
        assert router.counters()[f"{OPTIONS}/add"] == 2
        assert refused(router) == {}

        said = publish(here, change("dns_changed", 2, dns_servers=[]))
        until = f"the end of the lease time of 30m of DHCP server {SERVER}"
        assert describe(said.effective_by).endswith(until)
        assert "opt42" in lease_of(here)["dhcp-option"]
        assert "dns" not in lease_of(here)["dhcp-option"]
        publish(here, change("options_changed", 3, options=[]))
        assert lease_of(here)["dhcp-option"] == ""
        converge_again(here)


@in_leases
def test_options_that_nobody_names_twice_in_a_row_are_collected(short_directory):
    with Installation(short_directory) as here:
        router = here.control["R1"]
        here.start_workers("events", "routers")
        dns, other = ["198.51.100.53"], ["198.51.100.54"]
        publish(
            here,
            activated(dns_servers=dns),
            activated("SVC-2", 2, dns_servers=other),
            activated("SVC-3", 3, options=[{"code": 42, "hex": "c6336435"}]),
        )
        router.add_row(OPTIONS, {"name": "by-hand", "code": "6", "value": "0x01020304"})
        ours = {row["name"] for row in router.rows(OPTIONS)} - {"by-hand"}
        (used,) = lease_of(here)["dhcp-option"].split(",")
        (in_set,) = lease_of(here, "SVC-3")["dhcp-option"].split(",")
        (unused,) = ours - {used, in_set}
        router.add_row(f"{OPTIONS}/sets", {"name": "a-set", "options": in_set})

        def collect(*more):
            return here.leasewire("options", "collect", "R1", *more)

        assert collect().returncode == 0  # all are in use
        changes = [
            change("dns_changed", 2, "SVC-2", dns_servers=[]),
            change("options_changed", 2, "SVC-3", options=[]),
        ]
        publish(here, *changes)
        assert collect().returncode == 4  # a look alone counts for nothing
        first = collect("--apply")
        assert (first.returncode, unused in first.stdout) == (0, True)
        assert ours <= {row["name"] for row in router.rows(OPTIONS)}
        second = collect("--apply")
        assert f"{unused}: removed" in second.stdout
        assert {row["name"] for row in router.rows(OPTIONS)} == {used, in_set, "by-hand"}
        assert [entry.what for entry in here.store.audit.entries()] == ["router.options_removed"]
        publish(here, change("dns_changed", 3, "SVC-2", dns_servers=dns))
        assert lease_of(here, "SVC-2")["dhcp-option"] == used
        assert refused(router) == {}


@not_in_mac_server
def test_services_without_lists_and_options_cost_no_other_reads(short_directory):
    with Installation(short_directory, inventory={"R1": POLICY}) as here:
        here.start_workers("events", "routers")
        publish(here, activated(), activated("SVC-2", 2))
        counters = here.control["R1"].counters()
        assert f"{OPTIONS}/print" not in counters
        assert f"{LISTS}/print" not in counters


@not_in_mac_server
def test_an_unknown_plan_waits_until_the_catalogue_has_it(short_directory):
    with Installation(short_directory, tables=PLANS) as here:
        here.control["R1"].add_row(PROFILE, {"name": "p-50"})
        here.start_workers("events", "routers")
        event = activated(plan={"code": "HOME-99"})
        here.publisher.publish([event])
        eventually(
            lambda: (o := here.outcome(event)) and o.state == "waiting",
            "it waits for the plan",
            within_s=20,
        )
        assert here.outcome(event).reason == "unknown-plan"
        assert "HOME-99" in here.outcome(event).detail
        assert here.rows("R1") == {}
        publish(here, change("plan_changed", 2, plan={"code": "HOME-50"}))
        field, value = ("profile", "p-50") if here.menu == SECRETS else ("rate-limit", "10M/50M")
        assert lease_of(here)[field] == value


@in_leases
@in_any_version
def test_what_a_version_lacks_lets_services_wait_and_is_not_refused(short_directory):
    with Installation(
        short_directory,
        inventory={"R1": {"force_options": "true"}},
        simulator=["--version", "6.48.6"],
    ) as here:
        here.start_workers("events", "routers")
        with_dns = activated(dns_servers=["198.51.100.53"])
        here.publisher.publish([with_dns])
        publish(here, activated("SVC-2", 2))
        eventually(lambda: here.outcome(with_dns).state == "waiting", "it waits", within_s=20)
        assert "field force of /ip/dhcp-server/option (RouterOS 7.1 and later)" in (
            here.outcome(with_dns).detail
        )
        planned = here.leasewire("plan", "R1")
        assert "SVC-1: waits (waiting-for-router): not there: field force" in planned.stdout
        assert planned.returncode == 0
        assert refused(here.control["R1"]) == {}


@in_leases
def test_what_the_policy_manages_is_put_right_and_the_rest_left_alone(short_directory):
    with Installation(short_directory, inventory={"R1": POLICY}) as here:
        here.start_workers("events", "routers")
        publish(here, activated())
        by_hand = {"lease-time": "1h", "address-lists": "by-hand"}
        here.control["R1"].set_row(LEASES, lease_of(here)[".id"], by_hand)
        publish(here, change("mac_changed", 2, mac=builders.mac(9)))
        assert lease_of(here)["lease-time"] == "30m"
        assert lease_of(here)["address-lists"] == "by-hand"


@not_in_mac_server
def test_a_list_row_whose_writing_was_never_confirmed_goes_with_the_suspension(short_directory):
    with Installation(short_directory, inventory={"R1": POLICY}) as here:
        router = here.control["R1"]
        here.start_workers("events", "routers")
        publish(here, activated())
        router.set_faults(latency_ms=500)  # the row stands long before its writer hears of it
        here.publisher.publish([builders.suspended(revision=2)])
        eventually(lambda: router.rows(LISTS), "the row", within_s=20)
        router.power_off()
        resumed = builders.resumed(revision=3)
        here.publisher.publish([resumed])
        eventually(lambda: here.outcome(resumed), "it is accepted", within_s=20)
        assert here.outcome(resumed).state == "accepted"
        router.clear_faults()
        router.power_on()
        eventually(lambda: here.outcome(resumed).state == "applied", "it is applied", within_s=20)
        assert router.rows(LISTS) == []
