"""Who has which address or prefix of the pools of the inventory.

A commit takes and gives back values (`lua/_pools.lua`); here they are found and counted.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from worker.core.policy.address_pool import AddressPool, AddressPools
from worker.core.rows.prefixes import claim_text
from worker.store.audit import AuditEntry
from worker.store.connection import PAGE, StorePart, pages

CURSOR: Final = "cursor:"
"""Begins the field of a pool: where the search for free values goes on."""
ALL_ROUTERS: Final = "*"
"""Among the routers to be read: all of the inventory, whichever they are."""
_PREPARED: Final = "prepared"
"""Another field: for which pools the store was made fit."""
_DIGEST: Final = 16
_MOST_COVERED: Final = 256
"""Values that one fixed prefix may cover, as at the intake."""


class HeldValue(NamedTuple):
    """A value that others cannot get.

    Attributes:
        value: address or prefix.
        service: the service that has it or had it; empty: a row that is not ours has it.
        until_ms: 0: the service has it. `LEFT`: it was given back, and its row may still stand.
            Else until when it is in quarantine.
    """

    value: str
    service: str
    until_ms: int

    def is_over(self, now_ms: int) -> bool:
        """Return whether its quarantine is over: any service may have it."""
        return 0 < self.until_ms <= now_ms

    def is_free(self, service: str, now_ms: int, *, is_fixed: bool = False) -> bool:
        """Return whether a service may have it; `is_fixed`: an event names it."""
        fixed = is_fixed and self.until_ms != 0
        return self.service == service or self.is_over(now_ms) or fixed


class PoolUsage(NamedTuple):
    """How much of a pool is used.

    `given`: values that services have; `quarantine`: those that nobody has, and that are kept from
    others; `waiting`: services that wait for one.
    """

    size: int
    given: int
    quarantine: int
    waiting: int

    @property
    def free(self) -> int:
        """Values that any service may get."""
        return max(0, self.size - self.given - self.quarantine)

    @property
    def used_share(self) -> float:
        """What is not free, as a share of all."""
        return 1 - self.free / self.size if self.size else 1.0


class PoolValues(StorePart):
    """The values of all pools."""

    def use(self, pools: AddressPools, now_ms: int) -> dict[str, PoolUsage]:
        """How much of each pool of the inventory is used, with one round trip."""
        if not pools:
            return {}
        pipe = self._client.pipeline(transaction=False)
        for name in pools.pools:
            pipe.zcount(self._keys.pool_values(name), 0, 0)
            pipe.zcount(self._keys.pool_values(name), f"({now_ms}", "+inf")
            pipe.zcard(self._keys.pool_waiting(name))
        counts = zip(*[iter(pipe.execute())] * 3, strict=True)
        return {
            pool.name: PoolUsage(pool.size, *count)
            for pool, count in zip(pools.pools.values(), counts, strict=True)
        }

    def use_of(self, pool: AddressPool, now_ms: int) -> PoolUsage:
        """The same of one pool."""
        return self.use(AddressPools({pool.name: pool}), now_ms)[pool.name]

    def values(self, pool: str) -> Iterator[HeldValue]:
        """The values of a pool that are given or in quarantine, by no order, page by page."""
        found = self._client.zscan_iter(self._keys.pool_values(pool), count=PAGE)
        for page in pages((value for value, _ in found)):
            yield from self.holders(page).values()

    def page(self, pool: str, begin: int, most: int) -> list[HeldValue]:
        """Some of the values of a pool: those of services, then by the end of their quarantine."""
        found = self._client.zrange(self._keys.pool_values(pool), begin, begin + most - 1)
        return list(self.holders(found).values())

    def waiting(self, pool: str, most: int) -> dict[str, int]:
        """The services that wait longest for a value of a pool, and since when (ms).

        Those of an empty name wait for a pool that no inventory has.
        """
        found = self._client.zrange(self._keys.pool_waiting(pool), 0, most - 1, withscores=True)
        return {service: int(since) for service, since in found}

    def to_assign(self, pool: AddressPool | None, most: int, now_ms: int) -> list[str]:
        """The services that may get a value of a pool now.

        First those that lost theirs (`lose`), then, if any is free, those that wait longest.
        Without a pool: services that wait for one that no inventory had.
        """
        found = self.waiting(pool.name if pool else "", most)
        if found and pool and not self.use_of(pool, now_ms).free:
            return [service for service, since_ms in found.items() if not since_ms]
        return list(found)

    def end_waiting(self, pool: str, services: Collection[str]) -> None:
        """Let services wait no longer for a pool that they do not need."""
        if services:
            self._client.zrem(self._keys.pool_waiting(pool), *services)

    def holders(self, values: Collection[str]) -> dict[str, HeldValue]:
        """Who has some values; without those that are free."""
        found = {}
        for value, text in self._fields(self._keys.assigned, dict.fromkeys(values)).items():
            until_ms, _, service = text.partition("|")
            found[value] = HeldValue(value, service, int(until_ms))
        return found

    def next_positions(self, pool: AddressPool, count: int) -> list[int]:
        """Where to try next: each position comes once before any comes again, for all workers.

        So a value is used again as late as can be.
        """
        count = min(count, pool.size)
        end = int(self._client.hincrby(self._keys.pools, CURSOR + pool.name, count))
        return [(end - count + at) % pool.size for at in range(count)]

    def unread(self, routers: Collection[str]) -> frozenset[str]:
        """Those of the inventory's routers that must be read before pools of theirs give values.

        After a restore these are all of them.
        """
        found = self._client.smembers(self._keys.pools_unread)
        if ALL_ROUTERS not in found:
            return frozenset(found) & frozenset(routers)
        self.distrust(routers, self.now_ms())
        self._client.srem(self._keys.pools_unread, ALL_ROUTERS)
        return frozenset(routers)

    def free(self, value: str, pool: str, actor: str) -> bool:
        """End the quarantine of a value, in a person's name.

        Returns:
            Whether it was in quarantine; else a service has it, its row may still stand, or it was
            free already, and nothing is changed.
        """
        entry = AuditEntry(self.now_ms(), actor, "pool.value_freed", value, f"of pool {pool}")
        return bool(self._scripts.run("free_value", value, pool, entry.to_text()))

    def note(self, values: Mapping[str, str], until_ms: int, service: str = "") -> None:
        """Note who has values (value -> pool) that no service has or had lately; the others stay.

        `until_ms`: 0: the service has them. Without a service rows of others have them.
        """
        for page in pages(values.items()):
            self._scripts.run("note_values", until_ms, service, json.dumps(page))

    def lose(self, value: str, pool: str, service: str, until_ms: int) -> bool:
        """Take a value from a service, as a row that is not ours has it on the router.

        The service then waits for another one. False: it did not have the value.
        """
        return bool(self._scripts.run("lose_value", value, pool, service, until_ms))

    def prepare(self, pools: AddressPools, routers: Collection[str]) -> None:
        """Make the store fit pools that are new, or have other ranges, if it does not yet.

        Fixed addresses that services have already are noted, so that nobody else gets them.
        """
        digest = hashlib.sha256(repr(pools).encode()).hexdigest()[:_DIGEST]
        if not pools or self._client.hget(self._keys.pools, _PREPARED) == digest:
            return
        for router in routers:
            self._note_claims(router, pools)
        for field, text in self._client.hscan_iter(self._keys.assigned, count=PAGE):
            pool, (until_ms, _, service) = pools.around(field), text.partition("|")
            if pool is not None:
                self._scripts.run("place_value", field, pool.name, service, until_ms)
        for name, pool in pools.pools.items():
            values = self._client.zscan_iter(self._keys.pool_values(name), count=PAGE)
            if gone := [value for value, _ in values if not pool.holds(value)]:
                self._client.zrem(self._keys.pool_values(name), *gone)
        self._client.hset(self._keys.pools, _PREPARED, digest)

    def _note_claims(self, router: str, pools: AddressPools) -> None:
        claims = self._client.hscan_iter(self._keys.router(router).claims, count=PAGE)
        for key, text in claims:
            kind, _, value = claim_text(key).partition(":")
            pool = pools.around(value) if kind in ("address", "prefix") else None
            if pool is None:
                continue
            covered = dict.fromkeys(islice(pool.overlapping(value), _MOST_COVERED), pool.name)
            later_ms = self.now_ms() + pool.quarantine_ms
            for service, is_held in json.loads(text).values():
                self.note(covered, 0 if is_held else later_ms, service)

    def distrust(self, routers: Collection[str], now_ms: int) -> None:
        """Let pools give nothing before these routers were read: Redis may have lost values."""
        if routers:
            pipe = self._client.pipeline()
            pipe.sadd(self._keys.pools_unread, *routers)
            pipe.sadd(self._keys.reports.asked, *routers)
            pipe.zadd(self._keys.routers_due, dict.fromkeys(routers, now_ms), lt=True)
            pipe.execute()

    def distrust_written(self) -> None:
        """Redis lost its last writes: distrust the routers that were written, or may have been."""
        if not self._client.exists(self._keys.assigned):
            return
        routers = self._client.zrange(self._keys.routers_due, 0, -1)
        flags = self._client.mget([self._keys.router(name).notified for name in routers] or [""])
        written = [
            name for name, flag in zip(routers, flags, strict=False) if flag != "circuit_open"
        ]
        self.distrust(written, self.now_ms())

    def was_read(self, router: str) -> None:
        """A router was read, and what its rows hold is noted."""
        self._client.srem(self._keys.pools_unread, router)
