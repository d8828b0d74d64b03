"""A service whose row stands on another router than its own: one router holds rows for several."""

from dataclasses import replace

import pytest

from tests import builders
from tests.small_installation import LEASES, SmallInstallation, activated
from worker.admin.router_names import RouterNames
from worker.errors import NotPossible
from worker.runtime.tasks import release_due

pytestmark = [pytest.mark.redis, pytest.mark.router]


class Installation(SmallInstallation):
    """R3 holds the rows of R1 and R2, whatever their kind."""

    def load(self):
        super().load()
        self.hold_at("R3", "R1", "R2")

    def hold_at(self, holder, *routers):
        """Say in the inventory where rows of routers stand; empty: on the router itself."""
        for name in routers:
            self.policies[name] = replace(self.policies[name], user_manager=holder)
            self.store.fleet.apply_policy(name, self.policies[name], "me")

    def state(self, event):
        """The state of its outcome: networks of R3 say nothing here."""
        return (self.outcome(event) or "").partition(":")[0]

    def rows_by_router(self):
        return {name: [row["mac-address"] for row in self.rows(name)] for name in self.r}


@pytest.fixture(scope="module")
def shared():
    with Installation(3) as here:
        yield here


@pytest.fixture
def here(shared):
    """With no service and no row."""
    shared.client.flushall()
    shared.load()
    for name, router in shared.r.items():
        for row in shared.rows(name, all_=True):
            router.remove_row(LEASES, row[".id"])
    return shared


@pytest.fixture
def served(here):
    """SVC-1 of R1 has its row on R3."""
    event = activated()
    here.say(event)
    here.drain()
    assert here.state(event) == "applied"
    return here


def moved(router, revision=2):
    access = {"router": router, "dhcp_server": "dhcp-vlan-32"}
    return builders.event("moved", revision=revision, access=access)


def test_its_row_stands_where_the_inventory_says(served):
    assert served.rows_by_router() == {"R1": [], "R2": [], "R3": [builders.mac(1)]}
    record = served.record()
    assert (record.router, record.row_router, list(record.placements)) == ("R1", "R3", ["R3"])
    assert "address:" + builders.ipv4(1) in served.store.views.router_claims("R3")
    assert served.store.views.router_claims("R1") == {}
    gone = builders.cancelled(revision=2)
    served.say(gone)
    served.drain()
    assert served.state(gone) == "applied"
    assert served.rows_by_router() == {"R1": [], "R2": [], "R3": []}


def test_a_move_between_two_routers_of_one_holder_writes_nothing(served):
    (row,) = served.rows("R3")
    served.r["R3"].reset_counters()
    move = moved("R2")
    served.say(move)
    served.drain()
    assert served.state(move) == "applied"
    assert served.rows("R3") == [row]
    assert {command.rpartition("/")[2] for command in served.r["R3"].counters()} <= {"print"}
    assert (served.record().router, served.record().row_router) == ("R2", "R3")


def test_a_move_to_a_router_that_holds_its_own_rows_takes_the_row_along(served):
    served.hold_at("", "R2")
    move = moved("R2")
    served.say(move)
    served.drain()
    assert served.state(move) == "applied"
    assert served.rows_by_router() == {"R1": [], "R2": [builders.mac(1)], "R3": []}


def test_services_of_two_routers_meet_in_their_claims_at_the_holder(served):
    rival = activated("SVC-2", 1, router="R2")
    served.say(rival)
    served.drain()
    assert (served.outcome(rival) or "").startswith("waiting: claim-held")
    assert served.rows_by_router()["R3"] == [builders.mac(1)]


@pytest.mark.parametrize("holder", ["", "R2"])
def test_a_changed_inventory_moves_rows_when_it_is_applied(served, holder):
    """An event would move a row as well; without one, `routers apply` has services looked at."""
    served.hold_at(holder, "R1")
    served.drain()
    assert served.rows_by_router()["R3"] == [builders.mac(1)], "nothing looked yet"
    served.store.schedule.look_again(["SVC-1"])
    release_due(served.accept)
    assert served.due(holder or "R1") == ["SVC-1"]
    served.drain()
    there = {"R1": [], "R2": [], "R3": []} | {holder or "R1": [builders.mac(1)]}
    assert served.rows_by_router() == there
    assert list(served.record().placements) == [holder or "R1"]
    assert not served.client.zcard(served.store.keys.schedule)


def test_a_row_stays_while_the_inventory_lacks_the_router_of_its_service(served):
    policy = served.policies.pop("R1")
    event = builders.mac_changed(mac=builders.mac(7), revision=2)
    served.say(event)
    served.drain()
    assert served.rows_by_router()["R3"] == [builders.mac(7)]
    served.policies["R1"] = policy
    assert served.record().row_router == "R3"


def test_a_holder_cannot_be_retired_while_services_of_others_need_it(served):
    with pytest.raises(NotPossible, match="1 services should be on router R3"):
        RouterNames(served.store, "me", lambda _: None).retire("R3")


def test_a_renamed_holder_keeps_its_rows(served):
    served.policies["HOLDER"] = served.policies["R3"]
    served.hold_at("HOLDER", "R1", "R2")
    RouterNames(served.store, "me", lambda _: None).rename("R3", "HOLDER", served.policies)
    record = served.record()
    assert (record.router, record.row_router) == ("R1", "HOLDER")
    assert list(record.placements) == ["HOLDER"]
