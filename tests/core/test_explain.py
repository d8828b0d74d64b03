"""The sentence, as data: facts in, a word and what the sentence must say out."""

from dataclasses import replace

import pytest

from tests.bindings import own_binding
from tests.builders import ipv4, lease, mac
from worker.core.diagnosis.explain import explain
from worker.core.diagnosis.facts import AtRouter, Facts, Holder, Journaled, ScheduledEvent, Why
from worker.core.effect.findings import EffectFinding
from worker.core.rows.observed import Observation, SeenRow
from worker.core.service.event_ref import EventRef, Version
from worker.core.service.outcome import DeadLetter, EffectReport
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import PendingEvent, Placement, Register, Unassigned

NOW = 1_000_000_000
V = Version(0, 1, 0, "")
ROW = {"mac-address": mac(1), "address": ipv4(10), "server": "dhcp1", "block-access": "no"}
ON = {
    "lifecycle": Register("on", V, "a1"),
    "router": Register("R1", V, "a1"),
    "mac": Register(mac(1), V, "a1"),
    "address": Register({"mode": "static", "ipv4": ipv4(10)}, V, "a1"),
}
ACTIVE = ServiceRecord("SVC-1", registers=ON, placements={"R1": Placement(ROW)})
WRITTEN = AtRouter(name="R1", wants=ROW, written=ROW)
WELL = Facts(
    now_ms=NOW,
    installation="acme",
    record=ACTIVE,
    at=[WRITTEN],
    workers=frozenset({"events", "routers"}),
)
OWN = lease("*1", service_id="SVC-1")
OTHER = lease("*2", mac=mac(2), address=ipv4(20), dynamic=True)


def said(**registers):
    held = {name: Register(value, V, f"{name}-1") for name, value in registers.items()}
    return ACTIVE._replace(registers={**ON, **held})


def at(record=ACTIVE, **changes):
    return replace(WELL, record=record, at=[replace(WRITTEN, **changes)])


def seen(*rows, written_at_ms=0, wants=ROW, record=ACTIVE, lease_time_s=600):
    look = Observation(rows, {"dhcp1": lease_time_s})
    return at(record, seen=look, written_at_ms=written_at_ms, wants=wants)


def bound(row=OWN, device=ROW["mac-address"], address=ROW["address"], expires_in_s=60):
    return SeenRow(row, "bound", device, address, expires_in_s, 5)


OUTSTANDING = PendingEvent(
    EventRef("k", "m1", "s", "leasewire.service.mac_changed.v1", NOW - 9), ("mac",), V
)
NEW = ServiceRecord("SVC-1", pending=(OUTSTANDING,))
JOURNALED = Journaled("e7", "leasewire.service.moved.v1", NOW - 60_000)
LATER = ScheduledEvent("e8", "leasewire.service.activated.v1", NOW + 86_400_000)
REFUSED = DeadLetter("k1", "event", "invalid-event", "/data/mac is no MAC", "SVC-1")
POOL = {**ROW, "address": "pool-1"}

