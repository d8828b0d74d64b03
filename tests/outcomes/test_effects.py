"""After *applied*: what was read on the router says whether each kind of change acts."""

from dataclasses import replace

import pytest

from tests import builders
from tests.small_installation import SERVER, SmallInstallation
from worker.core.effect.facts import EffectFacts
from worker.core.effect.watch import EffectWatch
from worker.routeros.sessions import Sessions
from worker.store.router_memory import EFFECT
from worker.watching.effects import EffectReader

pytestmark = [pytest.mark.redis, pytest.mark.router]

MAC, ADDRESS, SECOND = builders.mac(1), "223.203.225.10", "223.203.225.11"
LISTS, DHCP_SERVER = "/ip/firewall/address-list", "/ip/dhcp-server"
FACTS = EffectFacts(read_at_ms=1, suspension="first", lease_times_s={SERVER: 1800})
KEPT, RENEWAL, AT_ONCE = "kept-until-expiry", "at-renewal", "at-once"
POLICY = 'plan_rates = "events"\nsuspend_list = "suspended"\nthrottle = "64k/64k"'


class Watched(SmallInstallation):
    """An installation whose effects are read when a test says so."""

    def load(self):
        super().load()
        self.reader = EffectReader(self.store, self.sessions, self.policies)

    def know(self, facts=FACTS, router="R1"):
        """What a full read would find."""
        self.client.hset(self.block(router).memory, EFFECT, facts.to_text())

    def apply(self, *events, routers=()):
        """Have events applied; returns the last one."""
        self.say(*events)
        self.drain(*routers)
        assert self.outcome(events[-1]).startswith("applied")
        return events[-1]

    def read(self):
        """Read all effects now; returns the new outcomes as `state`, or `state: reason`."""
        before = self.store.feed.last()
        for member in self.client.zrange(self.store.keys.watches_due, 0, -1):
            self.client.zadd(self.store.keys.watches_due, {member: 1})
        self.reader.once()
        page = self.store.feed.read([builders.SOURCE], before, 100)
        self.said = [item.outcome for item in page.items]
        return [f"{o.state}: {o.reason}" if o.reason else o.state for o in self.said]

    def pass_time(self, seconds):
        """Let time pass, on the router and since the change was applied."""
        self.r["R1"].skip(seconds)
        for member, text in self.client.hgetall(self.store.keys.watches).items():
            watch = EffectWatch.from_text(text)
            older = replace(watch, applied_ms=watch.applied_ms - round(seconds * 1000))
            self.client.hset(self.store.keys.watches, member, older.to_text())

    def device(self, mac=MAC, requested=""):
        """A device asks, or renews."""
        return self.r["R1"].device(mac, server=SERVER, requested=requested)


@pytest.fixture
def here():
    with Watched(routers=2, defaults=POLICY) as here:
        here.know()
        yield here


@pytest.fixture
def bound(here):
    """A service that is active, with its device."""
    event = builders.activated(
        mac=MAC, ipv4=ADDRESS, server=SERVER, revision=1, plan=plan(10_000, 50_000)
    )
    here.apply(event)
    assert here.device()["address"] == ADDRESS
    assert here.read() == ["acting"]
    here.know()  # the first pass read the router in full
    return here


def plan(up, down):
    return {"code": "HOME", "up_kbps": up, "down_kbps": down}


def change(name, revision, **given):
    return builders.event(name, "SVC-1", revision=revision, **given)


def moved_to(address, revision=2):
    return change("address_changed", revision, address={"mode": "static", "ipv4": address})


def test_an_activation_acts_when_its_device_has_the_address(here):
    event = here.apply(builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER))
    assert here.read() == ["not-acting-yet: device-offline"]
    assert here.read() == [], "it is not repeated"
    here.device()
    assert here.read() == ["acting"]
    (outcome,) = here.said
    assert (outcome.event.id, outcome.router) == (event["id"], "R1")
    assert outcome.detail.startswith(f"the device has {ADDRESS}, read ")
    assert outcome.effective_by == f"lease-time 1800s server {SERVER}"
    assert here.read() == []
    assert here.outcome(event) == "applied"
    assert not here.client.exists(here.store.keys.watches, here.store.keys.watches_due)


