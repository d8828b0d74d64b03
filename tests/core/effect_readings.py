"""Readings of a router, applied changes, and what in a reading contradicts a change."""

from typing import get_args

from hypothesis import strategies as st

from worker.core.effect.applied_change import AppliedChange
from worker.core.effect.facts import EffectFacts, Ipv6Filter
from worker.core.effect.reading import (
    EffectReading,
    SeenBinding,
    SeenFlow,
    SeenQueue,
    networks_of,
)
from worker.core.effect.rungs import ChangeKind
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.observed import SeenRow
from worker.core.rows.rows import Lease, ListPlace

MAC, OTHER_MAC = "00:00:5E:00:53:01", "00:00:5E:00:53:02"
ADDRESS, OTHER = "198.51.100.10", "198.51.100.11"
PORTAL, AWAY = "203.0.113.9", "192.0.2.1"
PLACE = ListPlace("suspended", ADDRESS)
PREFIX, OTHER_PREFIX = "2001:db8:1::/56", "2001:db8:2::/56"
PLACE6 = ListPlace("suspended", PREFIX)
BOTH = (PLACE, PLACE6)
BINDING = OwnBinding("pd", PREFIX, duid="0x00", iaid="1")
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
    addresses | st.just(PREFIX),
    st.sampled_from(["10M/50M", "10M/50M", "1M/1M", "0/0", ""]),
    st.booleans(),
)
peers = st.sampled_from([PORTAL, AWAY, AWAY])
flows = st.builds(SeenFlow, addresses, peers, st.booleans())
flows6 = st.builds(SeenFlow, st.sampled_from([PREFIX, OTHER_PREFIX]), peers, st.booleans())
bindings = st.builds(
    SeenBinding,
    st.sampled_from([PREFIX, PREFIX, OTHER_PREFIX]),
    st.sampled_from(["bound", "bound", "waiting"]),
    st.sampled_from([None, 0, 1, 600]),
    st.sampled_from([None, 100]),
)
readings = st.builds(
    EffectReading,
    leases=st.lists(rows, max_size=2),
    lease_times_s=st.sampled_from([{}, {"dhcp1": 600}]),
    queues=st.none() | st.lists(queues, max_size=2),
    listed=st.sampled_from(
        [None, frozenset(), *[frozenset({PLACE})] * 2, *[frozenset({PLACE, PLACE6})] * 2]
    ),
    bindings=st.none() | st.lists(bindings, max_size=2),
    garden=st.sampled_from([[], networks_of(f"{PORTAL}/32")]),
    arp=st.sampled_from([None, {}, {ADDRESS: OTHER_MAC}, {ADDRESS: MAC}, {OTHER: MAC}]),
    flows=st.one_of(st.none(), st.just([]), flows.map(lambda flow: [flow]), st.lists(flows)),
    flows6=st.one_of(st.none(), st.just([]), st.lists(flows6, max_size=2)),
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
    ipv6_filter=st.none()
    | st.builds(Ipv6Filter, st.booleans(), st.sampled_from(["none", "after-fasttrack", "first"])),
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
            case "suspended" if PLACE in change.listed:
                yield not known.read_at_ms or bool(known.unread)
                yield from passing(reading, PLACE, known)
            case "suspended" if change.row["block-access"] == "yes":
                yield bool(bound)
                yield bool(named) if change.is_pool else ADDRESS in named
            case "resumed" if change.listed:
                yield reading.listed is None or bool(change.listed & reading.listed)
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


def contradictions6(change, reading, known, now_ms):
    """The same for what is of IPv6."""
    rows = [row for row in reading.bindings or () if row.address == PREFIX]
    for kind in change.kinds if change.bindings or PLACE6 in change.listed else ():
        match kind:
            case "suspended" if PLACE6 in change.listed:
                yield not known.read_at_ms or known.ipv6_filter is None
                yield from passing(reading, PLACE6, known.ipv6_filter or Ipv6Filter())
            case "prefix" if change.bindings:
                yield not rows or rows[0].status != "bound" or rows[0].last_seen_s is None
                yield bool(rows) and now_ms - (rows[0].last_seen_s or 0) * 1000 <= APPLIED_MS
                yield change.bindings != (BINDING,)
            case "rate" if change.bindings:
                wanted = change.row["rate-limit"]
                first = next((q for q in reading.queues or () if q.address == PREFIX), None)
                yield first is not None and first.limit not in {wanted, wanted or "0/0"}
                fast = [f for f in reading.flows6 or () if f.fasttracked and f.address == PREFIX]
                yield bool(fast) and bool(wanted)
            case _:
                yield False


def passing(reading, place, rules):
    """What lets packets from and to an address or a prefix past the rules."""
    flows = reading.flows6 if place == PLACE6 else reading.flows
    away = [f for f in flows or () if f.address == place.address]
    away = [f for f in away if not (reading.garden and f.peer == PORTAL)]
    yield not reading.listed or place not in reading.listed
    yield rules.suspension == "none"
    yield any(f.fasttracked for f in away)
    yield bool(away) and rules.suspension != "first"
    yield flows is None and rules.fasttrack


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
        listed=frozenset(draw(st.sampled_from([(), (PLACE,), (PLACE,), (PLACE6,), BOTH, BOTH]))),
        is_pool=is_pool,
        applied_ms=APPLIED_MS,
        bindings=draw(st.sampled_from([(), (BINDING,), (BINDING._replace(duid=""),)])),
    )
