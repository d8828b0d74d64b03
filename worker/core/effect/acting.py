"""Judges whether an applied change acts at the customer, from what was read on the router. Pure.

A change acts only if everything that was read agrees. What could not be read, or is not known,
never counts as agreement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.core.effect.acting_rows import NO_LIMIT, delegated, limited, suspended_by_list
from worker.core.effect.applied_change import AppliedChange, EffectVerdict, acts, not_yet
from worker.core.effect.facts import EffectFacts
from worker.core.effect.reading import EffectReading, is_in
from worker.core.effect.rungs import ChangeKind
from worker.core.rows.normal import rate_limit
from worker.core.rows.observed import SeenRow
from worker.core.rows.rows import is_host_address

IPV4_ONLY: Final = "ipv4-only"
"""Reason of a change that acts over IPv4 alone."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A change and what was read, with the moment of the read."""

    change: AppliedChange
    reading: EffectReading
    facts: EffectFacts
    now_ms: int
    row: SeenRow | None = field(init=False)
    address: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "change", self.change.located(self.reading))
        object.__setattr__(self, "row", self.reading.held_by(self.change.device))
        object.__setattr__(self, "address", self.change.address(self.reading))

    def until(self, row: SeenRow | None) -> int:
        """When the lease of a row ends unless it is renewed; 0: not known."""
        if row is None or row.expires_in_s is None:
            return 0
        return self.now_ms + row.expires_in_s * 1000

    def is_since(self, seen_s: int | None) -> bool:
        """Whether a device was seen, so many seconds ago, since the change."""
        # RouterOS rounds such times down to whole seconds.
        age_ms = self.now_ms - self.change.applied_ms
        return seen_s is not None and (seen_s + 1) * 1000 <= age_ms

    def holds_old(self) -> EffectVerdict:
        """The verdict on a device that has not moved: it holds another row or address, or none."""
        if self.row is None:
            return not_yet("device-offline", "no device holds its lease: it asks when it is up")
        held = self.row.active_address
        detail = f"the device still has {held} and gets the new lease when it renews"
        return not_yet("keeps-old-lease", detail, self.until(self.row))


def judge(
    change: AppliedChange, reading: EffectReading, facts: EffectFacts, now_ms: int
) -> EffectVerdict:
    """Return whether a change acts: the first thing that says no, else that all of it does.

    The router was read at `now_ms`, by Redis's clock.
    """
    case = _Case(change, reading, facts, now_ms)
    judges = _JUDGES if "mac-address" in change.row else _SESSION_JUDGES
    judges = _RADIUS_JUDGES if change.by_radius else judges
    verdicts = [judges[kind](case) for kind in change.kinds]
    refused = next((verdict for verdict in verdicts if not verdict.acting), None)
    if refused is not None:
        return refused
    reason = next((verdict.reason for verdict in verdicts if verdict.reason), "")
    details = dict.fromkeys(verdict.detail for verdict in verdicts if verdict.detail)
    return acts("; ".join(details), reason)


def _suspended(case: _Case) -> EffectVerdict:
    listed = case.change.listed
    prefixes = frozenset(place for place in listed if ":" in place.address)
    if listed - prefixes:
        verdict = suspended_by_list(listed - prefixes, case.reading, case.facts, ipv6=False)
    else:
        verdict = _suspended_by_lease(case)
    if verdict.acting and prefixes:
        ipv6 = suspended_by_list(prefixes, case.reading, case.facts, ipv6=True)
        return verdict if ipv6.acting else ipv6
    if not verdict.acting or not case.facts.ipv6:
        return verdict
    where = ", ".join(sorted(case.facts.ipv6))
    detail = f"{verdict.detail}. Over IPv6 ({where}) nothing is suspended"
    return verdict._replace(reason=IPV4_ONLY, detail=detail)


def _suspended_by_lease(case: _Case) -> EffectVerdict:
    """By `block-access`, by a rate, or by the removal of its row."""
    row = case.change.row
    if row.get("block-access") == "no":
        return acts()  # by a rate, which is judged as one
    if case.row is not None:
        held = case.row.active_address
        detail = f"the device keeps its lease of {held} until it renews"
        return not_yet("keeps-lease", detail, case.until(case.row))
    return _lost_its_lease(case, case.address or row.get("address", ""))


def _unreachable(case: _Case, address: str) -> EffectVerdict:
    """Whether no ARP entry leads to the device by its address, or by any where it has a pool."""
    arp = case.reading.arp
    if arp is None:
        return not_yet("arp-not-read", "our login may not read the ARP table")
    if case.change.has_mac:
        own = {entry for entry, mac in arp.items() if mac == case.change.device}
        left = own & {address} if is_host_address(address) else own
    else:  # nobody knows whose MAC it is
        left = arp.keys() & {address}
    if left:
        detail = f"the ARP entry of {min(left)} still names its device"
        return not_yet("arp-entry-left", detail)
    return acts("the device holds no lease, and no ARP entry leads to it")


