"""What an applied change is to the customer, and by which means it is made to act at once.

Both are decided from what a pass is about to conclude, on the stored record alone, never on what
was written just now: a pass after a crash finds all rows as wanted, and must decide the same.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from contracts.sealing import is_same_seal
from worker.core.effect.facts import EffectFacts
from worker.core.effect.rungs import ChangeKind, Means
from worker.core.entry.entry import Entry, is_placeholder
from worker.core.policy.policy import RouterPolicy, SessionEnd
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Operation, Set
from worker.core.rows.queues import OwnQueue
from worker.core.rows.rows import (
    ANY_SERVER,
    LEASES,
    NO_MAC,
    OPTION_82,
    Identity,
    device_field,
    device_of,
    is_host_address,
)
from worker.core.service.record import ServiceRecord, Settled, settle

SEARCHED_AT_ONCE: Final = 25
"""Addresses of one search for connections: a router compares each with all of its connections."""
_LEARNT: Final = ("address", "lease-time", "dhcp-option")
"""Fields that a device learns from the answer to its request, and only then."""
_ENDS: Final[Mapping[ChangeKind, SessionEnd]] = {
    "cancelled": "cancelled",
    "moved-away": "cancelled",
    "suspended": "suspended",
    "resumed": "resumed",
    "login": "login",
    "address": "address",
    "pool": "address",
    "prefix": "prefix",
    "rate": "rate",
}
"""The kinds of changes that may end a session, as `end_sessions` names them."""
_NOT_GIVEN: Final = frozenset({"service"})
"""Fields of a secret that a session which began by it has nothing of."""


def by_family(addresses: Iterable[str]) -> list[list[str]]:
    """Return the IPv4 addresses and the IPv6 prefixes, as each family has its own table."""
    families: tuple[list[str], list[str]] = ([], [])
    for address in sorted(addresses):
        families[":" in address].append(address)
    return [family for family in families if family]


def means_of(policy: RouterPolicy, facts: EffectFacts) -> Means:
    """Return what Leasewire may do on a router so that a change acts sooner."""
    ends = frozenset(kind for kind, name in _ENDS.items() if name in policy.end_sessions)
    cut, cut_ipv6 = (cuts_connections(policy, facts, ipv6=is_ipv6) for is_ipv6 in (False, True))
    return Means(cut, cut_ipv6, policy.reconfigure, ends)


def cuts_connections(policy: RouterPolicy, facts: EffectFacts, *, ipv6: bool = False) -> bool:
    """Return whether tracked connections of a family are removed on a router.

    Without FastTrack, and with suspension rules that come first, each packet of an old connection
    meets the rules anyway. Rules for IPv6 that were not read yet may be any.
    """
    if policy.cut_connections != "auto":
        return policy.cut_connections == "always"
    if ipv6 and facts.ipv6_filter is None:
        return True
    rules = facts.ipv6_filter if ipv6 and facts.ipv6_filter is not None else facts
    return rules.fasttrack or rules.suspension == "after-fasttrack"


def addresses_to_cut(record: ServiceRecord, router: str, entry: Entry) -> frozenset[str]:
    """Return the addresses whose tracked connections must end before a service is confirmed.

    These are the address that was just suspended by an address list, and the one that the service
    leaves, or keeps with another MAC. Likewise its IPv6 prefixes.
    """
    before = _before(record, router)
    addresses = set()
    if before is not None:
        fields = entry.fields
        same_device = fields is not None and _is_same_device(before, fields)
        if fields is None or not same_device or fields["address"] != before["address"]:
            addresses.add(before["address"])
        kept = {binding.address for binding in entry.bindings if same_device}
        addresses |= {binding.address for binding in record.placements[router].bindings} - kept
    if entry.listed and "suspension" in _registers(settle(record)[1]):
        addresses |= {place.address for place in entry.listed}
    return frozenset(address for address in addresses if ":" in address or is_host_address(address))


def sessions_to_end(  # noqa: PLR0913 - of the record, and of two kinds of passes
    record: ServiceRecord,
    router: str,
    entry: Entry,
    policy: RouterPolicy,
    *,
    sent: Collection[Identity] | None = None,
    found: Collection[Mapping[str, str]] = (),
) -> frozenset[str]:
    """Return the devices whose sessions must end so that a change acts.

    Only events end sessions, and only where the row changed: a queue and an address list act at
    once. Another policy of the router, or drift that is put right, acts at the next login. A device
    may have logged in by a row that was written and never confirmed: its sessions end too. Of a row
    of which nothing was confirmed, as it was adopted, or which landed late, this pass alone knows
    what it was; should the pass die, its note of what it writes is in `sent`.

    In `sent` are what an earlier pass noted of its writes, of which nobody knows what became: names
    alone are those of devices; None: no write is in flight. `found` are the rows that this pass
    changed or removed, as they were before.
    """
    before = _before(record, router)
    registers = _registers(settle(record)[1])
    if entry.fields is not None and not registers:
        return frozenset()
    unconfirmed = frozenset(r.device for r in sent or () if r == Identity(r.device, "", ""))
    rows = [] if before is None else [before]
    if before is None or sent is not None:
        rows += _as_found(entry, found)
    return unconfirmed | {
        device_of(row)
        for row in rows
        if row != entry.fields and _ends_session(entry, record, row, registers, policy)
    }


def given_up(entry: Entry, operations: Iterable[Operation]) -> list[Mapping[str, str]]:
    """Return what rows were of which others get the address or the name: they stay without it."""
    left: dict[str, Mapping[str, str]] = {}
    for operation in operations:
        if isinstance(operation, Set) and operation.menu == LEASES:
            left.pop(operation.row_id, None)
            not_its_own = dict(operation.fields.items() - (entry.fields or {}).items())
            if is_placeholder(not_its_own, operation.service_id):
                left[operation.row_id] = operation.was
    return [*left.values()]


def _as_found(entry: Entry, found: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Rows as a pass found them, in what a session has of its row."""
    if entry.fields is None:
        return [was for was in found if device_of(was)]
    names = entry.fields.keys() - _NOT_GIVEN
    return [{**entry.fields, **{n: was[n] for n in names & was.keys()}} for was in found]


