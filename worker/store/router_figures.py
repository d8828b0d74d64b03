"""Figures of each router, for `leasewire status` and `leasewire metrics`.

Reads only; a thousand routers cost no more round trips than a handful.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from worker.core.alerting.health_figures import RouterSummary
from worker.core.policy.circuit import NEW, RouterState
from worker.store.connection import StoreClient, pages
from worker.store.due_work import PRIORITIES, ask_due_counts, ask_first_work_items, oldest_due
from worker.store.full_reads import POOLS, REPORTED
from worker.store.keys import Keys
from worker.store.router_admin import BULK, RouterAdmin
from worker.store.router_memory import MISFITS, SETUP
from worker.store.views import paused_state

_PAGE: Final = 500


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
        name: as in the inventory.
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

    @property
    def health_figures(self) -> RouterSummary:
        """The part by which it is judged."""
        dues = [lane.oldest_ms for lane in (self.live, self.bulk) if lane.oldest_ms]
        state, since_ms, oldest_ms = self.state.state, self.state.since_ms, min(dues, default=0)
        return RouterSummary(
            self.name, state, since_ms, self.busy, self.backlog, oldest_ms, self.misfits
        )


def read_routers(
    client: StoreClient, keys: Keys, fleet: RouterAdmin, names: Sequence[str], now_ms: int
) -> list[RouterFigures]:
    """Read the figures of routers; `fleet` knows which of them people hold."""
    held, contacted = fleet.paused(), fleet.contacted()
    full_reads = client.hgetall(keys.fleet.full_reads)
    found: list[RouterFigures] = []
    for page in pages(names, _PAGE):
        for read, counts, firsts, stamps in _read_page(client, keys, page, now_ms):
            name, state, lock, services, queued, backlog, why, full_read, memory = read
            (reported, pools), (misfits, setup) = full_read, memory
            # No state is kept of a router that is up, nor of one that nobody reached.
            reached = state or name in contacted or reported or setup
            known = RouterState.from_json(state) if reached else NEW
            waiting = [
                Waits(each["reason"], each["since_ms"])
                for each, stamp in zip(map(json.loads, why.values()), stamps, strict=True)
                if stamp
            ]
            live, bulk = (
                Due(sum(counts[part]), oldest_due(firsts[part], now_ms))
                for part in (slice(BULK), slice(BULK, None))
            )
            found.append(
                RouterFigures(
                    name,
                    paused_state(held[name]) if name in held else known,
                    lock is not None,
                    services,
                    queued,
                    backlog,
                    live,
                    bulk,
                    waiting,
                    len(why) - len(waiting),
                    max(int(reported or 0), int(full_reads.get(name, 0))),
                    [PoolFigures(*pool) for pool in json.loads(pools or "[]")],
                    sorted(json.loads(misfits or "{}")),
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
    pipe.mget([block.state for block in blocks])
    pipe.mget([block.lock for block in blocks])
    for block in blocks:
        pipe.scard(block.services)
        pipe.hlen(block.work_items)
        pipe.zcard(block.due)
        pipe.hgetall(block.waiting)
        pipe.hmget(block.full_read, REPORTED, POOLS)
        pipe.hmget(block.memory, MISFITS, SETUP)
    states, locks, *rest = pipe.execute()
    read = list(zip(names, states, locks, *[iter(rest)] * 6, strict=True))
    for block, (*_, backlog, why, _, _) in zip(blocks, read, strict=True):
        if backlog:
            ask_due_counts(pipe, block.due, now_ms)
            ask_first_work_items(pipe, block.due)
        if why:
            pipe.hmget(block.work_items, list(why))
    answers = iter(pipe.execute())
    for each in read:
        *_, backlog, why, _, _ = each
        counts = [next(answers) if backlog else 0 for _ in PRIORITIES]
        firsts = [next(answers) if backlog else [] for _ in PRIORITIES]
        yield each, counts, firsts, next(answers) if why else []
