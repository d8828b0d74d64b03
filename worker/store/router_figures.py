"""Figures of each router, for `leasewire status` and `leasewire metrics`.

Reads only; a thousand routers cost no more round trips than a handful.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from worker.core.alerting.health_figures import RouterSummary
from worker.core.policy.circuit import NEW, RouterState
from worker.store.connection import StoreClient
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
    found: list[RouterFigures] = []
    full_reads = client.hgetall(keys.fleet.full_reads)
    for start in range(0, len(names), _PAGE):
        page = names[start : start + _PAGE]
        read = _read_page(client, keys, page, now_ms)
        queued = iter(_still_queued(client, keys, read))
        for each in read:
            hold, stamps = held.get(each.name), next(queued) if each.why else []
            waiting = [
                Waits(why["reason"], why["since_ms"])
                for why, work_version in zip(
                    map(json.loads, each.why.values()), stamps, strict=True
                )
                if work_version
            ]
            found.append(
                RouterFigures(
                    each.name,
                    paused_state(hold) if hold else each.known_state(contacted),
                    each.busy,
                    each.services,
                    each.queued,
                    each.backlog,
                    each.due(0, BULK, now_ms),
                    each.due(BULK, len(PRIORITIES), now_ms),
                    waiting,
                    len(each.why) - len(waiting),
                    max(int(each.reported or 0), int(full_reads.get(each.name, 0))),
                    [PoolFigures(*pool) for pool in json.loads(each.pools or "[]")],
                    sorted(json.loads(each.misfits or "{}")),
                )
            )
    return found


def _read_page(
    client: StoreClient, keys: Keys, names: Sequence[str], now_ms: int
) -> Sequence["_Answers"]:
    """Ask as little as can be: most routers have no work, and the readers are many."""
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
    answers = iter(rest)
    read = [
        _Answers(name, state, lock is not None, answers)
        for name, state, lock in zip(names, states, locks, strict=True)
    ]
    working = [router for router in read if router.backlog]
    for router in working:
        ask_due_counts(pipe, keys.router(router.name).due, now_ms)
        ask_first_work_items(pipe, keys.router(router.name).due)
    answers = iter(pipe.execute() if working else ())
    for router in working:
        router.take_due(answers)
    return read


class _Answers:
    """What Redis answers for one router, in the order of the questions."""

    def __init__(self, name: str, state: str | None, busy: bool, answers: Iterator[Any]) -> None:  # noqa: FBT001 - one of many answers
        self.name = name
        self.state = state
        self.busy = busy
        self.services, self.queued, self.backlog = (int(next(answers)) for _ in range(3))
        self.why: Mapping[str, str] = next(answers)
        self.reported: str | None
        self.pools: str | None
        self.reported, self.pools = next(answers)
        self.misfits: str | None
        self.setup: str | None
        self.misfits, self.setup = next(answers)
        self._counts = [0 for _ in PRIORITIES]
        self._firsts: Sequence[Sequence[tuple[str, float]]] = [[] for _ in PRIORITIES]

    def take_due(self, answers: Iterator[Any]) -> None:
        """Take what is due of it; a router without work items was not asked."""
        self._counts = [int(next(answers)) for _ in PRIORITIES]
        self._firsts = [next(answers) for _ in PRIORITIES]

    def known_state(self, contacted: frozenset[str]) -> RouterState:
        """No state is kept of a router that is up, nor of one that nobody reached."""
        reached = self.name in contacted or self.reported or self.setup
        return RouterState.from_json(self.state) if self.state or reached else NEW

    def due(self, first: int, end: int, now_ms: int) -> Due:
        """Of the priorities from `first` until before `end`."""
        number = sum(self._counts[first:end])
        return Due(number, oldest_due(self._firsts[first:end], now_ms))


def _still_queued(
    client: StoreClient, keys: Keys, read: Sequence[_Answers]
) -> Sequence[Sequence[str | None]]:
    """Of each router where some wait: their stamps; None: it was given up."""
    pipe = client.pipeline(transaction=False)
    for each in read:
        if each.why:
            pipe.hmget(keys.router(each.name).work_items, list(each.why))
    return pipe.execute()
