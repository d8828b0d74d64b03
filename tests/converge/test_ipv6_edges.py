"""Services with IPv6 where something is missing, in the way, or ended half-way."""

from dataclasses import replace

import pytest

from tests import builders
from tests.converge.ipv6 import (
    BINDING,
    DUID,
    LIST6,
    OLD,
    OTHER,
    PREFIX,
    SECOND,
    SERVER6,
    active,
    bindings,
    installation,
    listed6,
    own,
    say,
    unclear,
    watching,
)
from tests.converge.queues import drain_until
from tests.converge.test_late_rows import LEASE_MS, Late
from tests.store.passing_time import let_pass
from worker.core.rows.operations import MakeStatic
from worker.routeros.session import Session
from worker.routeros.sessions import Sessions
from worker.watching.ipv6_clients import Ipv6Clients, read_askers

pytestmark = [pytest.mark.redis, pytest.mark.router]

TAG = "leasewire:acme:SVC-1"
SVC_2 = "leasewire:acme:SVC-2"


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_router_without_ipv6_is_named_and_others_go_on():
    with installation() as here:
        here.r["R1"].set_faults(missing_menus=["/ipv6"])
        v4 = builders.activated("SVC-4", mac=builders.mac(4), ipv4="223.203.225.40", server=None)
        waiting = active(duid=DUID, iaid=1)
        here.say(waiting)
        assert say(here, v4) == "applied"
        assert here.outcome(waiting).startswith(
            "waiting: waiting-for-router (not there: menu /ipv6"
        )
        assert here.store.views.state("R1").state == "up"
        here.r["R1"].clear_faults()
        here.store.routers.add_work("R1", ["SVC-1"])
        here.load()
        here.drain()
        assert here.outcome(waiting) == "applied"
        assert bindings(here) == {TAG: (PREFIX, DUID, "1", "false")}


def test_a_service_waits_for_a_dhcpv6_server_that_the_policy_names():
    with installation(router_lines={"R1": 'ipv6_server = "seven"\n'}) as here:
        event = active(duid=DUID, iaid=1)
        assert say(here, event).endswith("(not there: DHCPv6 server 'seven')")
        (six,) = here.r["R1"].rows(SERVER6)
        here.r["R1"].set_row(SERVER6, six[".id"], {"name": "seven"})
        here.store.routers.add_work("R1", ["SVC-1"])
        here.drain()
        assert here.outcome(event) == "applied"
        assert own(here)["server"] == "seven"


def test_no_service_gets_a_prefix_with_an_address_of_the_router():
    with installation() as here:
        here.r["R1"].add_row(
            "/ipv6/address", {"address": "2001:db8:1:1ff::1/64", "interface": "vlan-32"}
        )
        outcome = say(here, active(duid=DUID, iaid=1))
        assert outcome.startswith("waiting: address-of-router (2001:db8:1:1ff::1 in ")
        assert bindings(here) == {}


@pytest.mark.parametrize("foreign", [PREFIX, "2001:db8:1:1f0::/60", "2001:db8:1::/48"])
def test_a_binding_of_others_is_left_alone_and_waited_for(foreign):
    with installation() as here:
        row_id = here.r["R1"].add_row(BINDING, {"address": foreign, "duid": OTHER, "iaid": "9"})
        event = active(duid=DUID, iaid=1)
        assert say(here, event).startswith("waiting: foreign-row")
        assert bindings(here) == {"": (foreign, OTHER, "9", "false")}
        here.r["R1"].remove_row(BINDING, row_id)
        here.store.routers.add_work("R1", ["SVC-1"])
        here.drain()
        assert here.outcome(event) == "applied"


def test_an_address_of_the_device_itself_needs_a_version_that_has_kinds():
    with installation() as here:
        event = active(duid=DUID, iaid=1, address="2001:db8:9::5")
        assert say(here, event) == "applied"
        rows = {(row["ia-type"], row["address"]) for row in here.r["R1"].rows(BINDING)}
        assert rows == {("pd", PREFIX), ("na", "2001:db8:9::5/128")}
        assert here.r["R1"].device6(builders.mac(1), ia="na")["address"] == "2001:db8:9::5/128"
        assert say(here, builders.cancelled()) == "applied"
        assert here.r["R1"].rows(BINDING) == []
    with installation(OLD) as here:
        outcome = say(here, active(duid=DUID, iaid=1, address="2001:db8:9::5"))
        assert outcome.startswith("waiting: waiting-for-router (not there: field ia-type of ")
        assert here.r["R1"].rows(BINDING) == []


def test_two_services_swap_their_prefixes():
    with installation() as here:
        here.say(active(duid=DUID, iaid=1))
        say(here, active("SVC-2", 2, prefix=SECOND, duid=OTHER, iaid=1))
        here.say(
            builders.event(
                "address_changed",
                revision=2,
                ipv6={"prefix": {"mode": "static", "ipv6": SECOND}},
            )
        )
        other = builders.event(
            "address_changed",
            "SVC-2",
            revision=2,
            ipv6={"prefix": {"mode": "static", "ipv6": PREFIX}},
        )
        assert say(here, other) == "applied"
        assert bindings(here) == {
            TAG: (SECOND, DUID, "1", "false"),
            SVC_2: (PREFIX, OTHER, "1", "false"),
        }


