"""The judge never says that a change acts while what was read contradicts it."""

import os
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.effect_readings import (
    ADDRESS,
    APPLIED_MS,
    BINDING,
    BOTH,
    FIRST,
    MAC,
    OTHER,
    OTHER_MAC,
    PLACE,
    PLACE6,
    PORTAL,
    PREFIX,
    ROW,
    changes,
    contradictions,
    contradictions6,
    facts,
    moments,
    readings,
    seen,
)
from worker.core.effect.acting import IPV4_ONLY, judge
from worker.core.effect.applied_change import AppliedChange
from worker.core.effect.facts import EffectFacts, Ipv6Filter
from worker.core.effect.reading import EffectReading, SeenBinding, SeenFlow, SeenQueue, networks_of
from worker.core.effect.rungs import ChangeKind
from worker.core.rows.queues import Shadow

EXAMPLES = int(os.environ.get("EFFECT_EXAMPLES", "120"))
"""Of each kind of change; `make chaos` tries many more."""


@pytest.mark.parametrize("kind", get_args(ChangeKind))
@given(st.data(), readings, facts, moments)
@settings(max_examples=EXAMPLES)
def test_it_is_never_acting_while_what_was_read_contradicts_it(kind, data, reading, known, now_ms):
    change = data.draw(changes(kind))
    verdict = judge(change, reading, known, now_ms)
    if verdict.acting:
        assert not any(contradictions(change, reading, known, now_ms))
        assert not any(contradictions6(change, reading, known, now_ms))
    else:
        assert verdict.reason
        assert verdict.detail
    if (
        verdict.acting
        and "suspended" in change.kinds
        and known.ipv6
        and PLACE6 not in change.listed
    ):
        assert verdict.reason == IPV4_ONLY
        assert "IPv6" in verdict.detail


def change(*found, row=ROW, listed=False, **more):
    listed = frozenset({PLACE} if listed else ())
    return AppliedChange(kinds=found, row=row, listed=listed, applied_ms=APPLIED_MS, **more)


def reading(**more):
    empty = EffectReading(
        queues=[], listed=frozenset(), arp={}, flows=[], flows6=[], leases=[seen()]
    )
    return replace(empty, **more)


LISTED = reading(listed=frozenset({PLACE}))
FAST = SeenFlow(ADDRESS, "192.0.2.1", fasttracked=True)
TRACKED = FAST._replace(fasttracked=False)
QUEUE = SeenQueue("dhcp-ds<x>", ADDRESS, "10M/50M", dynamic=True)
BLOCKED = ROW | {"block-access": "yes"}
GONE = reading(leases=[], lease_times_s={"dhcp1": 600})
SUSPENDED6 = AppliedChange(
    kinds=("suspended",),
    row=ROW,
    listed=frozenset(BOTH),
    applied_ms=APPLIED_MS,
    bindings=(BINDING,),
)
RENUMBERED = replace(SUSPENDED6, kinds=("prefix",), listed=frozenset())
RATED6 = replace(RENUMBERED, kinds=("rate",))
HELD = SeenBinding(PREFIX, "bound", 3, 100)
LISTED6 = reading(listed=frozenset(BOTH))
BOTH_FIRST = replace(FIRST, ipv6_filter=Ipv6Filter(suspension="first"))
BOTH_FAST = replace(FIRST, ipv6_filter=Ipv6Filter(fasttrack=True, suspension="first"))
FAST6 = FAST._replace(address=PREFIX)
LAYER2 = replace(FIRST, layer2=frozenset({"dhcp1"}))


