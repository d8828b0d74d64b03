"""Who has which address or prefix of the pools of the inventory.

A commit takes and gives back values (`lua/_pools.lua`); here they are found and counted.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple, cast

from worker.core.policy.address_pool import AddressPool, AddressPools
from worker.store.audit import AuditEntry
from worker.store.connection import redis_now_ms
from worker.store.scripts import StorePart

_PAGE: Final = 500
CURSOR: Final = "cursor:"
"""Begins the field of a pool: where the search for free values goes on."""
_PREPARED: Final = "prepared"


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

    def is_free(self, service: str, now_ms: int, *, is_fixed: bool = False) -> bool:
        """Return whether a service may have it; `is_fixed`: an event names it."""
        over = 0 < self.until_ms <= now_ms
        return self.service == service or over or (is_fixed and self.until_ms != 0)


class PoolUsage(NamedTuple):
    """How much of a pool is used.

    Attributes:
        size: its values.
        given: those that services have.
        quarantine: those that nobody has, and that are kept from others.
        waiting: services that wait for one.
    """

    size: int
    given: int
    quarantine: int
    waiting: int

    @property
    def free(self) -> int:
        """Values that any service may get."""
        return max(0, self.size - self.given - self.quarantine)


class PoolValues(StorePart):
    """The values of all pools."""

    def use(self, pools: AddressPools, now_ms: int) -> dict[str, PoolUsage]:
        """How much of each pool is used, with one round trip.

        Args:
            pools: of the inventory.
            now_ms: Redis's time.
        """
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

    def values(self, pool: str) -> Iterator[HeldValue]:
        """The values of a pool that are given or in quarantine, by no order, page by page."""
        page: list[str] = []
        for value, _ in self._client.zscan_iter(self._keys.pool_values(pool), count=_PAGE):
            page.append(str(value))
            if len(page) >= _PAGE:
                yield from self.holders(page).values()
                page = []
        yield from self.holders(page).values()

    def waiting(self, pool: str, most: int) -> dict[str, int]:
        """The services that wait longest for a value of a pool, and since when (ms).

        Args:
            pool: its name; empty: they wait for a pool that no inventory has.
            most: limit.
        """
        found = self._client.zrange(self._keys.pool_waiting(pool), 0, most - 1, withscores=True)
        return {service: int(since) for service, since in cast("list[tuple[str, float]]", found)}

    def to_assign(self, pool: AddressPool | None, most: int, now_ms: int) -> list[str]:
        """The services that may get a value of a pool now.

        First those that lost theirs (`lose`), then, if any is free, those that wait longest.

        Args:
            pool: the pool; None: services that wait for a pool that no inventory had.
            most: limit.
            now_ms: Redis's time.
        """
        found = self.waiting(pool.name if pool else "", most)
        if found and pool and not self.use(AddressPools({pool.name: pool}), now_ms)[pool.name].free:
            return [service for service, since_ms in found.items() if not since_ms]
        return list(found)

    def end_waiting(self, pool: str, services: Collection[str]) -> None:
        """Let services wait no longer for a pool that they do not need."""
        if services:
            self._client.zrem(self._keys.pool_waiting(pool), *services)

    def holders(self, values: Collection[str]) -> dict[str, HeldValue]:
        """Who has some values; without those that are free."""
        if not values:
            return {}
        names = list(dict.fromkeys(values))
        texts = cast("list[str | None]", self._client.hmget(self._keys.assigned, names))
        found = {}
        for value, text in zip(names, texts, strict=True):
            if text:
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

    def unread(self) -> frozenset[str]:
        """Routers that must be read before pools of theirs give values."""
        return frozenset(cast("set[str]", self._client.smembers(self._keys.pools_unread)))

    def free(self, value: str, pool: str, actor: str) -> bool:
        """End the quarantine of a value, in a person's name.

        Returns:
            Whether it was in quarantine; else a service has it, its row may still stand, or it was
            free already, and nothing is changed.
        """
        entry = AuditEntry(
            redis_now_ms(self._client), actor, "pool.value_freed", value, f"of pool {pool}"
        )
        return bool(self._scripts.run("free_value", value, pool, entry.to_text()))

    def block(self, values: Mapping[str, str], until_ms: int) -> None:
        """Keep values from services: rows that are not ours have them.

        Args:
            values: value -> pool; those that a service has or had stay.
            until_ms: until when; rows that are still there are found again before.
        """
        for at in range(0, len(values), _PAGE):
            part = list(values.items())[at : at + _PAGE]
            self._scripts.run("block_values", until_ms, json.dumps(part))

    def lose(self, value: str, pool: str, service: str, until_ms: int) -> bool:
        """Take a value from a service, as a row that is not ours has it on the router.

        The service then waits for another one.

        Returns:
            Whether the service had it.
        """
        return bool(self._scripts.run("lose_value", value, pool, service, until_ms))

    def prepared(self) -> str:
        """For which pools the store was prepared."""
        return cast("str | None", self._client.hget(self._keys.pools, _PREPARED)) or ""

    def set_prepared(self, digest: str) -> None:
        """Note for which pools the store is prepared."""
        self._client.hset(self._keys.pools, _PREPARED, digest)

    def distrust(self, routers: Collection[str]) -> None:
        """Let pools give nothing before these routers were read: Redis may have lost values."""
        if routers:
            self._client.sadd(self._keys.pools_unread, *routers)

    def was_read(self, router: str) -> None:
        """A router was read, and what its rows hold is noted."""
        self._client.srem(self._keys.pools_unread, router)
