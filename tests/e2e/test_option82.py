"""Customers who are known by DHCP option 82, with real workers and commands."""

import json

import pytest

from tests import builders
from tests.installation import LEASES, SERVER, TRANSPORTS, Installation, names_both
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, names_both]

IDS = {"circuit_id": "eth 0/3", "remote_id": "olt-7"}
BY_IDS = {"R1": {"identify_by": '"option-82"'}}
OWN, OTHER = "223.203.225.10", "223.203.225.11"
FIELDS = ("agent-circuit-id", "agent-remote-id", "mac-address", "address", "block-access")


def hexed(*texts):
    return tuple(text.encode().hex() for text in texts)


def applied(here, *events):
    here.publisher.publish(events)
    here.wait_until_applied(*events)


def activated(service="SVC-1", ipv4=OWN, revision=1, **device):
    given = {"server": SERVER, "ipv4": ipv4, "revision": revision}
    return builders.activated(service, device=device or IDS, **given)


def row_of(here, service="SVC-1"):
    (row,) = here.rows("R1")[service]
    return [row.get(field, "") for field in FIELDS]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_customer_lives_at_a_port(short_directory, transport):
    with Installation(short_directory, transport=transport, menu=LEASES, inventory=BY_IDS) as here:
        router = here.control["R1"]
        theirs = {"address": "223.203.225.20", "agent-circuit-id": hexed("eth 0/9")[0]}
        kept = router.add_row(LEASES, theirs)
        foreign = next(row for row in router.rows(LEASES) if row[".id"] == kept)
        here.start_workers("events", "routers")
        where = ("--router", "R1", "--server", SERVER, "--address", OWN)
        ids = ("--circuit-id", "eth 0/3", "--remote-id", "olt-7", "--revision", "1")
        told = ("--source", builders.SOURCE, "--wait", "20")
        done = here.leasewire("publish", "activated", "--service", "SVC-1", *where, *ids, *told)
        assert done.returncode == 0, done.stdout + done.stderr
        assert row_of(here) == [*hexed("eth 0/3", "olt-7"), "", OWN, ""]
        for number in (1, 2):  # a swapped device needs no event
            assert router.device(builders.mac(number), **IDS)["address"] == OWN
            asked = here.leasewire("why", "SVC-1")
            assert f"all is well: device {builders.mac(number)} at eth 0/3+olt-7" in asked.stdout
        assert here.leasewire("plan", "R1").returncode == 0

        here.publisher.publish([activated("SVC-2", OTHER)])
        eventually(
            lambda: "is held by service SVC-1" in here.leasewire("why", "SVC-2").stdout,
            "the second service waits for the port",
            within_s=20,
        )
        claims = here.leasewire("claims", "show", "option-82:eth 0/3+olt-7", "--json")
        (claim,) = json.loads(claims.stdout)["claims"]
        assert (claim["service"], claim["waiters"]) == ("SVC-1", ["SVC-2"])
        moved = builders.event(
            "device_swapped", revision=2, device={"circuit_id": "0x0004", "remote_id": "olt-7"}
        )
        applied(here, moved)
        eventually(lambda: "SVC-2" in here.rows("R1"), "the port is free", within_s=20)
        here.wait_until_settled()
        assert row_of(here)[:4] == ["0004", *hexed("olt-7"), "", OWN]
        assert row_of(here, "SVC-2")[:4] == [*hexed("eth 0/3", "olt-7"), "", OTHER]
        exported = here.leasewire("export", "--format", "ndjson", "--router", "R1")
        devices = [json.loads(line)["service"]["device"] for line in exported.stdout.splitlines()]
        assert devices == [{"circuit_id": "0x0004", "remote_id": "olt-7"}, IDS]
        applied(here, builders.suspended(revision=3))
        assert row_of(here)[-1] == "true"
        applied(here, builders.cancelled(revision=4), builders.cancelled("SVC-2", revision=2))
        assert router.rows(LEASES) == [foreign]
        ours = [
            each["command"].rpartition("/")[2]
            for each in router.journal()
            if each["session"].partition(":")[0] == transport
        ]
        assert ours == ["add", "set", "add", "set", "remove", "remove"]  # one write a change


def test_customers_exchange_ports_and_move_from_macs_and_back(short_directory):
    with Installation(short_directory, menu=LEASES) as here:
        router = here.control["R1"]
        here.start_workers("events", "routers")
        ports = [{"circuit_id": f"eth 0/{n}", "remote_id": "olt-7"} for n in range(3)]
        events = [
            activated(f"SVC-{n}", f"223.203.225.{n + 10}", mac=builders.mac(n + 1), **ports[n])
            for n in range(3)
        ]
        applied(here, *events)
        before = [row_of(here, f"SVC-{n}") for n in range(3)]
        assert [row[2] for row in before] == [builders.mac(n + 1) for n in range(3)]
        rows = {row[".id"] for row in router.rows(LEASES)}
        for name, named in (("option-82", "identify_by"), ("mac", "")):
            here.inventory = BY_IDS if named else {}
            here.write_inventory()
            here.restart_workers("events", "routers")
            asked = here.leasewire("routers", "apply", "R1", "--apply")
            assert asked.returncode == 0, asked.stdout + asked.stderr
            here.wait_until_settled()
            found = [row_of(here, f"SVC-{n}") for n in range(3)]
            assert {row[".id"] for row in router.rows(LEASES)} == rows
            if name == "mac":
                assert found == before
                continue
            assert [row[0] for row in found] == [*hexed("eth 0/0", "eth 0/1", "eth 0/2")]
            assert {row[2] for row in found} == {""}
            ring = [
                builders.event(
                    "device_swapped",
                    f"SVC-{n}",
                    revision=2,
                    device={**ports[(n + 1) % 3], "mac": builders.mac(n + 1)},
                )
                for n in range(3)
            ]
            applied(here, *ring)
            found = [row_of(here, f"SVC-{n}") for n in range(3)]
            assert [row[0] for row in found] == [*hexed("eth 0/1", "eth 0/2", "eth 0/0")]


def test_a_router_before_7_21_has_them_wait_with_the_reason(short_directory):
    with Installation(
        short_directory, menu=LEASES, inventory=BY_IDS, simulator=("--version", "7.20.8")
    ) as here:
        here.start_workers("events", "routers")
        here.publisher.publish([activated(), activated("SVC-2", OTHER, mac=builders.mac(2))])
        eventually(lambda: "SVC-2" in here.rows("R1"), "the one by MAC is written", within_s=20)
        assert row_of(here, "SVC-2")[2:4] == [builders.mac(2), OTHER]
        asked = here.leasewire("why", "SVC-1")
        assert "field option-82 of /ip/dhcp-server/lease (RouterOS 7.21 and later)" in asked.stdout
        assert list(here.rows("R1")) == ["SVC-2"]