def _gone(case: _Case) -> EffectVerdict:
    """A cancelled service, or one that moved to another router: no way leads to its device."""
    address = case.change.row.get("address", "")
    is_host = is_host_address(address)
    for row in case.reading.leases:
        if row.status != "bound" or not row.is_held_by(case.change.device):
            continue
        if not is_host or row.active_address == address:
            detail = f"the device keeps its lease of {row.active_address} until it renews"
            return not_yet("keeps-lease", detail, case.until(row))
    if case.row is None:
        return _lost_its_lease(case, address)
    verdict = _unreachable(case, address)
    detail = f"the device has {case.row.active_address} now, which is no lease of this service"
    return acts(detail) if verdict.acting else verdict


def _lost_its_lease(case: _Case, address: str) -> EffectVerdict:
    """Whether a device without a lease is cut off: it may not know yet that it has none."""
    verdict = _unreachable(case, address)
    if not verdict.acting or case.change.server in case.facts.layer2:
        return verdict
    lease_s = case.reading.lease_time_s(case.change.server)
    ends_ms = case.change.applied_ms + (lease_s or 0) * 1000
    if lease_s is None or case.now_ms < ends_ms:
        detail = "it has no lease, but its device may use the address until the lease time is over"
        return not_yet("may-keep-address", detail, ends_ms if lease_s else 0)
    return acts("its lease time is over, and no ARP entry leads to it")


def _resumed(case: _Case) -> EffectVerdict:
    reading, listed = case.reading, case.change.listed
    if not listed:
        return _holds(case)
    if reading.listed is None:
        return not_yet("list-not-read", "our login may not read the address lists")
    left = sorted(listed & reading.listed)
    if left:
        place = left[0]
        return not_yet("still-listed", f"{place.address} is still in list {place.list}")
    if all(":" in place.address for place in listed):
        return _holds(case)
    return acts("its address is in no list of suspended customers")


def _holds(case: _Case) -> EffectVerdict:
    """Whether the device holds the row with its address."""
    row, wanted = case.row, case.change.row.get("address", "")
    if row is None or row.lease.device != case.change.device:
        return case.holds_old()
    if not case.change.is_pool and is_host_address(wanted) and row.active_address != wanted:
        return case.holds_old()
    return acts(f"the device has {row.active_address}")


def _renewed(case: _Case) -> EffectVerdict:
    """Whether the device asked since the change, and was answered."""
    verdict = _holds(case)
    row = case.row
    if not verdict.acting or row is None:
        return verdict
    if not case.is_since(row.last_seen_s):
        detail = "the device has not renewed its lease since then"
        return not_yet("not-renewed", detail, case.until(row))
    return acts(f"the device has {row.active_address} and renewed its lease since")


def _in_pool(case: _Case) -> EffectVerdict:
    verdict = _renewed(case)
    if not verdict.acting or case.row is None:
        return verdict
    ranges = case.reading.pools.get(case.change.row.get("address", ""))
    if ranges is None or not is_in(case.row.active_address, ranges):
        return case.holds_old()
    return verdict


def _rate(case: _Case) -> EffectVerdict:
    verdict = _limited(case)
    if verdict.acting:
        change = case.change
        verdict = limited(change.prefixes, case.reading, change.limit) or verdict
    if not verdict.acting or case.change.row.get("rate-limit", "") in NO_LIMIT:
        return verdict
    ipv6, reading = case.facts.ipv6_filter, case.reading
    fasttrack6 = bool(case.change.bindings) and ipv6 is not None and ipv6.fasttrack
    unread = case.facts.fasttrack and reading.flows is None
    if unread or (fasttrack6 and reading.flows6 is None):
        detail = "FastTracked connections pass by the queues, and the router did not show them"
        return not_yet("flows-not-read", detail)
    flows = (*(reading.flows or ()), *(reading.flows6 or ()))
    for address in (case.address, *case.change.prefixes):
        passing = sum(flow.fasttracked and flow.address == address for flow in flows)
        if passing:
            detail = f"{passing} FastTracked connections of {address} pass by the queues"
            return not_yet("flows-left", detail)
    return verdict