def test_a_crash_between_make_static_and_its_tag_leaves_no_row_behind(monkeypatch):
    with installation() as here:
        here.r["R1"].device6(builders.mac(1))
        real = Session.write

        def write(session, operations, progress):
            answers = real(session, operations, progress)
            if any(isinstance(operation, MakeStatic) for operation in operations):
                raise Killed
            return answers

        here.say(active())
        monkeypatch.setattr(Session, "write", write)
        with pytest.raises(Killed):
            here.drain()
        monkeypatch.setattr(Session, "write", real)
        assert bindings(here) == {"": (bindings(here)[""][0], DUID, "1", "false")}
        here.client.delete(here.block("R1").lock)
        here.load()
        drain_until(here, lambda: TAG in bindings(here), "the row has its tag")
        assert bindings(here) == {TAG: (PREFIX, DUID, "1", "false")}


def test_a_binding_that_was_added_but_not_confirmed_is_found_again():
    with installation() as here:
        here.r["R1"].set_faults(lose_replies=1, fault_command=f"{BINDING}/add")
        event = active(duid=DUID, iaid=1)
        here.say(event)
        here.converge.run("R1")
        drain_until(here, lambda: here.outcome(event) == "applied", "read back")
        assert bindings(here) == {TAG: (PREFIX, DUID, "1", "false")}
        assert here.r["R1"].counters()[f"{BINDING}/add"] == 1


def test_a_binding_that_lands_after_its_service_ended_is_removed():
    with installation(lock_ms=LEASE_MS) as here:
        late = Late(here, BINDING)
        here.say(active(duid=DUID, iaid=1))
        with late.stalls():
            here.converge.run("R1")
        here.say(builders.cancelled(revision=2))
        let_pass(here.store, LEASE_MS)
        here.drain()
        assert bindings(here) == {}
        late.land()
        assert TAG in bindings(here)
        let_pass(here.store, 2 * LEASE_MS)
        here.drain()
        assert bindings(here) == {}


def test_a_row_of_a_suspended_prefix_that_lands_late_is_removed():
    """Else whoever has the prefix next would be cut off."""
    with installation(lock_ms=LEASE_MS) as here:
        say(here, active(duid=DUID, iaid=1))
        late = Late(here, LIST6)
        here.say(builders.suspended(revision=2))
        with late.stalls():
            here.converge.run("R1")
        here.say(builders.cancelled(revision=3))
        let_pass(here.store, LEASE_MS)
        here.drain()
        assert bindings(here) == {}
        late.land()
        assert listed6(here) == {("leasewire-suspended", PREFIX)}
        let_pass(here.store, 2 * LEASE_MS)
        here.drain()
        assert listed6(here) == set()


@pytest.mark.parametrize("of", ["/system/identity", "/ip/dhcp-server", "/user"])
def test_another_menus_answer_is_not_taken_for_no_bindings(of):
    with installation(transport="rest") as here:
        say(here, active(duid=DUID, iaid=1))
        event = builders.cancelled(revision=2)
        here.say(event)
        here.r["R1"].set_faults(wrong_bodies=1, wrong_body_of=of, fault_command="binding/print")
        here.converge.run("R1")
        assert here.store.views.state("R1").state == "unreachable"
        assert len(bindings(here)) == 1
        drain_until(here, lambda: here.outcome(event) == "applied", "removed")
        assert bindings(here) == {}


def test_a_service_that_loses_its_ipv6_loses_its_binding():
    with installation() as here:
        say(here, active(duid=DUID, iaid=1))
        block = builders.service_block(
            mac=builders.mac(1), ipv4="223.203.225.10", server="dhcp-vlan-32"
        )
        event = builders.event("snapshot", revision=2, service=block)
        assert say(here, event) == "applied"
        assert bindings(here) == {}
        assert len(here.rows("R1")) == 1


def test_while_the_known_client_renews_another_one_is_not_taken_until_it_has_left():
    with installation() as here, watching(here) as look:
        here.r["R1"].device6(builders.mac(1), iaid=1)
        say(here, active())
        here.r["R1"].device6_renews(builders.mac(1), iaid=1)
        here.r["R1"].device6(builders.mac(1), iaid=2)
        look()
        assert bindings(here)[TAG] == (PREFIX, DUID, "1", "false")
        look()
        assert unclear(here) == ["R1 SVC-1"]
        here.r["R1"].skip(2 * 86_400)  # of a lease of three days
        here.r["R1"].device6_renews(builders.mac(1), iaid=2)
        with watching(here) as later:  # which has offered nothing lately
            later()
        assert bindings(here) == {TAG: (PREFIX, DUID, "2", "false")}
        look()
        assert unclear(here) == []


def test_the_client_of_a_service_at_a_port_is_learned_by_the_mac_of_its_events():
    with installation(router_lines={"R1": 'identify_by = "option-82"'}) as here:
        ids = {"mac": builders.mac(1), "circuit_id": "eth 0/3"}
        say(here, active(device=ids))
        say(here, active("SVC-2", 2, prefix=SECOND))
        with watching(here) as look:
            here.r["R1"].device6(builders.mac(1), iaid=5)
            look()
            assert bindings(here)[TAG] == (PREFIX, DUID, "5", "false")
            assert SVC_2 not in bindings(here)


def test_a_client_that_was_only_offered_something_is_seen_again_when_it_is_bound():
    with installation() as here:
        say(here, active())
        here.r["R1"].device6(builders.mac(1))
        sessions = Sessions(here.inventory, here.settings)
        rows = read_askers(sessions.open("R1"))
        sessions.close_all()
        seen, work_items = Ipv6Clients(here.store), here.store.keys.router("R1").work_items
        for status, is_work in [("offered", 1), ("offered", 0), ("bound", 1), ("bound", 0)]:
            here.client.delete(work_items)
            seen.offer("R1", [replace(row, status=status) for row in rows], ())
            assert here.client.exists(work_items) == is_work
