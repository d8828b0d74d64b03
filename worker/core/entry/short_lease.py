"""Shortens the lease time of a row ahead of scheduled events, and puts it back after them.

A device asks again after half of its lease time, at the latest at its end. So a row that is
shortened one lease time ahead has a device that asks within the short time when the event comes.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from worker.core.entry.entry import Entry
from worker.core.entry.wanted import kind_of, wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.normal import duration, seconds
from worker.core.rows.rows import device_field
from worker.core.service.fold import release
from worker.core.service.own_version import own_version
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement, ShortLease
from worker.core.service.schedule import as_said
from worker.core.storage_format import rfc3339

FIELD: Final = "lease-time"
UNKNOWN_S: Final = 3_600
"""Lease time of a DHCP server that was not read yet: longer than RouterOS's default of 30 min."""
LONGEST_MS: Final = 86_400_000
"""So long after its event a lease time is put back, even if the change was never confirmed."""
_DAY_MS: Final = 86_400_000
_WEEK_MS: Final = 7 * _DAY_MS
_PASSED: Final = 2
"""So many short times after the change was confirmed the lease time is put back."""


def with_lease_time(
    record: ServiceRecord,
    policies: Mapping[str, RouterPolicy],
    lease_times_s: Mapping[str, int],
    now_ms: int,
) -> tuple[ServiceRecord, int]:
    """Decide whether the lease time of a service is short now, and when to decide again.

    That is 0 if not before the next event.

    It is short from one lease time before a scheduled event that a bound device would notice only
    at its next request, until two short times after that was confirmed, or a day at most. An event
    nearer than the short time itself shortens nothing: a device that asks before it asks after it.

    The record is placed; `lease_times_s` are those of its router's DHCP servers, and may be empty.
    """
    router = record.wanted_router
    policy = policies.get(router or "")
    at = record.placements.get(router or "")
    if router is None or policy is None or at is None or FIELD not in kind_of(policy).menu.fields:
        return record, 0
    short = at.short if at.short is not None else ShortLease(policy.shorten_leases, 0)
    if short.before is None:  # nothing was written with another one
        short = short._replace(lease_time=policy.shorten_leases)
    short_ms = (seconds(short.lease_time) or 0) * 1000
    lease_s = _lease_time_s(record, policy, short, lease_times_s)
    lease_ms = lease_s * 1000
    shortens = policy.shorten_leases and policy.mode == "manage" and lease_ms > short_ms
    coming = _coming(record, router, policies) if shortens else []
    lead_ms = lease_ms + short_ms
    near_ms = now_ms if short.last_ms else now_ms + short_ms
    due = [at_ms for at_ms in coming if near_ms < at_ms <= now_ms + lead_ms]
    looks = [
        # The lease time of the server may change until then.
        min(at_ms - lead_ms, max(at_ms - _WEEK_MS, now_ms + _DAY_MS))
        for at_ms in coming
        if at_ms > now_ms + lead_ms
    ]
    if due:
        short = short._replace(last_ms=max(due), lease_s=short.lease_s or lease_s)
    elif short.last_ms:
        back_ms = _back_ms(record, at, short, now_ms)
        if back_ms <= now_ms:
            short = short._replace(last_ms=0, since_ms=0)
        else:
            looks.append(back_ms)
    kept = short if short.last_ms or short.before is not None else None
    if kept != at.short:
        placements = {**record.placements, router: at._replace(short=kept)}
        record = record._replace(placements=placements)
    return record, min(looks, default=0)


def describe(short: ShortLease | None) -> str:
    """Say what becomes of a lease: `shortened to 2m until …`, if the change is confirmed at once.

    Empty where it is not shortened.
    """
    if short is None or not short.last_ms:
        return ""
    until_ms = short.last_ms + _PASSED * (seconds(short.lease_time) or 0) * 1000
    return f"shortened to {short.lease_time} until {rfc3339(until_ms)[:-5]}Z"


def shortened(record: ServiceRecord) -> str:
    """Say how the lease of a service is shortened on its router; empty where it is not."""
    at = record.placements.get(record.row_router or "")
    return describe(at and at.short)


def confirmed_short(short: ShortLease, now_ms: int) -> ShortLease | None:
    """Return what is left of it when a row was confirmed: nothing once it was put back."""
    if not short.last_ms:
        return None
    return short if short.since_ms else short._replace(since_ms=now_ms)


def with_explicit_time(
    entry: Entry, short: ShortLease | None, refused: Mapping[str, str]
) -> Entry | None:
    """Return the entry for a router that refused to clear a lease time: with that of its server.

    None where this is not why it refused.
    """
    cleared = FIELD in entry.spares and refused.get(FIELD) == ""
    if not cleared or short is None or entry.fields is None:
        return None
    explicit = duration(f"{short.lease_s or UNKNOWN_S}s")
    return replace(entry, fields={**entry.fields, FIELD: explicit})


def renews_within_s(short: ShortLease, now_ms: int) -> int:
    """Return within which time a bound device asks again; 0: its lease time is not shortened.

    A device that got its lease before has the long one until it asks.
    """
    if not short.last_ms:
        return 0
    passed_s = (now_ms - short.since_ms) // 1000 if short.since_ms else 0
    return max(seconds(short.lease_time) or 0, short.lease_s - passed_s)


def is_everywhere(short: ShortLease, now_ms: int) -> bool:
    """Return whether every bound device has the short lease time by now."""
    return 0 < renews_within_s(short, now_ms) <= (seconds(short.lease_time) or 0)


def _lease_time_s(
    record: ServiceRecord, policy: RouterPolicy, short: ShortLease, servers: Mapping[str, int]
) -> int:
    """The lease time that devices have without us: the row's own, else the DHCP server's."""
    own = policy.lease_time if "lease-time" in policy.managed else short.before or ""
    server = str(record.value("dhcp_server") or policy.default_server)
    of_server = servers.get(server) or max(servers.values(), default=0)
    return seconds(own) or of_server or UNKNOWN_S


def _coming(record: ServiceRecord, router: str, policies: Mapping[str, RouterPolicy]) -> list[int]:
    """When scheduled events change what a bound device has from this router."""
    found = []
    nothing = Entry(record.service_id, None)
    before = wanted_entries(record, policies)[router]
    for scheduled in record.schedule.pending:
        said_us = scheduled.at_ms * 1000
        version = own_version(record, scheduled.version.digest, said_us, as_said(scheduled.own))
        record = release(record, scheduled, version).record
        after = wanted_entries(record, policies).get(router, nothing)
        if _is_noticed_late(before, after):
            found.append(scheduled.at_ms)
        before = after
    return found


def _is_noticed_late(before: Entry, after: Entry) -> bool:
    """Whether a bound device notices a change only at its next request.

    A row without a lease changes nothing for a device that is bound; another device asks at once.
    """
    if before.fields is None or before.missing or after.missing:
        return False
    if after.fields is None:
        return True
    changed = {
        name
        for name in before.fields.keys() | after.fields.keys()
        if before.fields.get(name) != after.fields.get(name)
    }
    return bool(changed) and device_field(after.fields) not in changed


def _back_ms(record: ServiceRecord, at: Placement, short: ShortLease, now_ms: int) -> int:
    """When the lease time is put back; now if its events are no more, or nothing was written."""
    if short.last_ms > now_ms or short.before is None:
        return now_ms
    confirmed_ms = now_ms if record.pending else max(at.seen_ms, short.last_ms)
    wait_ms = _PASSED * (seconds(short.lease_time) or 0) * 1000
    return min(confirmed_ms + wait_ms, short.last_ms + LONGEST_MS)