def _limited(case: _Case) -> EffectVerdict:
    """Whether the first queue of the address has the wanted limit."""
    wanted = case.change.limit
    queues = case.reading.queues
    if queues is None:
        return not_yet("queues-not-read", "our login may not read the queues")
    first = next((queue for queue in queues if queue.address == case.address), None)
    if first is None and case.row is None:
        return case.holds_old()
    limit = rate_limit(first.limit) if first else ""
    shadow = case.facts.shadow_of(case.address) if is_host_address(case.address) else None
    if shadow is not None and wanted and not (first and first.dynamic):
        detail = f"{shadow} of others stands before its own queue and takes its packets"
        return not_yet("queue-shadowed", detail)
    if limit == wanted or {limit, wanted} <= NO_LIMIT:
        return acts(f"{case.address} is limited to {wanted}" if first else "no queue limits it")
    until_ms = case.until(case.row)
    if first is None:
        return not_yet("no-queue", f"no queue limits {case.address} yet", until_ms)
    detail = f"queue {first.name} limits {case.address} to {limit}, not to {wanted or 'none'}"
    return not_yet("other-limit", detail, until_ms)


def _prefix(case: _Case) -> EffectVerdict:
    change = case.change
    return delegated(change.bindings, case.reading, change.applied_ms, case.now_ms)


_JUDGES: Final[Mapping[ChangeKind, Callable[[_Case], EffectVerdict]]] = {
    "cancelled": _gone,
    "moved-away": _gone,
    "suspended": _suspended,
    "resumed": _resumed,
    "activated": _holds,
    "mac": _holds,
    "address": _holds,
    "pool": _in_pool,
    "prefix": _prefix,
    "rate": _rate,
    "options": _renewed,
    "login": _renewed,
}


def _by_radius(kind: ChangeKind) -> Callable[[_Case], EffectVerdict]:
    """The judge of a kind of change, who also asks whether the device's lease is of RADIUS."""

    def judge_lease(case: _Case) -> EffectVerdict:
        verdict, row = _JUDGES[kind](case), case.row
        if verdict.acting and row is not None and not row.lease.radius:
            detail = f"the device has {row.active_address} by a lease that is not of RADIUS"
            return not_yet("not-by-radius", f"{detail}: remove that lease", case.until(row))
        return verdict

    return judge_lease


def _radius_suspended(case: _Case) -> EffectVerdict:
    row = case.row
    if row is None and case.change.row.get("block-access") == "no":
        address = case.address or case.change.row.get("address", "")
        return _lost_its_lease(case, address)  # it is suspended from when its device asks again
    verdict = _suspended(case)
    if verdict.reason == "not-listed":
        detail = f"{verdict.detail}: it is when the device renews"
        return not_yet(verdict.reason, detail, case.until(row))
    return verdict


_RADIUS_JUDGES: Final[Mapping[ChangeKind, Callable[[_Case], EffectVerdict]]] = {
    **{kind: _by_radius(kind) for kind in _JUDGES},
    "cancelled": _gone,
    "moved-away": _gone,
    "suspended": _radius_suspended,
}


def _no_session(case: _Case) -> EffectVerdict:
    if case.row is None:
        return acts("no session of its device goes on")
    detail = f"its session with {case.row.active_address} goes on until it ends"
    return not_yet("session-goes-on", detail)


def _in_session(case: _Case) -> EffectVerdict:
    """Whether a device has logged in since the change: it has what was so when it did."""
    session, address = case.row, case.change.row.get("address", "")
    if session is None:
        return not_yet("device-offline", "its device is not logged in: it acts when it is")
    if not case.is_since(session.last_seen_s):
        detail = "its session is older than the change, and has what was so when it began"
        return not_yet("older-session", detail)
    held = session.active_address
    if is_host_address(address) and held != address:
        return not_yet("other-address", f"its session has {held}, not {address}")
    return acts(f"the device logged in since then and has {held}")


def _session_suspended(case: _Case) -> EffectVerdict:
    if case.change.listed:
        return _suspended(case)
    blocked = case.change.row.get("block-access", "yes") == "yes"
    return _no_session(case) if blocked else _in_session(case)


def _session_resumed(case: _Case) -> EffectVerdict:
    return _resumed(case) if case.change.listed else _in_session(case)


def _session_rate(case: _Case) -> EffectVerdict:
    """By a queue of ours, or by what its session got."""
    return _rate(case) if "rate-limit" in case.change.row else _in_session(case)


_SESSION_JUDGES: Final[Mapping[ChangeKind, Callable[[_Case], EffectVerdict]]] = {
    **dict.fromkeys(_JUDGES, _in_session),
    "cancelled": _no_session,
    "moved-away": _no_session,
    "suspended": _session_suspended,
    "resumed": _session_resumed,
    "rate": _session_rate,
}