SITUATIONS = {
    "all well": (seen(bound()), "all-well", [mac(1), ipv4(10), "R1", f"<{NOW + 60_000}>"]),
    "all well in a pool": (
        seen(bound(lease("*1", address="pool-1", service_id="SVC-1")), wants=POOL),
        "all-well",
        [ipv4(10)],
    ),
    "not looked at": (WELL, "all-well", ["was not asked"]),
    "router silent": (at(silence="timed out"), "router-silent", ["does not answer", "timed out"]),
    "in the journal": (
        replace(WELL, journaled=[JOURNALED]),
        "journaled",
        ["e7 (moved)", f"<{NOW - 60_000}>", "workers are running"],
    ),
    "in the journal without workers": (
        replace(WELL, journaled=[JOURNALED, JOURNALED], workers=frozenset({"routers"})),
        "journaled",
        ["and 1 more", "no worker for events"],
    ),
    "incomplete": (replace(WELL, record=NEW, at=[]), "incomplete", ["only mac_changed came"]),
    "nothing said": (
        replace(WELL, record=ServiceRecord("SVC-1"), at=[]),
        "incomplete",
        ["not activated yet: nothing is written"],
    ),
    "scheduled": (
        replace(WELL, record=NEW, at=[], scheduled=[LATER]),
        "scheduled",
        ["e8 (activated)", f"at <{NOW + 86_400_000}>"],
    ),
    "refused event": (
        replace(WELL, record=ServiceRecord("SVC-1"), at=[], dead_letters=[REFUSED]),
        "rejected",
        ["invalid-event", "/data/mac is no MAC"],
    ),
    "cancelled": (
        at(said(lifecycle="cancelled"), wants=None),
        "cancelled",
        ["cancelled by event lifecycle-1", "still be on R1"],
    ),
    "unknown router": (at(known=False), "unknown-router", ["router R1 is not in"]),
    "router down": (
        at(state="unreachable", since_ms=7, next_at_ms=8, message="refused", queued=True),
        "router-unreachable",
        ["since <7> (refused)", "nothing is written for", "next try <8>"],
    ),
    "router down after the write": (
        at(state="unreachable", since_ms=7, next_at_ms=8),
        "router-unreachable",
        ["as last written"],
    ),
    "router blocked": (
        at(state="blocked", cause="login-refused", message="bad password", queued=True),
        "router-blocked",
        ["login-refused: bad password", "until a person acts"],
    ),
    "router with another policy": (
        at(state="policy-changed", message="apply it", queued=True),
        "router-policy-changed",
        ["is policy-changed", "apply it"],
    ),
    "router held": (
        at(state="held", since_ms=7, message="by ada: upgrade", queued=True),
        "router-held",
        ["is held since <7> (by ada: upgrade)", "nothing is written for"],
    ),
    "router held, and nothing to write": (
        replace(seen(bound()), at=[replace(seen(bound()).at[0], state="held")]),
        "all-well",
        [],
    ),
    "unknown plan": (
        at(queued=True, why=Why("unknown-plan", "plan X is not in the catalogue", 7)),
        "unknown-plan",
        ["plan X is not in the catalogue"],
    ),
    "claim held": (
        at(
            queued=True,
            why=Why("claim-held", "message", 7),
            holders=[Holder(f"mac:{mac(1)}", "SVC-2", "suspended", "waiting", "for a row")],
        ),
        "claim-held",
        [f"MAC {mac(1)} is held by service SVC-2 (suspended, waiting: for a row)"],
    ),
    "claim held, nobody named any more": (
        at(queued=True, why=Why("claim-held", "held by SVC-2", 7)),
        "claim-held",
        ["held by SVC-2"],
    ),
    "foreign row": (
        at(queued=True, why=Why("foreign-row", "row X is in the way", 7)),
        "foreign-row",
        ["since <7>", "row X is in the way"],
    ),
    "unknown DHCP server": (
        at(queued=True, why=Why("waiting-for-router", "no such server", 7)),
        "waiting-for-router",
        ["DHCP server: dhcp1", "no such server"],
    ),
    "unknown words": (
        at(queued=True, why=Why("router-says", "boo", 7)),
        "router-says",
        ["boo (router-says)"],
    ),
    "given up": (
        at(why=Why("operation-refused", "failure: bad value", 7)),
        "refused",
        ["refused to write SVC-1", "failure: bad value"],
    ),
    "suspended": (
        at(said(suspension={"reason_code": "nonpayment"})),
        "suspended",
        ["by event suspension-1, reason nonpayment"],
    ),
    "suspended and not written": (
        at(said(suspension={}), queued=True),
        "suspended",
        ["R1 is not written yet"],
    ),
    "suspended by block-access, the device holds on": (
        seen(bound(), wants={**ROW, "block-access": "yes"}, record=said(suspension={})),
        "suspended",
        [f"keeps its lease until <{NOW + 60_000}> at the latest"],
    ),
    "suspended, but the rule is not there": (
        at(said(suspension={}), findings=[EffectFinding("suspension-rule", "no rules drop it")]),
        "suspended",
        ["may be online all the same: on router R1 no rules drop it"],
    ),
    "suspended by block-access where IPv6 is on": (
        at(
            said(suspension={}),
            wants={**ROW, "block-access": "yes"},
            findings=[
                EffectFinding("suspension-rule", "no rules drop it"),
                EffectFinding("ipv6-not-covered", "IPv6 goes on"),
            ],
        ),
        "suspended",
        ["may be online all the same: on router R1 IPv6 goes on"],
    ),
    "suspended by block-access, and over IPv6 no rule drops its packets": (
        at(
            said(suspension={}),
            wants={**ROW, "block-access": "yes"},
            bindings=(own_binding(),),
            findings=[EffectFinding("suspension-rule", "no IPv6 firewall rules drop all packets")],
        ),
        "suspended",
        ["may be online all the same", "no IPv6 firewall rules"],
    ),
    "no address of a pool": (
        at(
            ACTIVE._replace(unassigned={"address": Unassigned("home", "pool-full", "home is full")})
        ),
        "pool-full",
        ["waits for an address: home is full"],
    ),
    "an address that is not known yet": (
        at(
            ACTIVE._replace(registers={n: r for n, r in ON.items() if n != "address"}),
            wants=None,
            written=None,
        ),
        "on-no-router",
        ["its address is not known yet"],
    ),
    "no DHCPv6 server": (
        at(
            bindings=(own_binding(),),
            queued=True,
            why=Why("waiting-for-router", "not there: a DHCPv6 server", NOW),
        ),
        "waiting-for-router",
        ["its IPv6 needs: not there: a DHCPv6 server"],
    ),
    "suspended and acting": (
        replace(
            at(said(suspension={})),
            effect=EffectReport("acting", "suspended", NOW, 9, "", "no connection passes"),
        ),
        "suspended",
        ["; acting: no connection passes"],
    ),
    "suspended and not acting yet": (
        replace(
            at(said(suspension={})),
            effect=EffectReport("not-acting-yet", "suspended", 7, 9, "x", "flows are left", NOW),
        ),
        "suspended",
        [f"; not acting yet (until <{NOW}> at the latest): flows are left"],
    ),
    "suspended, and the effect is of another change": (
        replace(
            at(said(suspension={})), effect=EffectReport("acting", "rate", 7, 9, "", "limited")
        ),
        "suspended",
        ["by event suspension-1"],
    ),
    "pending": (
        at(ACTIVE._replace(pending=(OUTSTANDING,)), queued=True),
        "pending",
        [f"since <{NOW - 9}>", "its turn comes"],
    ),
    "pending without workers": (
        replace(at(queued=True), workers=frozenset()),
        "pending",
        ["no worker for routers"],
    ),
    "row missing": (seen(bound(OTHER)), "row-missing", ["R1 has no row for it"]),
    "row of another installation": (
        seen(bound(lease("*1", service_id="SVC-1", installation="other"))),
        "row-missing",
        [],
    ),
    "row switched off": (
        seen(SeenRow(lease("*1", service_id="SVC-1", disabled=True))),
        "row-disabled",
        ["disabled by hand"],
    ),
    "row changed": (
        seen(SeenRow(lease("*1", service_id="SVC-1", address=ipv4(11)))),
        "row-differs",
        [f"address is {ipv4(11)}, not {ipv4(10)}"],
    ),
    "old lease of the same row": (
        seen(bound(address=ipv4(9))),
        "old-lease",
        [f"old lease {ipv4(9)} until <{NOW + 60_000}> at the latest"],
    ),
    "old dynamic lease, ending by the server's time": (
        seen(SeenRow(OWN), bound(lease("*3", dynamic=True), address=ipv4(9), expires_in_s=None)),
        "old-lease",
        [f"until <{NOW + 600_000}> at the latest"],
    ),
    "old lease of unknown length": (
        seen(bound(address=ipv4(9), expires_in_s=None), lease_time_s=0),
        "old-lease",
        ["it moves at its next request, within the lease time"],
    ),
    "former device": (
        seen(bound(device=mac(9))),
        "former-device",
        [f"former device {mac(9)} until <{NOW + 60_000}>"],
    ),
    "address still used": (
        seen(SeenRow(OWN), bound(OTHER, mac(2), ipv4(10))),
        "address-in-use",
        [f"address {ipv4(10)} is still used by device {mac(2)}"],
    ),
    "older lease that is not shown": (
        seen(SeenRow(OWN), written_at_ms=NOW - 1_000),
        "device-not-moved",
        [f"until <{NOW + 599_000}> at the latest"],
    ),
    "silent for longer than a lease": (
        seen(SeenRow(OWN), written_at_ms=NOW - 601_000),
        "device-silent",
        ["has never asked"],
    ),
    "seen before, free now": (
        seen(SeenRow(OWN, last_seen_s=99)),
        "device-silent",
        ["has no lease now"],
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_sentence_says_what_is_so(name):
    facts, code, parts = SITUATIONS[name]
    explanation = explain(facts, lambda ms: f"<{ms}>")
    assert explanation.code == code, explanation
    for part in ("SVC-1", *parts):
        assert part in explanation.sentence
    assert "\n" not in explanation.sentence
    assert not explanation.sentence.endswith(".")


def test_a_service_of_no_router_is_said_so():
    record = ACTIVE._replace(registers={"lifecycle": ON["lifecycle"]})
    found = explain(replace(WELL, record=record, at=[]), str)
    assert found.code == "on-no-router"
    assert found.sentence.endswith("its router and MAC and address are not known yet")


def test_that_fasttrack_defeats_rates_says_nothing_of_a_suspension():
    finding = EffectFinding("fasttrack-defeats-rates", "no queue")
    explanation = explain(at(said(suspension={}), findings=[finding]), str)
    assert explanation.sentence == "SVC-1 is suspended by event suspension-1"
    assert explanation.advice == "the BSS must send service.resumed"


def test_a_missing_ipv6_rule_says_nothing_of_a_blocked_service_without_ipv6():
    finding = EffectFinding("suspension-rule", "no IPv6 firewall rules drop all packets")
    wants = {**ROW, "block-access": "yes"}
    explanation = explain(at(said(suspension={}), wants=wants, findings=[finding]), str)
    assert explanation.sentence == "SVC-1 is suspended by event suspension-1"
