"""Judges whether address lists and firewall rules suspend a customer, of IPv4 or of IPv6."""

from collections.abc import Collection

from worker.core.effect.facts import EffectFacts
from worker.core.effect.reading import EffectReading
from worker.core.effect.verdict import EffectVerdict, acts, not_yet
from worker.core.rows.filter_rules import FILTER, FILTER6
from worker.core.rows.rows import ListPlace


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
