"""What an applied change is to the customer at a router: the kinds of change that are watched."""

from collections.abc import Collection, Iterator, Mapping

from worker.core.effect.rungs import ChangeKind
from worker.core.entry.entry import Entry
from worker.core.rows.queues import OwnQueue
from worker.core.service.record import ServiceRecord


def kinds_of(
    entry: Entry,
    record: ServiceRecord,
    before: Mapping[str, str] | None,
    registers: Collection[str],
) -> tuple[ChangeKind, ...]:
    """Return the kinds of an applied change, the gravest first; empty: no customer notices it.

    Args:
        entry: what the router holds now.
        record: of the service.
        before: fields of its row before the change, with its rate; None: it had none there.
        registers: that the applied events wrote.
    """
    if entry.is_over:
        if before is None:
            return ()
        return ("cancelled",) if record.status == "cancelled" else ("moved-away",)
    fields = with_rate(entry.fields, entry.queue) or {}
    kinds: list[ChangeKind] = []
    if record.status == "suspended" and ("suspension" in registers or before is None):
        kinds.append("suspended")
    elif "suspension" in registers and "lifecycle" not in registers:
        kinds.append("resumed")
    if not fields or fields.get("block-access") == "yes":  # its device gets nothing
        return tuple(kinds)
    if (before is None and record.status == "active") or "lifecycle" in registers:
        return (*kinds, "activated")
    return (*kinds, *_of_fields(fields, before or fields, is_pool=entry.is_pool))


def with_rate(fields: Mapping[str, str] | None, queue: OwnQueue | None) -> Mapping[str, str] | None:
    """Return the fields of a row with the rate of the service's own queue, where it has one."""
    if fields is None or queue is None:
        return fields
    return {**fields, "rate-limit": queue.rate}


def _of_fields(
    fields: Mapping[str, str], old: Mapping[str, str], *, is_pool: bool
) -> Iterator[ChangeKind]:
    changed = {name for name, value in fields.items() if old.get(name, value) != value}
    if "mac-address" in changed:
        yield "mac"
    if changed & {"server", "address"}:
        yield "pool" if is_pool else "address"
    if "rate-limit" in changed:
        yield "rate"
    if "dhcp-option" in changed:  # no event sets a lease time or the lists of a lease
        yield "options"
