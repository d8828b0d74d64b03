"""The judge never says that a change acts while what was read contradicts it."""

import os
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.core.effect.acting import IPV4_ONLY, AppliedChange, judge
from worker.core.effect.facts import EffectFacts
from worker.core.effect.reading import EffectReading, SeenFlow, SeenQueue, networks_of
from worker.core.effect.rungs import ChangeKind
from worker.core.rows.observed import SeenRow
from worker.core.rows.queues import Shadow
from worker.core.rows.rows import Lease, ListPlace

EXAMPLES = int(os.environ.get("EFFECT_EXAMPLES", "120"))
"""Of each kind of change; `make chaos` tries many more."""
MAC, OTHER_MAC = "00:00:5E:00:53:01", "00:00:5E:00:53:02"
ADDRESS, OTHER = "198.51.100.10", "198.51.100.11"
PORTAL, AWAY = "203.0.113.9", "192.0.2.1"
PLACE = ListPlace("suspended", ADDRESS)
APPLIED_MS = 1_000_000
ROW = {
    "mac-address": MAC,
    "address": ADDRESS,
    "server": "dhcp1",
    "block-access": "no",
    "rate-limit": "10M/50M",
}
FIRST = EffectFacts(read_at_ms=1, suspension="first")


def seen(mac=MAC, address=ADDRESS, status="bound", asked_s=0, row_mac=MAC):
    lease = Lease("*1", {"mac-address": row_mac, "address": ADDRESS}, "", dynamic=False)
    return SeenRow(lease, status, mac, address, 600, asked_s)


# Most draws agree with the change, so that many of them are said to act; the rest contradicts it.
macs = st.sampled_from([MAC, MAC, MAC, OTHER_MAC])
addresses = st.sampled_from([ADDRESS, ADDRESS, ADDRESS, OTHER])
rows = st.builds(
    seen,
    macs,
    addresses,
    st.sampled_from(["bound", "bound", "waiting", "offered"]),
    st.sampled_from([0, 1, 600, 3_000]),
    st.sampled_from([MAC, MAC, MAC, OTHER_MAC]),
)
queues = st.builds(
    SeenQueue,
    st.sampled_from(["dhcp-ds<x>", "other"]),
    addresses,
    st.sampled_from(["10M/50M", "10M/50M", "1M/1M", "0/0", ""]),
    st.booleans(),
)
flows = st.builds(SeenFlow, addresses, st.sampled_from([PORTAL, AWAY, AWAY]), st.booleans())
readings = st.builds(
    EffectReading,
    leases=st.lists(rows, max_size=2),
    lease_times_s=st.sampled_from([{}, {"dhcp1": 600}]),
    queues=st.none() | st.lists(queues, max_size=2),
    listed=st.sampled_from([None, frozenset(), frozenset({PLACE}), frozenset({PLACE})]),
    garden=st.sampled_from([[], networks_of(f"{PORTAL}/32")]),
    arp=st.sampled_from([None, {}, {ADDRESS: OTHER_MAC}, {ADDRESS: MAC}, {OTHER: MAC}]),
    flows=st.one_of(st.none(), st.just([]), flows.map(lambda flow: [flow]), st.lists(flows)),
    pools=st.sampled_from([{}, {"pool": networks_of("198.51.100.11-198.51.100.20")}]),
)
facts = st.builds(
    EffectFacts,
    read_at_ms=st.sampled_from([0, 1, 1, 1]),
    fasttrack=st.booleans(),
    suspension=st.sampled_from(["none", *["after-fasttrack", "first"] * 2]),
    layer2=st.sampled_from([frozenset(), frozenset({"dhcp1"})]),
    ipv6=st.sampled_from([frozenset(), frozenset({"vlan-10"})]),
    unread=st.sampled_from([frozenset(), frozenset(), frozenset({"/ip/firewall/filter"})]),
)
others = st.just([]) | st.lists(st.sampled_from(get_args(ChangeKind)), max_size=1)
moments = st.sampled_from([0, 1_000, 5_000, 599_999, 600_000, 2_000_000]).map(
    lambda age_ms: APPLIED_MS + age_ms
)