def _ends_session(
    entry: Entry,
    record: ServiceRecord,
    before: Mapping[str, str],
    registers: Collection[str],
    policy: RouterPolicy,
) -> bool:
    kinds = kinds_of(entry, record, before, registers)
    if "activated" in kinds:  # a snapshot, or another activation, says all of a service
        kinds = (*kinds, *_of_row(entry, before, registers))
    return any(_ENDS.get(kind) in policy.end_sessions for kind in kinds)


def needs_reconfigure(
    record: ServiceRecord, router: str, entry: Entry, policy: RouterPolicy, facts: EffectFacts
) -> bool:
    """Return whether the router may be able to make the service's device renew its lease now."""
    before, fields = _before(record, router), entry.fields
    if before is None or fields is None:
        return False
    if fields.get("mac-address", NO_MAC) == NO_MAC:  # its row is found by it
        return False
    if not (policy.reconfigure and facts.reconfigure):
        return False
    if not _is_same_device(before, fields):  # a new device asks when it is plugged in
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


def _is_same_device(before: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """Whether two rows are for one device; one that is only known by another thing now is."""
    same = device_of(before) == device_of(fields)
    return same or device_field(before) != device_field(fields)


def _registers(settled: Iterable[Settled]) -> Collection[str]:
    return {name for end in settled if end.outcome == "applied" for name in end.pending.registers}


def kinds_of(
    entry: Entry,
    record: ServiceRecord,
    before: Mapping[str, str] | None,
    registers: Collection[str],
    had: Iterable[OwnBinding] = (),
) -> tuple[ChangeKind, ...]:
    """Return the kinds of an applied change, the gravest first; empty: no customer notices it.

    `before` are the fields of its row before the change, with its rate; None: it had none there.
    `registers` are those that the applied events wrote, `had` its IPv6 bindings before the change.
    """
    if entry.is_over:
        if before is None:
            return ()
        return ("cancelled",) if record.status == "cancelled" else ("moved-away",)
    fields = with_rate(entry.fields, entry.queue) or {}
    kinds: list[ChangeKind] = []
    if ("suspension" in registers or before is None) and record.status == "suspended":
        kinds.append("suspended")
    elif "suspension" in registers and "lifecycle" not in registers:
        kinds.append("resumed")
    if not fields or fields.get("block-access") == "yes":  # its device gets nothing
        return tuple(kinds)
    if (before is None and record.status == "active") or "lifecycle" in registers:
        return (*kinds, "activated")
    old = {binding.address for binding in had} - {""}
    prefix = "ipv6" in registers and old != {binding.address for binding in entry.bindings}
    return (*kinds, *_of_row(entry, before or fields, registers, prefix=prefix))


def _of_row(
    entry: Entry, before: Mapping[str, str], registers: Collection[str], *, prefix: bool = False
) -> Iterator[ChangeKind]:
    if "plan" in registers:  # a profile that was left to others is another one
        before = {"profile": "", **before}
    fields = with_rate(entry.fields, entry.queue) or {}
    changed = {name for name, value in fields.items() if before.get(name, value) != value}
    if changed & {"mac-address", OPTION_82}:
        yield "mac"
    if "name" in changed or (
        "password" in changed and not is_same_seal(fields["password"], before["password"])
    ):
        yield "login"
    if changed & {"server", "address"}:
        yield "pool" if entry.is_pool else "address"
    if prefix or "remote-ipv6-prefix" in changed:
        yield "prefix"
    if changed & {"rate-limit", "profile"}:
        yield "rate"
    if "dhcp-option" in changed:  # no event sets a lease time or the lists of a lease
        yield "options"


def with_rate(fields: Mapping[str, str] | None, queue: OwnQueue | None) -> Mapping[str, str] | None:
    """Return the fields of a row with the rate of the service's own queue, where it has one."""
    if fields is None or queue is None:
        return fields
    return {**fields, "rate-limit": queue.rate}
