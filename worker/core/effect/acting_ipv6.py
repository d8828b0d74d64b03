"""Judges whether a change of a service's IPv6 acts: its bindings, and the limit of its prefixes."""

from collections.abc import Sequence
from typing import Final

from worker.core.effect.reading import EffectReading
from worker.core.effect.verdict import EffectVerdict, acts, not_yet
from worker.core.rows.bindings import OwnBinding

NO_LIMIT: Final = frozenset({"", "0/0"})


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