def contradictions(change, reading, known, now_ms):
    """Everything that was read and speaks against the change being so, in plain words."""
    bound = [row for row in reading.leases if row.status == "bound" and row.active_mac == MAC]
    address = ADDRESS
    if change.is_pool:
        address = bound[0].active_address if bound else ""
    named = {entry for entry, mac in (reading.arp or {}).items() if mac == MAC}
    for kind in change.kinds:
        match kind:
            case "suspended" if change.listed:
                away = [f for f in reading.flows or () if f.address == ADDRESS]
                away = [f for f in away if not (reading.garden and f.peer == PORTAL)]
                yield not reading.listed or PLACE not in reading.listed
                yield not known.read_at_ms or bool(known.unread)
                yield known.suspension == "none"
                yield any(f.fasttracked for f in away)
                yield bool(away) and known.suspension != "first"
                yield reading.flows is None and known.fasttrack
            case "suspended" if change.row["block-access"] == "yes":
                yield bool(bound)
                yield bool(named) if change.is_pool else ADDRESS in named
            case "resumed" if change.listed:
                yield reading.listed is None or PLACE in reading.listed
            case "cancelled" | "moved-away":
                yield any(r.active_address == ADDRESS or change.is_pool for r in bound)
                yield bool(named) if change.is_pool else ADDRESS in named
                over = now_ms >= APPLIED_MS + 600_000 and bool(reading.lease_times_s)
                yield not (over or bound or "dhcp1" in known.layer2)
            case "activated" | "mac" | "address":
                yield not any(change.is_pool or r.active_address == ADDRESS for r in bound)
            case "pool" | "options":
                renewed = [r for r in bound if now_ms - r.last_seen_s * 1000 > APPLIED_MS]
                yield not renewed
                yield kind == "pool" and change.row["address"] not in reading.pools
            case "rate":
                first = next((q for q in reading.queues or () if q.address == address), None)
                wanted = change.row["rate-limit"]
                limit = "" if first is None or first.limit == "0/0" else first.limit
                yield reading.queues is None or limit != wanted
                mine = [f for f in reading.flows or () if f.fasttracked and f.address == address]
                yield bool(mine) and bool(wanted)
            case _:
                yield False


@st.composite
def changes(draw, kind):
    is_pool = draw(st.booleans())
    row = ROW | {
        "block-access": draw(st.sampled_from(["yes", "no"])),
        "rate-limit": draw(st.sampled_from(["10M/50M", ""])),
    }
    return AppliedChange(
        kinds=tuple(dict.fromkeys([kind, *draw(others)])),
        row=row | ({"address": "pool"} if is_pool else {}),
        listed=draw(st.sampled_from([frozenset(), frozenset({PLACE}), frozenset({PLACE})])),
        is_pool=is_pool,
        applied_ms=APPLIED_MS,
    )


@pytest.mark.parametrize("kind", get_args(ChangeKind))
@given(st.data(), readings, facts, moments)
@settings(max_examples=EXAMPLES)
def test_it_is_never_acting_while_what_was_read_contradicts_it(kind, data, reading, known, now_ms):
    change = data.draw(changes(kind))
    verdict = judge(change, reading, known, now_ms)
    if verdict.acting:
        assert not any(contradictions(change, reading, known, now_ms))
    else:
        assert verdict.reason
        assert verdict.detail
    if verdict.acting and "suspended" in change.kinds and known.ipv6:
        assert verdict.reason == IPV4_ONLY
        assert "IPv6" in verdict.detail


def change(*found, row=ROW, listed=False, **more):
    listed = frozenset({PLACE} if listed else ())
    return AppliedChange(kinds=found, row=row, listed=listed, applied_ms=APPLIED_MS, **more)


def reading(**more):
    empty = EffectReading(queues=[], listed=frozenset(), arp={}, flows=[], leases=[seen()])
    return replace(empty, **more)


LISTED = reading(listed=frozenset({PLACE}))
FAST = SeenFlow(ADDRESS, "192.0.2.1", fasttracked=True)
TRACKED = FAST._replace(fasttracked=False)
QUEUE = SeenQueue("dhcp-ds<x>", ADDRESS, "10M/50M", dynamic=True)
BLOCKED = ROW | {"block-access": "yes"}
GONE = reading(leases=[], lease_times_s={"dhcp1": 600})
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
