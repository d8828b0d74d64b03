"""Services as users of a User Manager that several access routers ask."""

import pytest

from simulator.menus.user_manager import USER, pairs
from tests import builders
from tests.small_installation import activated
from tests.user_manager import Users
from worker.admin.adoption import Adoption
from worker.admin.restore import restored
from worker.admin.router_names import RouterNames
from worker.errors import NotPossible

pytestmark = [pytest.mark.redis, pytest.mark.router]

MAC, ADDRESS = builders.mac(1), builders.ipv4(1)
POLICY = 'suspend_list = "suspended"\nthrottle = "64k/64k"'
GOLD = {"Framed-IP-Address": ADDRESS, "Mikrotik-Rate-Limit": "10M/50M"}


@pytest.fixture(scope="module")
def shared():
    with Users(POLICY) as here:
        yield here


@pytest.fixture
def here(shared):
    """With no service and no user."""
    shared.client.flushall()
    shared.load()
    for row in shared.r["R3"].rows(USER):
        shared.r["R3"].remove_row(USER, row[".id"])
    shared.r["R3"].reset_counters()
    return shared


def gold(service="SVC-1", number=1, **given):
    return activated(service, number, **{"plan": {"code": "gold"}, **given})


def change(name, revision, **given):
    return builders.event(name, "SVC-1", revision=revision, **given)


def test_a_service_lives_in_its_user(here):
    here.apply(gold(label="Ada"))
    (row,) = here.r["R3"].rows(USER)
    assert (row["name"], row["comment"]) == (MAC, "leasewire:acme:SVC-1")
    assert here.users() == {MAC: GOLD}
    assert (row["password"], here.writes()) == ("", 1)
    assert [here.rows(name, all_=True) for name in ("R1", "R2", "R3")] == [[], [], []]
    here.apply(builders.mac_changed(mac=builders.mac(9), revision=2))
    assert here.users() == {builders.mac(9): GOLD}
    moved = {"mode": "static", "ipv4": builders.ipv4(7)}
    here.apply(change("address_changed", 3, address=moved))
    here.apply(change("plan_changed", 4, plan={"code": "silver"}))
    silver = {"Framed-IP-Address": builders.ipv4(7), "Mikrotik-Rate-Limit": "5M/20M"}
    assert here.users() == {builders.mac(9): silver}
    (now,) = here.r["R3"].rows(USER)
    assert now[".id"] == row[".id"]
    assert here.writes() == 4, "one for each event"
    here.apply(builders.cancelled(revision=5))
    assert here.users() == {}


@pytest.mark.parametrize(
    ("mode", "gets"),
    [
        (None, {**GOLD, "Mikrotik-Address-List": "suspended"}),
        ("walled_garden", {**GOLD, "Mikrotik-Address-List": "suspended"}),
        ("throttle", {**GOLD, "Mikrotik-Rate-Limit": "64k/64k"}),
        ("block", {**GOLD, "disabled": "yes"}),
    ],
)
def test_each_way_to_suspend_and_back(here, mode, gets):
    here.apply(gold())
    here.apply(builders.suspended(mode=mode, revision=2))
    assert here.users() == {MAC: gets}
    here.apply(builders.resumed(revision=3))
    assert here.users() == {MAC: GOLD}
    assert here.writes() == 3


def test_a_move_between_its_access_routers_writes_nothing(here):
    here.apply(gold())
    access = {"router": "R2", "dhcp_server": "other"}
    here.apply(builders.event("moved", revision=2, access=access))
    assert here.users() == {MAC: GOLD}
    assert (here.writes(), here.record().router) == (1, "R2")


def test_foreign_users_stay_and_one_with_the_address_or_the_mac_makes_a_service_wait(here):
    theirs = {
        "ada": {"name": "ada", "attributes": f"Framed-IP-Address:{ADDRESS},Session-Timeout:60"},
        "device": {"name": builders.mac(2), "comment": "by hand"},
        "other": {"name": "hotspot", "attributes": "Session-Timeout:60"},
    }
    ids = {name: here.r["R3"].add_row(USER, row) for name, row in theirs.items()}
    before = {row[".id"]: row for row in here.r["R3"].rows(USER)}
    first, second = gold(), gold("SVC-2", 2, revision=1)
    here.say(first, second)
    here.drain()
    for event in (first, second):
        assert (here.outcome(event) or "").startswith("waiting"), here.outcome(event)
    assert ADDRESS in here.outcome(first)
    assert {row[".id"]: row for row in here.r["R3"].rows(USER)} == before
    here.r["R3"].remove_row(USER, ids["ada"])
    here.r["R3"].remove_row(USER, ids["device"])
    for service in ("SVC-1", "SVC-2"):
        here.store.routers.add_work("R3", [service])
    here.drain()
    assert here.outcome(first) == here.outcome(second) == "applied"
    after = {row[".id"]: row for row in here.r["R3"].rows(USER)}
    assert after[ids["other"]] == before[ids["other"]]
    assert len(after) == 3