@pytest.mark.parametrize(
    ("applied", "found", "known", "reason"),
    [
        (change("suspended", listed=True), reading(), FIRST, "not-listed"),
        (change("suspended", listed=True), LISTED, EffectFacts(), "rule-not-known"),
        (change("suspended", listed=True), LISTED, replace(FIRST, suspension="none"), "no-rule"),
        (change("suspended", listed=True), replace(LISTED, flows=[FAST]), FIRST, "flows-left"),
        (change("suspended", listed=True), replace(LISTED, flows=[TRACKED]), FIRST, ""),
        (
            change("suspended", listed=True),
            replace(LISTED, flows=[TRACKED]),
            replace(FIRST, suspension="after-fasttrack"),
            "flows-left",
        ),
        (
            change("suspended", listed=True),
            replace(LISTED, flows=[FAST._replace(peer=PORTAL)], garden=networks_of(PORTAL)),
            replace(FIRST, fasttrack=True),
            "",
        ),
        (
            change("suspended", listed=True),
            replace(LISTED, flows=None),
            replace(FIRST, fasttrack=True),
            "flows-not-read",
        ),
        (change("suspended", row=BLOCKED), reading(), FIRST, "keeps-lease"),
        (
            change("suspended", row=BLOCKED),
            reading(leases=[], arp={ADDRESS: MAC}),
            FIRST,
            "arp-entry-left",
        ),
        (change("suspended", row=BLOCKED), GONE, FIRST, "may-keep-address"),
        (change("suspended", row=BLOCKED), GONE, LAYER2, ""),
        (change("resumed", listed=True), LISTED, FIRST, "still-listed"),
        (change("resumed", listed=True), reading(), FIRST, ""),
        (change("resumed"), reading(leases=[]), FIRST, "device-offline"),
        (change("cancelled"), reading(), FIRST, "keeps-lease"),
        (change("cancelled"), GONE, FIRST, "may-keep-address"),
        (change("cancelled"), GONE, LAYER2, ""),
        (change("cancelled"), replace(GONE, arp={ADDRESS: MAC}), LAYER2, "arp-entry-left"),
        (change("moved-away"), replace(GONE, arp={ADDRESS: OTHER_MAC}), LAYER2, ""),
        (change("cancelled"), reading(leases=[seen(address=OTHER)]), FIRST, ""),
        (change("activated"), reading(leases=[]), FIRST, "device-offline"),
        (change("mac"), reading(leases=[seen(mac=OTHER_MAC)]), FIRST, "device-offline"),
        (change("address"), reading(leases=[seen(address=OTHER)]), FIRST, "keeps-old-lease"),
        (change("address"), reading(), FIRST, ""),
        (change("options"), reading(leases=[seen(asked_s=9)]), FIRST, "not-renewed"),
        (change("options"), reading(leases=[seen(asked_s=3)]), FIRST, ""),
        (change("rate"), reading(), FIRST, "no-queue"),
        (change("rate"), reading(leases=[]), FIRST, "device-offline"),
        (change("rate"), reading(queues=[QUEUE]), FIRST, ""),
        (
            change("rate"),
            reading(queues=[QUEUE._replace(limit="1M/1M"), QUEUE]),
            FIRST,
            "other-limit",
        ),
        (change("rate"), reading(queues=[QUEUE], flows=[FAST]), FIRST, "flows-left"),
        (SUSPENDED6, LISTED, BOTH_FIRST, "not-listed"),
        (SUSPENDED6, LISTED6, FIRST, "rule-not-known"),
        (SUSPENDED6, LISTED6, replace(FIRST, ipv6_filter=Ipv6Filter()), "no-rule"),
        (SUSPENDED6, replace(LISTED6, flows6=[FAST6]), BOTH_FIRST, "flows-left"),
        (SUSPENDED6, replace(LISTED6, flows6=None), BOTH_FAST, "flows-not-read"),
        (SUSPENDED6, LISTED6, BOTH_FAST, ""),
        (SUSPENDED6, LISTED6, replace(BOTH_FIRST, ipv6=frozenset({"vlan1"})), ""),
        (
            replace(SUSPENDED6, listed=frozenset({PLACE6}), row=BLOCKED),
            LISTED6,
            FIRST,
            "keeps-lease",
        ),
        (replace(SUSPENDED6, kinds=("resumed",)), LISTED6, FIRST, "still-listed"),
        (RENUMBERED, reading(), FIRST, "bindings-not-read"),
        (RENUMBERED, reading(bindings=[]), FIRST, "not-bound"),
        (RENUMBERED, reading(bindings=[HELD._replace(status="waiting")]), FIRST, "not-bound"),
        (RENUMBERED, reading(bindings=[HELD._replace(last_seen_s=9)]), FIRST, "not-renewed"),
        (RENUMBERED, reading(bindings=[HELD]), FIRST, ""),
        (
            replace(RENUMBERED, bindings=(BINDING._replace(iaid=""),)),
            reading(bindings=[HELD]),
            FIRST,
            "ipv6-client-unknown",
        ),
        (replace(RENUMBERED, bindings=()), reading(), FIRST, ""),
        (
            RATED6,
            reading(queues=[QUEUE, QUEUE._replace(address=PREFIX, limit="1M/1M")]),
            FIRST,
            "other-limit",
        ),
        (RATED6, reading(queues=[QUEUE, QUEUE._replace(address=PREFIX)]), FIRST, ""),
        (RATED6, reading(queues=[QUEUE]), FIRST, ""),
        (RATED6, reading(queues=[QUEUE], flows6=[FAST6]), FIRST, "flows-left"),
        (change("rate", row=ROW | {"rate-limit": ""}), reading(), FIRST, ""),
        (
            change("rate", row=ROW | {"rate-limit": ""}),
            reading(queues=[QUEUE]),
            FIRST,
            "other-limit",
        ),
        (change("mac", "rate"), reading(), FIRST, "no-queue"),
    ],
)
def test_what_does_not_act_has_a_reason(applied, found, known, reason):
    verdict = judge(applied, found, known, APPLIED_MS + 5_000)
    assert verdict.reason == reason
    assert verdict.acting is not bool(reason)


def test_the_end_of_the_lease_says_until_when():
    verdict = judge(change("suspended", row=BLOCKED), reading(), FIRST, APPLIED_MS)
    assert verdict.until_ms == APPLIED_MS + 600_000
    cancelled = judge(change("cancelled"), GONE, FIRST, APPLIED_MS + 1_000)
    assert cancelled.until_ms == APPLIED_MS + 600_000
    assert judge(change("cancelled"), GONE, FIRST, APPLIED_MS + 600_000).acting


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("198.51.100.10", "198.51.100.10", "198.51.100.11"),
        ("198.51.100.0/28", "198.51.100.15", "198.51.100.16"),
        ("198.51.100.5-198.51.100.9,192.0.2.1", "198.51.100.9", "198.51.100.10"),
    ],
)
def test_the_texts_of_ranges(text, inside, outside):
    found = networks_of(text)
    assert any(inside in map(str, network) for network in found)
    assert not any(outside in map(str, network) for network in found)
    assert networks_of("portal.example.net") == []


@pytest.mark.parametrize(
    ("target", "reason"), [("198.51.100.0/24", "queue-shadowed"), ("192.0.2.0/24", "")]
)
def test_a_rate_does_not_act_while_a_queue_of_others_takes_its_packets(target, reason):
    change = AppliedChange(kinds=("rate",), row=ROW, applied_ms=APPLIED_MS)
    own = SeenQueue("leasewire:acme:SVC-1", ADDRESS, "10M/50M", dynamic=False)
    reading = EffectReading(leases=[seen()], queues=[own])
    facts = replace(FIRST, shadows=(Shadow("site", target),))
    verdict = judge(change, reading, EffectFacts.from_text(facts.to_text()), APPLIED_MS)
    assert (verdict.acting, verdict.reason) == (not reason, reason)
