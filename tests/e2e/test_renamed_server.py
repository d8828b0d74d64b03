"""What rows name is renamed on the router: services wait for it, and go on when it is back."""

import json

import pytest

from tests import builders
from tests.installation import MENU, SECRETS, SERVER, Installation, not_in_mac_server
from tests.refusals import refused
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, not_in_mac_server]

NAMED, NAME, CALLED = {
    SECRETS: ("/ppp/profile", "p-50", "profile 'p-50'"),
}.get(MENU, ("/ip/dhcp-server", SERVER, f"DHCP server '{SERVER}'"))
"""The menu of what rows name, its name, and how the reason calls it."""
PLANS = '[plans.HOME-50]\nprofile = "p-50"\n'


def mac(number, choice=0):
    return f"00:00:5E:00:{choice:02X}:{number:02X}"


def activated(number):
    return builders.activated(
        f"SVC-{number}",
        router="R1",
        server=SERVER,
        mac=mac(number),
        ipv4=f"223.203.225.{100 + number}",
        plan={"code": "HOME-50"},
    )


def rename(router, was, now):
    (row,) = [row for row in router.rows(NAMED) if row["name"] == was]
    router.set_row(NAMED, row[".id"], {"name": now})


def test_services_wait_for_what_was_renamed_and_go_on_by_themselves(short_directory):
    with Installation(short_directory, tables=PLANS if MENU == SECRETS else "") as here:
        if MENU == SECRETS:
            here.control["R1"].add_row(NAMED, {"name": NAME})
        here.environ_more = {"LEASEWIRE_ROUTER_RECHECK_S": "1"}
        here.start_workers("events", "routers")
        here.publisher.publish([activated(n) for n in range(1, 21)])
        eventually(lambda: len(here.rows("R1")) == 20, "20 rows", within_s=20)
        here.wait_until_settled()
        router = here.control["R1"]
        rename(router, NAME, "renamed")
        router.reset_counters()
        changes = [
            *(builders.mac_changed(f"SVC-{n}", mac(n, 1), revision=2) for n in range(1, 21)),
            *(activated(n) for n in range(21, 31)),
        ]
        here.publisher.publish(changes)

        def states():
            said = [here.outcome(event) for event in changes]
            return {f"{outcome.state}: {outcome.reason}" if outcome else "" for outcome in said}

        eventually(lambda: states() == {"waiting: waiting-for-router"}, "all wait", within_s=20)
        waiting = here.store.views.router_waiting("R1")
        assert {why["detail"] for why in waiting.values()} == {f"not there: {CALLED}"}
        rename(router, "renamed", NAME)
        eventually(lambda: states() == {"applied: "}, "all go on", within_s=20)
        assert {row["mac-address"] for rows in here.rows("R1").values() for row in rows} == {
            *(mac(n, 1) for n in range(1, 21)),
            *(mac(n) for n in range(21, 31)),
        }
        assert here.store.views.dead_letters() == []
        # Only the pass that learnt of it tried: what it had read in its session was old.
        assert sum(refused(router).values()) <= len(changes)
        logged = [json.loads(line) for line in here.log_text().splitlines() if line[:1] == "{"]
        assert len([line for line in logged if line["event"] == "router.prerequisite_missing"]) == 1