def test_addresses_that_go_round_are_never_in_two_users(here):
    services = [f"SVC-{number}" for number in (1, 2, 3)]
    here.apply(*[gold(service, number) for number, service in enumerate(services, 1)])
    here.r["R3"].reset_counters()
    ring = [
        builders.event(
            "address_changed",
            service,
            revision=2,
            address={"mode": "static", "ipv4": builders.ipv4(number % 3 + 1)},
        )
        for number, service in enumerate(services, 1)
    ]
    here.say(*ring)
    start = len(here.r["R3"].journal())
    here.drain()
    assert [here.outcome(event) for event in ring] == ["applied"] * 3
    assert {mac: held["Framed-IP-Address"] for mac, held in here.users().items()} == {
        builders.mac(number): builders.ipv4(number % 3 + 1) for number in (1, 2, 3)
    }
    assert here.writes() == 4, "one gave its own up for a moment"
    held = {builders.mac(number): builders.ipv4(number) for number in (1, 2, 3)}
    for write in here.r["R3"].journal(start):
        row = write["after"]
        held[row["name"]] = pairs(row["attributes"])["Framed-IP-Address"]
        assert len(set(held.values())) == 3, write


def test_services_of_two_access_routers_cannot_share_an_address(here):
    here.apply(gold())
    rival = gold("SVC-2", 2, ipv4=ADDRESS, router="R2")
    here.say(rival)
    here.drain()
    assert (here.outcome(rival) or "").startswith("waiting: claim-held")
    assert here.users() == {MAC: GOLD}


def test_what_a_person_changed_is_drift_and_put_right(here):
    here.apply(gold())
    (row,) = here.r["R3"].rows(USER)
    edited = {"attributes": "Framed-IP-Address:192.0.2.9,Mikrotik-Rate-Limit:1M", "disabled": "yes"}
    here.r["R3"].set_row(USER, row[".id"], edited)
    here.store.routers.add_work("R3", ["SVC-1"])
    here.drain()
    assert here.users() == {MAC: GOLD}


def test_attributes_in_another_spelling_are_the_same(here):
    here.apply(gold())
    (row,) = here.r["R3"].rows(USER)
    spelt = f"Mikrotik-Rate-Limit:10000k/50M,Framed-IP-Address:{ADDRESS}"
    here.r["R3"].set_row(USER, row[".id"], {"attributes": spelt})
    here.r["R3"].reset_counters()
    here.store.routers.add_work("R3", ["SVC-1"])
    here.drain()
    assert here.writes() == 0


def test_a_pool_is_one_of_the_access_router(here):
    here.apply(gold(pool="customers", ipv4=None))
    assert here.users()[MAC] == {"Framed-Pool": "customers", "Mikrotik-Rate-Limit": "10M/50M"}


def test_users_of_before_are_found_for_their_services(here):
    for name in (MAC, "hotspot", builders.mac(2).lower()):
        here.r["R3"].add_row(USER, {"name": name, "attributes": "Session-Timeout:60"})
    here.say(gold(), gold("SVC-2", 2))
    session = here.sessions.open("R3")
    found = Adoption(here.store, "R3", here.policies["R3"]).sort(session)
    session.close()
    assert {row.row.device: (row.sort, row.service_id) for row in found} == {
        MAC: ("adopt", "SVC-1"),
        "hotspot": ("foreign", ""),
        builders.mac(2).lower(): ("foreign", ""),
    }


def test_a_service_is_restored_unless_one_of_another_access_router_has_its_address(here):
    here.apply(gold())
    here.apply(builders.cancelled(revision=2))
    assert restored(here.store, here.policies, "SVC-1", "me")
    here.apply(gold("SVC-2", 2, ipv4=ADDRESS, router="R2"))
    with pytest.raises(NotPossible, match=r"on router R3 .* held by service SVC-2"):
        restored(here.store, here.policies, "SVC-1", "me")


def test_its_user_manager_cannot_be_retired(here):
    here.apply(gold())
    with pytest.raises(NotPossible, match="should be on router R3"):
        RouterNames(here.store, "me", lambda _: None).retire("R3")
