"""A User Manager that two access routers ask, with real workers and commands."""

import pytest

from simulator.menus.user_manager import USER, pairs
from tests import builders
from tests.installation import INSTALLATION, LEASES, Installation, names_its_kind
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, names_its_kind]

ASKS = {"entries": '"user-manager"', "user_manager": '"R3"'}
RUNS = {"entries": '"user-manager"', "suspend_list": '"suspended"'}
PLANS = '[plans.gold]\nrate_limit = "10M/50M"\n'
GOLD = {"plan": {"code": "gold"}}


def test_a_service_lives_in_its_user_and_comes_back_to_its_router(short_directory):
    inventory = {"R1": dict(ASKS), "R2": dict(ASKS), "R3": dict(RUNS)}
    with Installation(
        short_directory, routers=3, menu=USER, inventory=inventory, tables=PLANS
    ) as here:
        theirs = here.control["R3"].add_row(USER, {"name": "theirs", "password": "x"})
        here.start_workers("events", "routers")

        def say(event):
            here.publisher.publish([event])
            here.wait_until_applied(event)
            rows = [row for row in here.control["R3"].rows(USER) if row[".id"] != theirs]
            return rows[0] if rows else {}

        place = {"mac": builders.mac(1), "ipv4": builders.ipv4(1)}
        event = builders.activated(router="R1", revision=1, **GOLD, **place)
        row = say(event)
        assert (row["name"], row["comment"]) == (place["mac"], f"leasewire:{INSTALLATION}:SVC-1")
        held = {"Framed-IP-Address": place["ipv4"], "Mikrotik-Rate-Limit": "10M/50M"}
        assert pairs(row["attributes"]) == held
        assert here.outcome(event).router == "R3"
        assert here.outcome(event).effective_by == "lease-time"
        listed = {**held, "Mikrotik-Address-List": "suspended"}
        assert pairs(say(builders.suspended(revision=2))["attributes"]) == listed
        assert pairs(say(builders.resumed(revision=3))["attributes"]) == held
        wrote = len(here.writes("R3"))
        say(builders.event("moved", revision=4, access={"router": "R2"}))
        assert len(here.writes("R3")) == wrote
        asked = here.leasewire("why", "SVC-1")
        assert asked.returncode == 0, asked.stdout
        shown = here.leasewire("services", "show", "SVC-1")
        assert "R2" in shown.stdout
        assert here.leasewire("plan", "R3").stdout == "R3: 1 service, 2 rows; nothing to write\n"
        checked = here.leasewire("routers", "check", "R3")
        for text in ("in /user-manager/user", "documented for PPP", "/user-manager has enabled=no"):
            assert text in checked.stdout
        here.control["R3"].run("/user-manager/set", {"enabled": "yes"})
        assert "enabled=no" not in here.leasewire("routers", "check", "R3").stdout
        assert here.leasewire("routers", "check", "R2").returncode == 0
        # R2 has leases of its own from now on: nothing moves before it is applied
        here.inventory["R2"] = {"entries": '"lease"'}
        here.write_inventory()
        for worker in here.workers:
            worker.process.terminate()
            worker.process.wait()
            worker.process = here.start_process(worker.kind)
        planned = here.leasewire("routers", "apply")
        assert planned.returncode == 4, planned.stdout
        assert "R2: the rows of 1 services move to another router" in planned.stdout
        assert here.leasewire("routers", "apply", "--apply").returncode == 0
        eventually(
            lambda: (
                [r["mac-address"] for r in here.control["R2"].rows(LEASES)] == [place["mac"]]
                and [r["name"] for r in here.control["R3"].rows(USER)] == ["theirs"]
            ),
            "the row moved",
            within_s=20,
        )
        here.wait_until_settled()
        assert here.leasewire("routers", "apply").returncode == 0
        assert say(builders.cancelled(revision=5)) == {}
        assert here.control["R2"].rows(LEASES) == []
        transports = {entry["session"].partition(":")[0] for entry in here.writes("R3")}
        assert transports == {here.transport}
