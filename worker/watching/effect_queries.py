"""What is read on a router to see whether applied changes act there."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from worker.core.effect.applied_change import AppliedChange
from worker.core.effect.facts import EffectFacts
from worker.core.effect.reading import EffectReading
from worker.core.policy.policy import RouterPolicy
from worker.core.rows import normal
from worker.core.rows.rows import is_host_address
from worker.ports import EffectQuery, LeaseQuery, RouterSession

_GARDEN: Final = "{list}-garden"
"""The list that `routers setup` makes beside the one of suspended customers."""


def read(
    session: RouterSession,
    changes: Sequence[AppliedChange],
    policy: RouterPolicy,
    *,
    leases: bool = False,
) -> EffectReading:
    """Read what decides whether changes act, but for tracked connections; at most two round trips.

    The policy is of the router that holds the rows. `leases`: the changes act by leases, in
    whichever menu the rows are.

    Raises:
        RouterUnreachable, RouterBlocked: as the session does.
    """
    devices = frozenset(change.device for change in changes)
    addresses = frozenset(
        address for change in changes if is_host_address(address := change.row.get("address", ""))
    )
    found = session.observe(LeaseQuery(devices=devices, addresses=addresses), leases=leases)
    seen = EffectReading(leases=found.rows, lease_times_s=found.lease_times_s)
    query = effect_query(changes, seen, policy)
    if query == EffectQuery():
        return seen
    more = session.read_effect_rows(query)
    return replace(more, leases=seen.leases, lease_times_s=seen.lease_times_s)


def flows_to_search(
    changes: Sequence[AppliedChange], seen: EffectReading, facts: EffectFacts
) -> frozenset[str]:
    """Return the addresses whose tracked connections may bypass what was changed."""
    found = set()
    for change in (change.located(seen) for change in changes):
        if "suspended" in change.kinds:
            found |= {place.address for place in change.listed}
        if "rate" in change.kinds and facts.fasttrack:
            found.add(change.address(seen))
        if "rate" in change.kinds and facts.ipv6_filter is not None and facts.ipv6_filter.fasttrack:
            found |= {*change.prefixes}
    return frozenset(found - {""})


def effect_query(
    changes: Sequence[AppliedChange], seen: EffectReading, policy: RouterPolicy
) -> EffectQuery:
    """Return what must be read beside the leases that were seen."""
    parts: dict[str, set[str]] = defaultdict(set)
    for change in (change.located(seen) for change in changes):
        address = change.address(seen)
        for kind in change.kinds:
            for part, value in _needs(change, kind, address):
                parts[part].add(value)
        if "suspended" in change.kinds:
            for place in change.listed:
                if ":" in place.address:
                    parts["gardens6"].add(_GARDEN.format(list=policy.ipv6_list))
                else:
                    parts["gardens"].add(_GARDEN.format(list=policy.suspend_list))
    return EffectQuery(**{part: frozenset(values - {""}) for part, values in parts.items()})


def _needs(change: AppliedChange, kind: str, address: str) -> Iterator[tuple[str, str]]:
    """The parts of a query that a kind of change needs, each with a value."""
    match kind:
        case "rate":
            yield "queues", address
            for target in _targets(address, change.prefixes):
                yield "targets", target
        case "suspended" | "resumed" if change.listed:
            for place in change.listed:
                yield "listed", place.address
        case "suspended" | "cancelled" | "moved-away" if "mac-address" in change.row:
            yield "arp", change.device if change.has_mac else address
        case "pool":
            yield "pools", change.row.get("address", "")
        case "prefix":
            for prefix in change.prefixes:
                yield "bindings", prefix
        case _:
            return


def _targets(address: str, prefixes: Sequence[str]) -> Iterator[str]:
    """The targets of the queues that limit prefixes: alone, or with the address as one."""
    if prefixes:
        yield ",".join((f"{address}/32", *prefixes))
        yield normal.prefixes(",".join((address, *prefixes)))
    for prefix in prefixes:
        yield prefix
        yield f"{address}/32,{prefix}"
