"""JSON documents of the pools from which Leasewire assigns: the same for commands and console."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from itertools import islice
from typing import Any, Final

from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.health_figures import Sample, days_left
from worker.core.policy.address_pool import AddressPool, AddressPools, Span
from worker.errors import NotPossible
from worker.store.commits import LEFT
from worker.store.pools import HeldValue, PoolUsage
from worker.store.samples import PoolSample
from worker.store.store import Store

MOST_WAITING: Final = 100
"""Services that a document names; it has the number of all."""


def pool_documents(store: Store, pools: AddressPools) -> list[dict[str, Any]]:
    """How much of each pool is used, by name."""
    usage = store.pools.use(pools, store.records.now_ms())
    samples = store.samples.pools(list(usage)) if usage else {}
    return [_document(pools.pools[name], usage[name], samples[name]) for name in sorted(usage)]


def pool_named(pools: AddressPools, name: str) -> AddressPool:
    """Return a pool of the inventory.

    Raises:
        NotPossible: there is none of this name.
    """
    pool = pools.pools.get(name)
    if pool is None:
        known = ", ".join(sorted(pools.pools)) or "none"
        raise NotPossible(f"There is no pool {name} in the inventory; pools: {known}.")
    return pool


def pool_document(store: Store, pool: AddressPool, begin: int, most: int) -> dict[str, Any]:
    """A pool with some of its values, who waits for one, and how much was used in the last weeks.

    It skips `begin` values and has `most` at most: those of services come first, then those in
    quarantine.
    """
    now_ms = store.records.now_ms()
    usage = store.pools.use_of(pool, now_ms)
    samples = store.samples.pools([pool.name])[pool.name]
    now = PoolSample(now_ms, usage.given, usage.quarantine, usage.waiting)
    values = store.pools.page(pool.name, begin, most + 1)
    return _document(pool, usage, samples) | {
        "ranges": [_range_text(span, pool) for span in pool.ranges],
        "exclude": [_range_text(span, pool) for span in pool.exclude],
        "quarantine_s": pool.quarantine_ms // 1000,
        "values": [value_document(held) for held in values[:most]],
        "more": len(values) > most,
        "waiting_services": [
            {"service": service, "since": utc_time(since_ms)}
            for service, since_ms in store.pools.waiting(pool.name, MOST_WAITING).items()
        ],
        "samples": [
            {"at": utc_time(sample.at_ms)} | dict(zip(_COUNTS, sample[1:], strict=True))
            for sample in (*reversed(samples), now)
        ],
    }


def value_document(held: HeldValue) -> dict[str, Any]:
    """A value of a pool that is not free.

    Its `state`: `given`, `leaving` (given back, its row may still be on a router), `quarantine`, or
    `foreign-row` (a row that is not ours has it).
    """
    states = {0: "given", LEFT: "leaving"}
    state = states.get(held.until_ms, "quarantine") if held.service else "foreign-row"
    until = utc_time(max(0, held.until_ms))
    document = {"value": held.value, "state": state, "service": held.service, "until": until}
    return without_empty(document)


def in_quarantine(store: Store, pool: AddressPool, text: str) -> HeldValue | None:
    """Return a value of a pool that is in quarantine, and so may be freed.

    Returns:
        None: it is free already.

    Raises:
        NotPossible: it is none of the pool, or a service has it.
    """
    (value,) = _values_at(pool, text) or [""]
    if not value:
        raise NotPossible(f"{text} is no value of pool {pool.name}.")
    held = store.pools.holders([value]).get(value)
    if held is None or 0 < held.until_ms <= store.records.now_ms():
        return None
    if held.until_ms == 0:
        raise NotPossible(f"Nothing was changed: service {held.service} has {value}.")
    if held.until_ms == LEFT:
        message = f"service {held.service} gave {value} back, but its row may still be on a router"
        raise NotPossible(f"Nothing was changed: {message}.")
    return held


def _values_at(pool: AddressPool, text: str) -> list[str]:
    """The one value of a pool that a text means; nothing: it means none, or several."""
    try:
        found = list(islice(pool.overlapping(text.strip()), 2))
    except ValueError:
        return []
    return found if len(found) == 1 else []


_COUNTS: Final = PoolSample._fields[1:]


def _document(pool: AddressPool, usage: PoolUsage, samples: Sequence[PoolSample]) -> dict[str, Any]:
    used = usage.given + usage.quarantine
    trend = [Sample(sample.at_ms, sample.given + sample.quarantine) for sample in samples]
    days = days_left(trend, used, pool.size)
    return without_empty(
        {
            "pool": pool.name,
            "kind": pool.kind,
            "known_as": pool.called if pool.called != pool.name else None,
            "routers": list(pool.routers),
            "prefix_length": pool.prefix_length if pool.kind == "prefix" else None,
        }
    ) | {
        "size": usage.size,
        "given": usage.given,
        "quarantine": usage.quarantine,
        "free": usage.free,
        "waiting": usage.waiting,
        "used_percent": round(usage.used_share * 100, 1),
        "days_left": None if days is None else round(days, 1),
    }


def _range_text(span: Span, pool: AddressPool) -> str:
    """A range as the inventory may have it: a network, an address, or the first and the last."""
    if pool.kind == "prefix":
        networks = summarize_address_range(IPv6Address(span.first), IPv6Address(span.last))
        return " ".join(map(str, networks))
    first, last = IPv4Address(span.first), IPv4Address(span.last)
    return str(first) if first == last else f"{first}-{last}"
