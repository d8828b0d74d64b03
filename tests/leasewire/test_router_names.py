"""A router is gone for good, or has another name now."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from contracts.identity import event_key
from tests.builders import activated, cancelled, event, ipv4, mac, mac_changed
from tests.leasewire.test_router_policies import now_due, ours, service, state
from worker.admin.router_names import RouterNames
from worker.errors import StoreUnavailable
from worker.watching.backlogs import Backlogs

pytestmark = [pytest.mark.redis, pytest.mark.router]


TOWER = ("[routers.R1]", "[routers.TOWER]")


def keys_that_name(world, router):
    store = world.context.store
    found = [key for key in store.client.scan_iter() if f"router:{router}:" in key]
    for key in store.keys.fleet:
        found += [key for field in store.client.hkeys(key) if field == router]
    return found


def record(world, number):
    return world.context.store.records.read([f"SVC-{number}"])[f"SVC-{number}"].record


def test_retire_refuses_while_services_want_the_router_and_says_how_to_move_them(world, leasewire):
    world.say(service(1), service(2), service(3, router="R2"))
    world.say(event("suspended", "SVC-2", revision=2))
    world.converge.run("R1")
    refused = leasewire("routers", "retire", "R1", "--apply")
    assert refused.code == 1
    assert "2 services want router R1" in refused.err
    assert [line.strip() for line in refused.err.splitlines()[1:3]] == ["SVC-1", "SVC-2"]
    assert "publish moved" in refused.err
    assert world.context.store.views.router("R1").services == 2


def test_retire_forgets_a_router_that_is_down_and_ends_what_waited_for_it(world, leasewire):
    world.say(service(1), service(2))
    world.converge.run("R1")
    world.r1.power_off()
    end = cancelled("SVC-1")
    world.say(end, activated("SVC-2", revision=7, router="R2", mac=mac(2), ipv4=ipv4(2)))
    world.converge.run("R1")
    assert state(world).state == "unreachable"
    dry = leasewire("routers", "retire", "R1")
    assert (dry.code, dry.out.splitlines()[-1]) == (4, "Run with --apply to forget the router.")
    assert world.context.store.views.router("R1").services == 2
    done = leasewire("routers", "retire", "R1", "--apply", "--actor", "ada")
    assert done.code == 0, done.err
    assert keys_that_name(world, "R1") == []
    assert not record(world, 1).placements
    assert list(record(world, 2).placements) == ["R2"]
    shown = leasewire("services", "show", "SVC-1", "--json").document
    assert "router-retired" in str(shown)
    key = event_key(end["source"], end["id"])
    (outcome,) = world.context.store.views.outcomes([key])
    assert (outcome.state, outcome.reason) == ("applied", "router-retired")
    assert leasewire("audit", "list", "--json").document["entries"][0]["by"] == "ada"


def test_rename_moves_everything_and_writes_nothing(world, edited, leasewire):
    world.say(service(1), service(2))
    world.converge.run("R1")
    # SVC-3 waits for the address of SVC-1; SVC-2 has a change that is not written yet.
    world.say(service(3, ipv4=ipv4(1)))
    world.converge.run("R1")
    world.say(mac_changed("SVC-2", mac(99)))
    serial = world.context.store.fleet.serials()["R1"]
    written = record(world, 2).placements["R1"]
    accept, converge = edited(TOWER)
    before = world.r1.journal()
    # Under its new name it is met first: the serial is another name's.
    accept.run([service(4, router="TOWER")], "events")
    converge.run("TOWER")
    assert state(world, "TOWER").cause == "serial-shared"
    assert world.r1.journal() == before
    dry = leasewire("routers", "rename", "R1", "TOWER")
    assert "R1 -> TOWER: 3 services" in dry.out
    assert record(world, 1).router == "R1"
    done = leasewire("routers", "rename", "R1", "TOWER", "--apply", "--actor", "ada")
    assert done.code == 0, done.err
    assert world.r1.journal() == before
    assert keys_that_name(world, "R1") == [world.context.store.keys.fleet.aliases]
    fleet = world.context.store.fleet
    assert fleet.serials() == {"TOWER": serial}
    assert "TOWER" in fleet.policies()
    assert [record(world, n).router for n in (1, 2, 3)] == ["TOWER"] * 3
    assert record(world, 2).placements == {"TOWER": written}
    holders = world.context.store.views.router_claims("TOWER")[f"address:{ipv4(1)}"]
    assert holders == {"all": ("SVC-1", True)}
    converge.run("TOWER")
    assert len(world.r1.journal()) == len(before) + 2, "the MAC of SVC-2 and the row of SVC-4"
    assert sorted(row["address"] for row in ours(world.r1)) == [ipv4(1), ipv4(2), ipv4(4)]
    assert "SVC-1" in world.context.store.views.router_waiting("TOWER")["SVC-3"]["detail"]
    # Again: nothing to do.
    assert leasewire("routers", "rename", "R1", "TOWER", "--apply").code == 0
    entries = leasewire("audit", "list", "--json").document["entries"]
    assert [entry["what"] for entry in entries] == ["router.renamed"]


def test_events_that_say_the_former_name_go_to_the_router(world, edited, leasewire):
    first = service(1)
    world.say(first)
    world.converge.run("R1")
    accept, converge = edited(TOWER)
    assert leasewire("routers", "rename", "R1", "TOWER", "--apply").code == 0
    accept.run([first, service(2, router="R1")], "events")
    converge.run("TOWER")
    assert record(world, 2).router == "TOWER"
    assert len(ours(world.r1)) == 2
    assert record(world, 1).router == "TOWER"
    # And a second rename leads both former names on.
    edited(("[routers.TOWER]", "[routers.MAST]"))
    assert leasewire("routers", "rename", "TOWER", "MAST", "--apply").code == 0
    assert world.context.store.fleet.aliases() == {"R1": "MAST", "TOWER": "MAST"}


def test_a_former_name_that_another_router_has_by_now_is_that_router(world, edited, leasewire):
    world.say(service(1))
    world.converge.run("R1")
    edited(TOWER)
    assert leasewire("routers", "rename", "R1", "TOWER", "--apply").code == 0
    accept, converge = edited(("[routers.R2]", "[routers.R1]"))  # the machine R2, so far unused
    accept.run([service(2, router="R1")], "events")
    converge.run("R1")
    assert record(world, 2).router == "R1"
    assert [row["address"] for row in ours(world.r2)] == [ipv4(2)]
    assert [row["address"] for row in ours(world.r1)] == [ipv4(1)]
    store = world.context.store
    backlogs = Backlogs(store, 1_000, converge.policies)
    backlogs.check()
    (alert,) = store.alerts.all_open()
    assert (alert.kind, alert.subject) == ("router-name-reused", "R1")
    assert "has the former name of TOWER" in alert.text
    preview = leasewire("routers", "rename", "--forget", "R1")
    assert "R1: former name of TOWER" in preview.out
    assert store.fleet.aliases() == {"R1": "TOWER"}
    assert leasewire("routers", "rename", "--forget", "R1", "--apply", "--actor", "ada").code == 0
    assert store.fleet.aliases() == {}
    store.client.delete(store.keys.alert_check)
    backlogs.check()
    assert store.alerts.all_open() == []
    (entry, _) = leasewire("audit", "list", "--json").document["entries"]
    assert (entry["what"], entry["by"]) == ("router.name_forgotten", "ada")
    assert leasewire("routers", "rename", "--forget", "R1", "--apply").code == 1
    assert leasewire("routers", "rename", "R1").code == 2


def test_late_older_event_still_moves_a_service_of_a_renamed_router(world, edited, leasewire):
    world.say(service(1), mac_changed("SVC-1", mac(50), revision=9))
    world.converge.run("R1")
    accept, _ = edited(TOWER)
    assert leasewire("routers", "rename", "R1", "TOWER", "--apply").code == 0
    moved = event(
        "moved", "SVC-1", revision=5, access={"router": "R2", "dhcp_server": "dhcp-vlan-32"}
    )
    accept.run([moved], "events")
    assert record(world, 1).router == "R2"
    assert record(world, 1).value("mac") == mac(50)


class Stopping:
    """The records of a store, until so many commits went through."""

    def __init__(self, records, commits):
        self._records, self._left = records, commits

    def __getattr__(self, name):
        return getattr(self._records, name)

    def commit(self, commits, now_ms):
        if self._left == 0:
            raise StoreUnavailable("the test ends this here")
        self._left -= 1
        return self._records.commit(commits, now_ms)


@pytest.mark.parametrize("commits", [0, 1, 2])
def test_rename_that_was_interrupted_goes_on_when_it_is_called_again(world, edited, commits):
    world.say(*(service(n) for n in range(1, 121)))
    world.converge.run("R1")
    _, converge = edited(TOWER)
    before = world.r1.journal()
    store = world.context.store
    broken = dataclasses.replace(store, records=Stopping(store.records, commits))
    with pytest.raises(StoreUnavailable):
        RouterNames(broken, "ada", lambda _: None).rename("R1", "TOWER", converge.policies)
    now_due(world, "TOWER")
    converge.run("TOWER")  # what has the new name may be worked on
    RouterNames(store, "ada", lambda _: None).rename("R1", "TOWER", converge.policies)
    converge.run("TOWER")
    assert world.r1.journal() == before, "nothing was written, so nothing twice"
    assert len(ours(world.r1)) == 120
    assert keys_that_name(world, "R1") == [store.keys.fleet.aliases]
    assert not store.views.router_queued("TOWER")


def test_rename_to_a_name_of_another_router_is_refused(world, edited, leasewire):
    world.say(service(1), service(2, router="R2"))
    world.converge.run("R1")
    world.converge.run("R2")
    still = leasewire("routers", "rename", "R1", "R2", "--apply")
    assert still.code == 2
    edited(("[routers.R1]", "[routers.X]"))
    refused = leasewire("routers", "rename", "R1", "R2", "--apply")
    assert refused.code == 1
    assert "another serial" in refused.err
    assert record(world, 1).router == "R1"


def test_scheduled_move_to_a_router_keeps_it_and_goes_along_with_its_name(world, edited, leasewire):
    world.say(service(1, router="R2"))
    later = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    access = {"router": "R1"}
    world.say(event("moved", "SVC-1", revision=2, access=access, effective_at=later))
    (waits,) = record(world, 1).schedule.pending
    assert waits.own["router"] == "R1"
    assert "SVC-1" in leasewire("routers", "retire", "R1", "--apply").err
    edited(TOWER)
    assert leasewire("routers", "rename", "R1", "TOWER", "--apply").code == 0
    (waits,) = record(world, 1).schedule.pending
    assert waits.own["router"] == "TOWER"
    assert record(world, 1).router == "R2"


def test_router_to_which_a_service_came_meanwhile_is_not_forgotten(world):
    fleet = world.context.store.fleet
    world.say(service(1))
    world.converge.run("R1")
    fleet.seize("R1", "ours", 10_000)
    assert not fleet.forget("R1", "ours", [], "ada")
    assert not fleet.forget("R2", "not ours", [], "ada")
    assert world.context.store.views.router("R1").services == 1
