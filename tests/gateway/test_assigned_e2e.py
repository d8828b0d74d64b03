"""A BSS that manages no addresses: it asks for one over HTTP, and reads everywhere which it is."""

import csv
import io

import httpx
import pytest

from tests import builders
from tests.gateway.test_gateway_e2e import key_of, running_gateway
from tests.installation import SERVER, Installation, in_leases
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

FIRST, SECOND = "223.203.225.200", "223.203.225.201"
POOLS = f"""
[pools.home]
ranges = ["{FIRST}-{SECOND}"]
"""
ASSIGNED = {"mode": "assigned", "pool": "home"}


def activated(number):
    block = {"mac": builders.mac(number), "server": SERVER, "address": ASSIGNED}
    return builders.activated(f"SVC-{number}", **block)


@in_leases
def test_the_answer_the_feed_the_service_and_an_export_name_the_address(short_directory):
    with Installation(short_directory, tables=POOLS) as here, running_gateway(here) as (_, url):
        here.start_workers("events", "routers")
        with httpx.Client(base_url=url, headers=key_of(here), timeout=30) as bss:

            def publish(event):
                answer = bss.post("/v1/events", json=event, headers={"Prefer": "wait=20"})
                return answer.json()["receipts"][0]["outcome"]

            first, second = publish(activated(1)), publish(activated(2))
            assert (first["state"], first["assigned"]) == ("applied", {"address": FIRST})
            assert second["assigned"] == {"address": SECOND}
            rows = {service: row[0]["address"] for service, row in here.rows("R1").items()}
            assert rows == {"SVC-1": FIRST, "SVC-2": SECOND}

            bss.post("/v1/events", json=activated(3))
            eventually(lambda: here.outcome(activated(3)), "it is folded", within_s=20)
            asked = bss.get(f"/v1/events/{activated(3)['id']}").json()
            assert (asked["state"], asked["reason"]) == ("waiting", "pool-full")
            outcomes = bss.get("/v1/outcomes").json()["outcomes"]
            named = {
                outcome["subject"]: outcome["data"]["assigned"]["address"]
                for outcome in outcomes
                if outcome["type"] == "leasewire.outcome.applied.v1"
            }
            assert named == {"service/SVC-1": FIRST, "service/SVC-2": SECOND}
            assert bss.get("/v1/services/SVC-1").json()["assigned"] == {"address": FIRST}

            swapped = builders.event(
                "device_swapped", "SVC-1", revision=2, device={"mac": builders.mac(9)}
            )
            assert publish(swapped)["assigned"] == {"address": FIRST}
        rows = csv.DictReader(io.StringIO(here.leasewire("export").stdout))
        exported = {row["service_id"]: (row["assigned_pool"], row["ipv4"]) for row in rows}
        assert exported == {
            "SVC-1": ("home", FIRST),
            "SVC-2": ("home", SECOND),
            "SVC-3": ("home", ""),
        }
