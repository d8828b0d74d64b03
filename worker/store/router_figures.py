"""Figures of each router. Reads only; a thousand routers cost few more round trips than one."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from worker.core.alerting.health_figures import RouterSummary
from worker.core.policy.circuit import NEW, RouterState
from worker.core.storage_format import known_part
from worker.store.connection import StoreClient, pages
from worker.store.full_reads import POOLS, REPORTED
from worker.store.keys import Keys
from worker.store.router_admin import BULK, SPAN, Pause
from worker.store.router_memory import MISFITS, SETUP, UNCLEAR_CLIENTS, unclear_clients_of

_LOWEST: Final = range(0, 4 * SPAN, SPAN)
"""The lowest score of each priority."""


class Due(NamedTuple):
    """Marks that are due: how many, and since when (ms) the oldest; 0: none is."""

    number: int
    oldest_ms: int


class Waits(NamedTuple):
    """Why a service cannot go on, in one word, and since when (ms)."""

    reason: str
    since_ms: int


class PoolFigures(NamedTuple):
    """A pool, with those from which it goes on when it is full: addresses in use, and in all."""

    name: str
    used: int
    size: int


class RouterFigures(NamedTuple):
    """One router.

    Attributes:
        state: its state; `held` when a person holds it, whatever it was before; `new` where
            nobody reached it yet.
        busy: a worker is at it.
        services: of which a row may exist there.
        queued: those with a work item, due now or later, or held by the brake.
        backlog: the same without those that the brake holds.
        live: work that is due and not bulk.
        bulk: what is due of imports, resyncs and of what people do to a whole router.
        waiting: those with a work item that could not go on at their last check.
        failed: services that are not checked again by themselves: each has a dead letter.
        read_ms: when its tables were last read as a whole; 0: not yet.
        pools: those that its DHCP servers give from, as they were then.
        misfits: services whose address no device can use.
        unclear_clients: service -> why its DHCPv6 client cannot be told; None: no service there has
            IPv6.
    """

    name: str
    state: RouterState
    busy: bool
    services: int
    queued: int
    backlog: int
    live: Due
    bulk: Due
    waiting: Sequence[Waits]
    failed: int
    read_ms: int
    pools: Sequence[PoolFigures]
    misfits: Sequence[str] = ()
    unclear_clients: Mapping[str, str] | None = None

    @property
    def oldest_ms(self) -> int:
        """Since when (ms) the oldest due work item is due; 0: none is."""
        return min(filter(None, (self.live.oldest_ms, self.bulk.oldest_ms)), default=0)

    @property
    def health_figures(self) -> RouterSummary:
        """The part by which it is judged."""
        return RouterSummary(
            *(self.name, self.state.state, self.state.since_ms, self.busy, self.backlog),
            *(self.oldest_ms, self.misfits),
        )


def read_routers(
    client: StoreClient, keys: Keys, names: Sequence[str], now_ms: int
) -> list[RouterFigures]:
    """Read the figures of routers."""
    found: list[RouterFigures] = []
    for page in pages(names):
        for read, counts, firsts, stamps in _read_page(client, keys, page, now_ms):
            name, held, serial, read_ms, state, lock, services, queued, backlog, *more = read
            why, (reported, pools), (misfits, setup, unclear) = more
            # No state is kept of a router that is up, nor of one that nobody reached.
            reached = held or state or serial or read_ms or reported or setup
            waiting = [
                Waits(each["reason"], each["since_ms"])
                for each, stamp in zip(map(json.loads, why.values()), stamps, strict=True)
                if stamp
            ]
            live, bulk = (
                Due(sum(counts[part]), _oldest_due(firsts[part], now_ms))
                for part in (slice(BULK), slice(BULK, None))
            )
            found.append(
                RouterFigures(
                    name,
                    known_state(held, state) if reached else NEW,
                    lock is not None,
                    services,
                    queued,
                    backlog,
                    live,
                    bulk,
                    waiting,
                    len(why) - len(waiting),
                    max(int(reported or 0), int(read_ms or 0)),
                    [PoolFigures(*pool) for pool in json.loads(pools or "[]")],
                    sorted(json.loads(misfits or "{}")),
                    unclear_clients_of(unclear),
                )
            )
    return found


def _read_page(
    client: StoreClient, keys: Keys, names: Sequence[str], now_ms: int
) -> Iterator[tuple[Any, ...]]:
    """Of each router what Redis answers, and what is asked only of those with work: few have any.

    These are due work items and the first ones, by priority, and stamps of services that wait; None
    where one was given up.
    """
    blocks = [keys.router(name) for name in names]
    pipe = client.pipeline(transaction=False)
    for of_all in (keys.fleet.paused, keys.fleet.serials_seen, keys.fleet.full_reads):
        pipe.hmget(of_all, names)
    pipe.mget([block.state for block in blocks])
    pipe.mget([block.lock for block in blocks])
    for block in blocks:
        pipe.scard(block.services)
        pipe.hlen(block.work_items)
        pipe.zcard(block.due)
        pipe.hgetall(block.waiting)
        pipe.hmget(block.full_read, REPORTED, POOLS)
        pipe.hmget(block.memory, MISFITS, SETUP, UNCLEAR_CLIENTS)
    paused, serials, read_ms, states, locks, *rest = pipe.execute()
    of_names = (names, paused, serials, read_ms, states, locks)
    read = list(zip(*of_names, *[iter(rest)] * 6, strict=True))
    for block, (*_, backlog, why, _, _) in zip(blocks, read, strict=True):
        if backlog:
            for low in _LOWEST:
                pipe.zcount(block.due, low, low + now_ms)
            for low in _LOWEST:
                pipe.zrangebyscore(
                    block.due, low, f"({low + SPAN}", start=0, num=1, withscores=True
                )
        if why:
            pipe.hmget(block.work_items, list(why))
    more = iter(pipe.execute())
    for each in read:
        *_, backlog, why, _, _ = each
        counts = [next(more) if backlog else 0 for _ in _LOWEST]
        firsts = [next(more) if backlog else [] for _ in _LOWEST]
        yield each, counts, firsts, next(more) if why else []


def _oldest_due(firsts: Sequence[Sequence[tuple[str, float]]], now_ms: int) -> int:
    """Since when (ms) the oldest of these work items is due; 0: none is due yet."""
    due = (int(score) % SPAN for first in firsts for _, score in first)
    return min((at_ms for at_ms in due if at_ms <= now_ms), default=0)


def known_state(by_person: str | None, state: str | None) -> RouterState:
    """As stored of a router: whether a person holds it, and its state."""
    hold = known_part(Pause, json.loads(by_person)) if by_person else None
    return paused_state(hold) if hold else RouterState.from_json(state)


def paused_state(held: Pause) -> RouterState:
    """The state of a router that a person holds, whatever it was before."""
    return RouterState("paused", since_ms=held.at_ms, message=f"by {held.by}: {held.reason}")