def test_a_record_of_a_newer_version_does_not_keep_others_from_being_read(here):
    here.apply(builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER))
    here.apply(builders.activated("SVC-2", mac=builders.mac(2), ipv4=SECOND, server=SERVER))
    here.device()
    key = here.store.keys.record("SVC-2")
    text = here.client.get(key)
    here.client.set(key, text.replace('"format":', '"format":9'))
    assert here.read() == ["acting"]
    here.client.set(key, text)  # as the newer version reads it
    assert here.read() == ["not-acting-yet: device-offline"]


@pytest.mark.parametrize("moment", [AT_ONCE, RENEWAL, KEPT])
def test_a_rate_acts_when_its_queue_has_it(bound, moment):
    bound.r["R1"].set_switches(rate_change=moment)
    bound.apply(change("plan_changed", 2, plan=plan(5_000, 20_000)))
    if moment == AT_ONCE:
        assert bound.read() == ["acting"]
        return
    assert bound.read() == ["not-acting-yet: other-limit"]
    assert bound.said[0].effect.until_ms > 0
    bound.device(requested=ADDRESS)
    assert bound.read() == (["acting"] if moment == RENEWAL else [])
    if moment == KEPT:
        bound.pass_time(1801)
        assert bound.read() == ["not-acting-yet: device-offline"]
        bound.device()
        assert bound.read() == ["acting"]


@pytest.mark.parametrize("moment", [AT_ONCE, RENEWAL, KEPT])
def test_another_address_acts_when_the_device_has_it(bound, moment):
    bound.r["R1"].set_switches(address_change=moment)
    bound.apply(moved_to(SECOND))
    (said,) = bound.read()
    assert said in {"not-acting-yet: keeps-old-lease", "not-acting-yet: device-offline"}
    bound.pass_time(1801)
    bound.device()
    assert bound.read() == ["acting"]


def test_another_device_acts_when_it_asks(bound):
    other = builders.mac(9)
    bound.apply(builders.mac_changed("SVC-1", other, revision=2))
    assert bound.read() == ["not-acting-yet: device-offline"]
    bound.pass_time(1801)
    bound.device(other)
    assert bound.read() == ["acting"]


def test_options_act_when_the_device_has_renewed(bound):
    bound.apply(change("dns_changed", 2, dns_servers=["198.51.100.53"]))
    bound.pass_time(10)
    assert bound.read() == ["not-acting-yet: not-renewed"]
    bound.pass_time(10)
    bound.device(requested=ADDRESS)
    assert bound.read() == ["acting"]


def test_a_pool_acts_when_the_device_has_an_address_of_it(bound):
    bound.r["R1"].add_row(
        "/ip/pool", {"name": "customers", "ranges": "223.203.225.40-223.203.225.50"}
    )
    bound.apply(change("address_changed", 2, address={"mode": "pool", "pool": "customers"}))
    bound.pass_time(10)
    (said,) = bound.read()
    assert said.startswith("not-acting-yet")
    bound.pass_time(1801)
    assert bound.device()["address"].startswith("223.203.225.4")
    bound.pass_time(10)
    assert bound.read() in (["acting"], ["not-acting-yet: not-renewed"])
    bound.device()
    bound.pass_time(0)
    bound.read()


def test_a_suspension_by_list_is_not_promised_before_the_rule_is_known(bound):
    bound.know(EffectFacts())
    bound.apply(builders.suspended(revision=2))
    assert bound.read() == ["not-acting-yet: rule-not-known"]
    bound.know(replace(FACTS, suspension="none"))
    assert bound.read() == ["not-acting-yet: no-rule"]
    bound.know(replace(FACTS, ipv6=frozenset({"vlan-32"})))
    assert bound.read() == ["acting: ipv4-only"]
    assert "Over IPv6 (vlan-32) nothing is suspended" in bound.said[0].detail


def test_a_list_row_that_somebody_removed_does_not_act(bound):
    bound.apply(builders.suspended(revision=2))
    (row,) = bound.r["R1"].rows(LISTS)
    bound.r["R1"].set_row(LISTS, row[".id"], {"disabled": "yes"})
    assert bound.read() == ["not-acting-yet: not-listed"]


