"""Static leases of `/ip/dhcp-server/lease`: the kind of entry that every router has."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from pydantic import JsonValue

from worker.core.entry.dhcp_options import OPTIONS_LEFT_TO_OTHERS, option_rows
from worker.core.entry.entry import Entry, EntryKind, rate_of
from worker.core.policy.policy import RouterPolicy, SuspendMode
from worker.core.rows.bindings import IS_ADDRESS, IS_PREFIX, OwnBinding
from worker.core.rows.menus import LEASE
from worker.core.rows.normal import duid, prefix6
from worker.core.rows.operations import Waiting
from worker.core.rows.option82 import BETWEEN, MOST_BYTES, joined, parted, spelled_ids
from worker.core.rows.queues import OwnQueue
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ADDRESS_LISTS6,
    BINDINGS,
    NO_MAC,
    OPTION_82,
    OPTIONS,
    QUEUES,
    Lease,
    ListPlace,
    device_field,
    is_host_address,
)
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement

_CIRCUIT: Final = "agent-circuit-id"
_REMOTE: Final = "agent-remote-id"
_NEEDS: Final[Mapping[SuspendMode, str]] = {
    "walled_garden": "names no suspend_list",
    "throttle": "has no throttle rate, or leaves rate-limit to others",
}

_RATE_ON_LEASE: Final = (
    "rate-on-lease",
    "an address of a pool is not known before the device has it: its rate stays on its lease",
)


class LeaseEntry(EntryKind):
    """A lease per service, with option rows and, while walled in, a row in an address list."""

    name = "lease"
    menu = LEASE
    optional = False
    uses = frozenset({OPTIONS, ADDRESS_LISTS, QUEUES, BINDINGS, ADDRESS_LISTS6})
    shows_devices = True
    # seen on 7.23.7
    stale = ("already have static lease",)

    def wanted(self, record: ServiceRecord, policy: RouterPolicy) -> Entry:
        """See `EntryKind`."""
        address, is_pool = str(record.address), record.has_pool
        mac, server = record.device_in("mac-address"), record.value("dhcp_server")
        at = record.placements.get(record.row_router or "")
        has_ipv6 = bool(record.value("ipv6"))
        given = record.value("dns_servers"), record.value("options")
        how = suspending_row(record.value("suspension"), policy, own_address=not is_pool)
        fields = {
            "mac-address": mac or NO_MAC,
            "address": address,
            "server": str(server or policy.default_server),
            "block-access": "yes" if how.mode == "block" else "no",
        }
        had_ids = any(OPTION_82 in (at.written or ()) for at in record.placements.values())
        if had_ids or policy.identify_by == "option-82":
            fields |= _by_ids(record, policy)
        missing = None
        if is_pool and is_host_address(address):
            detail = f"RouterOS takes the pool name {address} for an address: rename the pool"
            missing = Waiting("not-expressible", detail)
        ids = fields.get(OPTION_82)
        if ids and sum(map(len, parted(ids))) > 2 * MOST_BYTES:
            detail = (
                f"option 82 has room for ids of {MOST_BYTES} bytes together: no device sends these"
            )
            missing = Waiting("not-expressible", detail)
        notes = [] if how.note is None else [how.note]
        bindings = _bindings(record, policy) if has_ipv6 else ()
        limit = _limit(record, policy, how.mode, bindings)
        missing = limit.missing or missing
        notes += [] if limit.note is None else [limit.note]
        if limit.rate is not None:
            fields["rate-limit"] = limit.rate
        lease_time, spares = _lease_time(at, policy)
        if lease_time is not None:
            fields["lease-time"] = lease_time
        if "address-lists" in policy.managed:
            fields["address-lists"] = policy.address_lists
        options = option_rows(*given, policy) if any(given) else {}
        if "dhcp-option" in policy.managed:
            fields["dhcp-option"] = ",".join(sorted(options))
        elif options:
            notes.append(OPTIONS_LEFT_TO_OTHERS)
            options = {}
        listed = _suspended_places(bindings, how.mode, policy) if bindings else frozenset()
        if how.mode == "walled_garden":
            listed |= {ListPlace(policy.suspend_list, address)}
        return Entry(
            record.service_id,
            fields,
            record.label if policy.label else "",
            listed=listed,
            options=options,
            queue=limit.queue,
            bindings=tuple(binding._replace(rate=limit.rate) for binding in bindings),
            missing=missing,
            notes=tuple(notes),
            is_pool=is_pool,
            spares=spares,
        )

    def as_lease(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """See `EntryKind`."""
        if _CIRCUIT not in values and _REMOTE not in values:
            return values
        own = dict(values)
        circuit, remote = own.pop(_CIRCUIT, ""), own.pop(_REMOTE, "")
        own[OPTION_82] = joined(circuit, remote) if circuit or remote else ""
        return own

    def said_by(self, row: Lease, policy: RouterPolicy) -> Mapping[str, str] | None:
        """See `EntryKind`."""
        said = super().said_by(row, policy)
        if said is None or device_field(row.fields) != OPTION_82:
            return said
        circuit, remote = spelled_ids(row.device)
        ids = {"circuit_id": circuit, "remote_id": remote}
        return {name: value for name, value in {**said, **ids}.items() if name != "mac"}

    def own_fields(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """See `EntryKind`."""
        if OPTION_82 not in fields:
            return fields
        circuit, remote = parted(fields[OPTION_82])
        own = {name: value for name, value in fields.items() if name != OPTION_82}
        return {**own, _CIRCUIT: circuit, _REMOTE: remote}

    def named_by(self, device: str) -> Mapping[str, str]:
        """See `EntryKind`."""
        if BETWEEN not in device:
            return {"mac-address": device}
        ids = self.own_fields({OPTION_82: device})
        return {name: digits for name, digits in ids.items() if digits}


def _by_ids(record: ServiceRecord, policy: RouterPolicy) -> Mapping[str, str]:
    """The ids in place of the MAC, which would be one device's; none where it goes by MACs."""
    ids = record.device_in(OPTION_82) if policy.identify_by == "option-82" else ""
    return {OPTION_82: ids, **({"mac-address": NO_MAC} if ids else {})}


