"""Judges whether rows beside the lease act: address lists with their rules, bindings, queues."""

from collections.abc import Collection, Sequence
from typing import Final

from worker.core.effect.applied_change import EffectVerdict, acts, not_yet
from worker.core.effect.facts import EffectFacts
from worker.core.effect.reading import EffectReading
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.filter_rules import FILTER, FILTER6
from worker.core.rows.rows import ListPlace

NO_LIMIT: Final = frozenset({"", "0/0"})


def suspended_by_list(
    places: Collection[ListPlace], reading: EffectReading, facts: EffectFacts, *, ipv6: bool
) -> EffectVerdict:
    """Return whether nothing passes from and to the addresses or prefixes in a list.

    The places are of one family.
    """
    if reading.listed is None:
        return not_yet("list-not-read", "our login may not read the address lists")
    missing = sorted({*places} - reading.listed)
    if missing:
        place = missing[0]
        return not_yet("not-listed", f"{place.address} is not in list {place.list} now")
    rules = facts.ipv6_filter if ipv6 else facts
    if not facts.read_at_ms or rules is None or (FILTER6 if ipv6 else FILTER) in facts.unread:
        detail = "it is not known whether a firewall rule drops suspended customers: "
        return not_yet("rule-not-known", f"{detail}no full read has shown the router's rules")
    if rules.suspension == "none":
        which = "IPv6 " if ipv6 else ""
        detail = f"no {which}firewall rule drops suspended customers"
        return not_yet("no-rule", f"{detail}: `leasewire routers setup` makes it")
    passes_all = rules.suspension != "first"
    flows = reading.flows6 if ipv6 else reading.flows
    if flows is None and (passes_all or rules.fasttrack):
        detail = "established connections may pass, and the router did not show them"
        return not_yet("flows-not-read", detail)
    return _no_flow_passes(places, reading, fasttracked=not passes_all)


def _no_flow_passes(
    places: Collection[ListPlace], reading: EffectReading, *, fasttracked: bool
) -> EffectVerdict:
    """Whether no tracked connection passes by the suspension rules."""
    for place in sorted(places):
        flows = reading.flows_of(place.address, fasttracked=fasttracked)
        if flows:
            why = "FastTrack" if any(flow.fasttracked for flow in flows) else "an earlier rule"
            detail = f"{len(flows)} tracked connections of {place.address} pass by {why} until they"
            return not_yet("flows-left", f"{detail} end: `cut_connections` removes them")
    return acts("its address is in the list, and no connection passes the rule")


def delegated(
    bindings: Sequence[OwnBinding], reading: EffectReading, applied_ms: int, now_ms: int
) -> EffectVerdict:
    """Return whether the device got its prefix, and its address if it has one, since the change.

    The change was confirmed at `applied_ms`, the router was read at `now_ms`.
    """
    if reading.bindings is None:
        if bindings:
            return not_yet("bindings-not-read", "our login may not read the DHCPv6 bindings")
        return acts("it has no IPv6 prefix any more")
    for binding in bindings:
        if not binding.is_known:
            detail = f"{binding.address} is given when the DHCPv6 client of its device asks"
            return not_yet("ipv6-client-unknown", detail)
        row = next((row for row in reading.bindings if row.address == binding.address), None)
        if row is None or row.status != "bound":
            detail = f"the DHCPv6 client has not asked for {binding.address} yet"
            return not_yet("not-bound", detail)
        # `last-seen` is in whole seconds, rounded down.
        if row.last_seen_s is None or (row.last_seen_s + 1) * 1000 > now_ms - applied_ms:
            until_ms = 0 if row.expires_in_s is None else now_ms + row.expires_in_s * 1000
            detail = f"the DHCPv6 client has not renewed {binding.address} since then"
            return not_yet("not-renewed", detail, until_ms)
    return acts(f"the device has {', '.join(binding.address for binding in bindings)}")


def limited(prefixes: Sequence[str], reading: EffectReading, wanted: str) -> EffectVerdict | None:
    """Return why the limit of a service does not hold for its prefixes; None: it does.

    A prefix without a queue is not delegated now, or is limited by the queue of the address.

    `wanted` is a limit in normal form.
    """
    for prefix in prefixes:
        first = next((queue for queue in reading.queues or () if queue.address == prefix), None)
        if first is not None and first.limit != wanted and not {first.limit, wanted} <= NO_LIMIT:
            detail = f"queue {first.name} limits {prefix} to {first.limit}, not to {wanted}"
            return not_yet("other-limit", detail)
    return None