def test_resumed_acts_when_no_list_names_it(bound):
    bound.apply(builders.suspended(revision=2))
    bound.read()
    bound.apply(builders.resumed(revision=3))
    assert bound.read() == ["acting"]


@pytest.mark.parametrize("moment", [AT_ONCE, RENEWAL, KEPT])
def test_a_suspension_by_block_acts_when_the_lease_is_over(bound, moment):
    bound.r["R1"].set_switches(block_access=moment)
    bound.apply(change("suspended", 2, suspension={"mode": "block"}))
    # Without its lease the device may go on: it does not know yet.
    reason = "may-keep-address" if moment == AT_ONCE else "keeps-lease"
    assert bound.read() == [f"not-acting-yet: {reason}"]
    assert bound.said[0].effect.until_ms > bound.said[0].at_ms
    bound.pass_time(1801)
    assert bound.read() == ["acting"]


def test_a_suspension_by_rate_acts_when_the_queue_has_it(bound):
    bound.apply(change("suspended", 2, suspension={"mode": "throttle"}))
    assert bound.read() == ["acting"]
    assert bound.said[0].effect.kind == "suspended"


def test_a_cancellation_acts_at_the_end_of_the_lease_time(bound):
    bound.apply(builders.cancelled(revision=2))
    assert bound.read() == ["not-acting-yet: may-keep-address"]
    bound.pass_time(1801)
    assert bound.read() == ["acting"]


@pytest.mark.parametrize("moment", [AT_ONCE, KEPT])
def test_a_cancellation_acts_with_its_arp_entry_where_the_interface_learns_none(here, moment):
    here.r["R1"].set_row(DHCP_SERVER, SERVER, {"add-arp": "yes"})
    here.r["R1"].set_switches(removal=moment)
    here.apply(builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER))
    here.know(replace(FACTS, layer2=frozenset({SERVER})))
    here.device()
    here.read()
    event = here.apply(builders.cancelled(revision=2))
    if moment == KEPT:
        assert here.read() == ["not-acting-yet: arp-entry-left"]
        here.pass_time(1801)
    assert here.read() == ["acting"]
    assert here.said[0].event.id == event["id"]
    assert here.said[0].effective_by == f"layer-2 1800s server {SERVER}"


def test_a_move_acts_at_both_routers(bound):
    bound.know(router="R2")
    event = change("moved", 2, access={"router": "R2", "dhcp_server": SERVER})
    bound.apply(event, routers=("R2", "R1"))
    assert sorted(bound.read()) == [
        "not-acting-yet: device-offline",
        "not-acting-yet: may-keep-address",
    ]
    assert {outcome.router: outcome.effect.kind for outcome in bound.said} == {
        "R1": "moved-away",
        "R2": "activated",
    }
    bound.r["R2"].device(MAC, server=SERVER)
    assert bound.read() == ["acting"]
    bound.pass_time(1801)
    assert bound.read() == ["acting"]
    assert {outcome.event.id for outcome in bound.said} == {event["id"]}


def test_a_newer_event_replaces_the_change_that_was_awaited(bound):
    bound.apply(moved_to(SECOND))
    bound.apply(moved_to(ADDRESS, 3))
    (text,) = bound.client.hvals(bound.store.keys.watches)
    assert EffectWatch.from_text(text).kinds == ("address",)
    assert bound.read() == ["acting"]


def test_after_the_promised_time_it_is_said_once_more(bound):
    bound.apply(moved_to(SECOND))
    (said,) = bound.read()
    bound.pass_time(900)
    bound.device(requested=ADDRESS)
    for member, text in bound.client.hgetall(bound.store.keys.watches).items():
        watch = EffectWatch.from_text(text)
        late = replace(watch, applied_ms=watch.applied_ms - 3_600_000)
        bound.client.hset(bound.store.keys.watches, member, late.to_text())
    (again,) = bound.read()
    assert again == said
    assert bound.said[0].detail.endswith("although its lease time is over")
    assert bound.read() == []