class _Limit(NamedTuple):
    """What limits a service.

    Attributes:
        rate: on its lease and its bindings; None: left to others.
        queue: its own queue, of both families.
        note: kind and sentence for a person.
    """

    rate: str | None = None
    queue: OwnQueue | None = None
    missing: Waiting | None = None
    note: tuple[str, str] | None = None


def _limit(
    record: ServiceRecord,
    policy: RouterPolicy,
    mode: SuspendMode | None,
    bindings: Sequence[OwnBinding],
) -> _Limit:
    if "rate-limit" not in policy.managed:
        return _Limit()
    rate = policy.throttle if mode == "throttle" else rate_of(record, policy)
    if isinstance(rate, Waiting):
        return _Limit(missing=rate)
    if not rate or policy.rates != "queue":
        return _Limit(rate)
    if record.has_pool:
        return _Limit(rate, note=_RATE_ON_LEASE)
    ipv6 = ",".join(sorted(binding.address for binding in bindings))
    place, parent = policy.queue_place, policy.queue_parent
    return _Limit("", OwnQueue(str(record.address), rate, place, parent, ipv6))


def _lease_time(
    at: Placement | None, policy: RouterPolicy
) -> tuple[str | None, Mapping[str, frozenset[str]]]:
    """The lease time, None where it is left to others; and what alone it may overwrite."""
    short = None if at is None else at.short
    if short is not None and short.last_ms:
        return short.lease_time, {}
    if "lease-time" in policy.managed:
        return policy.lease_time, {}
    if short is not None and short.before is not None:
        return short.before, {"lease-time": frozenset({short.lease_time})}
    return None, {}


def _bindings(record: ServiceRecord, policy: RouterPolicy) -> tuple[OwnBinding, ...]:
    """The bindings without their rate: of its prefix, and of its address if it has one.

    An assigned prefix that is not known yet has no binding.
    """
    ipv6: Any = record.value("ipv6")
    if ipv6 is None:
        return ()
    stated, iaid = record.value("duid"), record.value("iaid")
    binding = OwnBinding(
        IS_PREFIX,
        record.prefix or "",
        policy.ipv6_server,
        "" if stated is None else duid(str(stated)),
        "" if iaid is None else str(iaid),
        str(record.value("mac") or NO_MAC) if stated is None or iaid is None else "",
        lists=policy.address_lists if "address-lists" in policy.managed else None,
        options=policy.ipv6_options or None,
        life_time=policy.ipv6_life_time or None,
    )
    bindings = [binding] if binding.address else []
    if ipv6["address"]:
        bindings.append(binding._replace(ia=IS_ADDRESS, address=prefix6(ipv6["address"])))
    return tuple(bindings)


def _suspended_places(
    bindings: Iterable[OwnBinding], mode: SuspendMode | None, policy: RouterPolicy
) -> frozenset[ListPlace]:
    """Where the prefixes of a service are listed while it is suspended.

    Its bindings stay: without them its device could get a prefix that is in no list.
    """
    if mode not in ("block", "walled_garden"):
        return frozenset()
    return frozenset(ListPlace(policy.ipv6_list, binding.address) for binding in bindings)


class Suspending(NamedTuple):
    """How a row suspends its service; without a mode it does not. The note is for a person."""

    mode: SuspendMode | None
    note: tuple[str, str] | None = None


def suspending_row(held: JsonValue, policy: RouterPolicy, *, own_address: bool) -> Suspending:
    """Return how a row suspends its service; no list can name an address that is not known.

    `held` is the value of the service's register.
    """
    if held is None:
        return Suspending(None)

    def why_not(mode: SuspendMode) -> str:
        if not policy.can_suspend_by(mode):
            return f"the router's policy {_NEEDS[mode]}"
        if mode == "walled_garden" and not own_address:
            return "an address of a pool is not known before the device has it"
        return ""

    return suspending(held, policy.suspends_by, why_not)


def suspending(
    held: JsonValue, default: SuspendMode, why_not: Callable[[SuspendMode], str]
) -> Suspending:
    """Choose the mode: the event's where the router can do it, else the policy's, else `block`.

    `held` is the value of the service's register, `why_not` says why a mode cannot be done.
    """
    if not isinstance(held, dict):
        return Suspending(None)
    refused: list[str] = []
    for mode in (cast("SuspendMode | None", held.get("mode")), default):
        why = "" if mode is None else why_not(mode)
        if mode is not None and not why:
            return Suspending(mode, _note(refused, mode))
        if mode is not None:
            refused.append(f"{mode} cannot be done: {why}")
    return Suspending("block", _note(refused, "block"))


def _note(refused: list[str], mode: SuspendMode) -> tuple[str, str] | None:
    if not refused:
        return None
    return "suspend-mode", f"suspended by {mode} instead: {'; '.join(dict.fromkeys(refused))}"
