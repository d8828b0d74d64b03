"""A queue of ours in a record, as a short list."""

from collections.abc import Mapping

from worker.core.rows.queues import MAY_BE_THERE, OwnQueue


def short_queue(queue: OwnQueue, written: Mapping[str, str] | None) -> list[str]:
    """Rate, place, parent, and the address where it is not that of the lease, or not all."""
    if queue == MAY_BE_THERE:
        return []
    address, *others, ipv6, more = queue
    if ipv6 or more:
        return [*others, address, ipv6, *([more] if more else [])]
    return [*others, *([] if address == (written or {}).get("address") else [address])]


def queue_of(short: list[str], written: Mapping[str, str] | None) -> OwnQueue:
    """Reverse `short_queue`."""
    if not short:
        return MAY_BE_THERE
    rate, place, parent, *other = short
    address = other[0] if other else (written or {}).get("address", "")
    return OwnQueue(address, rate, place, parent, *other[1:])