def test_what_the_router_did_is_remembered_and_said_the_next_time(bound):
    for revision, rate in enumerate((20_000, 30_000, 40_000), 2):
        event = bound.apply(change("plan_changed", revision, plan=plan(5_000, rate)))
        assert bound.read() == ["acting"]
    assert event["id"] == bound.said[0].event.id
    assert bound.said[0].effective_by.startswith("lease-rate 1800s seen ")
    seen = bound.store.memory.known("R1").acted["rate", "lease-rate"]
    assert seen.times == 3
    assert seen.version == "7.18.2"


def test_a_router_that_is_down_is_read_later(bound):
    bound.apply(moved_to(SECOND))
    bound.r["R1"].power_off()
    assert bound.read() == []
    bound.r["R1"].power_on()
    (said,) = bound.read()
    assert said.startswith("not-acting-yet")


def test_an_event_that_changes_no_row_is_not_awaited(bound):
    bound.say(change("mac_changed", 2, mac=MAC))
    bound.drain()
    assert not bound.client.exists(bound.store.keys.watches)


def test_changes_of_the_bulk_lane_are_read_later_than_live_ones(here):
    live = builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER)
    bulk = builders.activated("SVC-2", mac=builders.mac(2), ipv4=SECOND, server=SERVER)
    here.say(live)
    here.say(bulk, lane="bulk")
    here.drain()
    now_ms = here.store.records.now_ms()
    due = dict(here.client.zrange(here.store.keys.watches_due, 0, -1, withscores=True))
    assert due["SVC-1@R1"] <= now_ms + 1_000
    assert due["SVC-2@R1"] > now_ms + 5_000


def test_a_read_takes_turns_with_the_passes_beside_it(here):
    turns = []

    class Noting(Sessions):
        def open(self, router, turn=None):
            turns.append(turn)
            return super().open(router, turn)

    here.apply(builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER, revision=1))
    sessions = Noting(here.inventory, here.settings)
    here.reader = replace(here.reader, sessions=sessions, gate=here.converge.gate)
    here.read()
    sessions.close_all()
    assert [turn.gate for turn in turns] == [here.converge.gate]


def further(address, number=2):
    """A further device of the service, which has a MAC of its own."""
    at = {"mode": "static", "ipv4": address}
    return {"number": number, "mac": builders.mac(number), "address": at}


def test_a_further_device_that_comes_moves_and_goes_is_awaited_as_well(here, bound):
    here.apply(builders.event("device_added", revision=2, device=further(SECOND)))
    assert here.read() == ["not-acting-yet: device-offline"]
    assert here.said[0].detail.startswith("device 2: ")
    assert here.device(builders.mac(2))["address"] == SECOND
    assert here.read() == ["acting"]
    here.apply(builders.event("device_added", revision=3, device=further("223.203.225.12")))
    assert here.read() == ["not-acting-yet: keeps-old-lease"]
    assert here.device(builders.mac(2))["address"] == "223.203.225.12"
    assert here.read() == ["acting"]
    here.apply(builders.event("device_removed", revision=4, number=2))
    assert here.read() == ["not-acting-yet: may-keep-address"]
    assert here.said[0].effect.kind == "cancelled"
    here.pass_time(1801)
    assert here.read() == ["acting"]


def test_a_suspension_acts_when_it_does_at_each_device(here, bound):
    here.apply(builders.event("device_added", revision=2, device=further(SECOND)))
    here.device(builders.mac(2))
    assert here.read() == ["acting"]
    here.apply(builders.suspended(revision=3))
    places = {row["address"]: row[".id"] for row in here.r["R1"].rows(LISTS)}
    here.r["R1"].remove_row(LISTS, places[SECOND])
    here.know()
    assert here.read() == ["not-acting-yet: not-listed"]
    assert here.said[0].detail.startswith("device 2: ")
    here.r["R1"].add_row(LISTS, {"list": "suspended", "address": SECOND})
    assert here.read() == ["acting"]
    here.apply(builders.resumed(revision=4))
    again = here.r["R1"].add_row(LISTS, {"list": "suspended", "address": SECOND})
    assert here.read() == ["not-acting-yet: still-listed"]
    assert here.said[0].detail.startswith("device 2: ")
    here.r["R1"].remove_row(LISTS, again)
    assert here.read() == ["acting"]
