"""Which means make a change act at once, decided from what a pass is about to conclude.

The decision rests on the stored record alone, never on what was written just now: a pass after a
crash finds all rows as wanted, and must come to the same decision.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from worker.core.effect.facts import EffectFacts
from worker.core.effect.rungs import Means
from worker.core.entry.entry import Entry
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import ANY_SERVER, is_host_address
from worker.core.service.record import ServiceRecord, Settled, settle

SEARCHED_AT_ONCE: Final = 25
"""Addresses of one search for connections: a router compares each with all of its connections."""
_LEARNT: Final = ("address", "lease-time", "dhcp-option")
"""Fields that a device learns from the answer to its request, and only then."""


def means_of(policy: RouterPolicy, facts: EffectFacts) -> Means:
    """Return what Leasewire may do on a router so that a change acts sooner."""
    return Means(cut=cuts_connections(policy, facts), reconfigure=policy.reconfigure)


def cuts_connections(policy: RouterPolicy, facts: EffectFacts) -> bool:
    """Return whether tracked connections are removed on a router.

    Without FastTrack, and with suspension rules that come first, each packet of an old connection
    meets the rules anyway.
    """
    if policy.cut_connections == "auto":
        return facts.fasttrack or facts.suspension == "after-fasttrack"
    return policy.cut_connections == "always"


def addresses_to_cut(record: ServiceRecord, router: str, entry: Entry) -> frozenset[str]:
    """Return the IPv4 addresses whose tracked connections must end before a service is confirmed.

    These are the address that was just suspended by an address list, and the one that the service
    leaves, or keeps with another MAC.

    Args:
        record: as stored before the conclusion.
        router: whose rows are as wanted now.
        entry: wanted there.
    """
    addresses = set()
    before = _before(record, router)
    if before is not None and _changes_hands(before, entry):
        addresses.add(before["address"])
    if "suspension" in _registers(settle(record)[1]):
        addresses |= {place.address for place in entry.listed}
    return frozenset(address for address in addresses if is_host_address(address))


def needs_reconfigure(
    record: ServiceRecord, router: str, entry: Entry, policy: RouterPolicy, facts: EffectFacts
) -> bool:
    """Return whether the router may be able to make the service's device renew its lease now.

    Args:
        record: as stored before the conclusion.
        router: whose rows are as wanted now.
        entry: wanted there.
        policy: of the router.
        facts: of the router.
    """
    before, fields = _before(record, router), entry.fields
    if before is None or fields is None or not (policy.reconfigure and facts.reconfigure):
        return False
    if before["mac-address"] != fields["mac-address"]:  # a new device asks when it is plugged in
        return False
    server, at = fields["server"], record.placements[router]
    # A lease time that is shortened, or put back, has time until the device asks by itself.
    learnt = [name for name in _LEARNT if at.short is None or name != "lease-time"]
    return (server == ANY_SERVER or server in facts.reconfigure) and any(
        before.get(name, "") != fields.get(name, "") for name in learnt
    )


def _before(record: ServiceRecord, router: str) -> Mapping[str, str] | None:
    """The row that was confirmed last; what only is noted in advance does not count."""
    placement = record.placements.get(router)
    return placement.written if placement is not None and placement.seen_ms else None


def _changes_hands(before: Mapping[str, str], entry: Entry) -> bool:
    fields = entry.fields
    return fields is None or any(
        fields[name] != before[name] for name in ("address", "mac-address")
    )


def _registers(settled: Iterable[Settled]) -> Collection[str]:
    return {name for end in settled if end.outcome == "applied" for name in end.pending.registers}
