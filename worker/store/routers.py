"""Routers in the store: lease, due marks, claims, notes in flight, and how a look ends."""

import json
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import redis
from pydantic_core import to_json

from contracts import names
from worker.core.entry.entry import Claim
from worker.core.policy.applied_policy import AppliedPolicy
from worker.core.policy.circuit import RouterState
from worker.core.rows.rows import Identity
from worker.core.service.record_format import record_to_json
from worker.store.batches import (
    MOST_BULK,
    Acquired,
    Acquisition,
    Batch,
    BulkOnly,
    Busy,
    Conclusion,
    PolicyDiffers,
    WorkItem,
    is_full,
    sent_of,
    work_items_of,
)
from worker.store.keys import Keys
from worker.store.records import decode_stored, new_generation, new_work_version, outcome_order
from worker.store.router_admin import FULL_READ_GOOD_MS
from worker.store.router_memory import known_of
from worker.store.scripts import Scripts

SWEEP_EVERY_MS = 900
SWEEP_ROUTERS = 200
SWEEP_MOVED_ON_MS = 5_000
ROUTER_NOTIFIED_MS = 10_000
REMEMBERED_S = 30.0
"""What a process concluded is remembered so long, should Redis turn out to have lost it."""
AWAITING_MS = 15_000
"""Until it is looked whether a device has its address: it has to ask first."""
POLICY_RECHECK_MS = 30_000
"""Between looks at a router whose applied policy is another one; `routers apply` ends the wait."""


class Swept(NamedTuple):
    """What the sweep found left behind: lanes and routers to ring.

    Attributes:
        lanes: rung for.
        routers: rung for.
        set_back_from_ms: what Redis's clock showed at the last sweep, when it shows less now:
            nothing is swept until `Clock.set_back` was called. 0: it goes on.
    """

    lanes: list[names.Lane]
    routers: list[str]
    set_back_from_ms: int = 0


class Routers:
    """The store's side of convergence. Every method is one script, so one atomic step."""

    def __init__(
        self, client: redis.Redis, scripts: Scripts, keys: Keys, lock_ms: int = 30_000
    ) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys
        self.lock_ms = lock_ms
        self._concluded: deque[tuple[float, str, str]] = deque()

    def acquire(  # noqa: PLR0913 - what a pass begins with
        self,
        router: str,
        lock_id: str,
        most: int,
        policy: AppliedPolicy | None = None,
        *,
        with_bulk: bool = True,
        most_bulk: int = MOST_BULK,
    ) -> Acquisition:
        """Take the lock and the first batch.

        Args:
            router: its name.
            lock_id: random, of this pass alone.
            most: work items.
            policy: the worker's; stored where none was applied yet. None: it knows none.
            with_bulk: bulk work items are taken too; else they are left alone.
            most_bulk: bulk work items.
        """
        waits = RouterState(
            "policy-changed",
            message=f"the inventory's policy is not the applied one: `leasewire routers apply "
            f"{router}` shows what it changes; or start this worker with the right inventory",
        )
        offered = (policy.digest, policy.to_text()) if policy else ("", "")
        answer = self._scripts.run(
            "acquire",
            *(router, lock_id, self.lock_ms, new_work_version(), most),
            *(*offered, waits.to_json(), POLICY_RECHECK_MS, FULL_READ_GOOD_MS, most_bulk),
            int(with_bulk),
            again=True,
        )
        if not answer:
            return Busy()
        now_ms, *state_and_rest = answer
        if not state_and_rest:
            return BulkOnly()
        state, *rest = state_and_rest
        was = RouterState.from_json(state)
        if not rest:
            return PolicyDiffers(was)
        raw, report_due, serial, full_read_due, booted, memory = rest
        work_items = work_items_of(raw)
        return Acquired(
            int(now_ms),
            was,
            work_items,
            full=is_full(work_items, most, most_bulk),
            report_due=bool(report_due),
            serial=serial,
            full_read_due=bool(full_read_due),
            booted_ms=None if booted is None else int(booted),
            memory=known_of(dict(zip(memory[::2], memory[1::2], strict=True))),
        )

    def next_batch(
        self,
        router: str,
        lock_id: str,
        most: int,
        states: tuple[RouterState, RouterState] | None = None,
        *,
        most_bulk: int = MOST_BULK,
    ) -> Batch:
        """The next batch, or release when none is due (`most` 0 releases in any case).

        Args:
            router: its name.
            lock_id: holds its lease.
            most: marks.
            states: noted with the release, when nothing is due and when there is more; None: the
                state stays.
            most_bulk: bulk marks; 0: they are left alone.
        """
        texts = [state.to_json() for state in states] if states else ["", ""]
        held, now_ms, raw, more = self._scripts.run(
            "next_batch",
            *(router, lock_id, self.lock_ms, new_work_version(), most),
            *texts,
            most_bulk,
        )
        work_items = work_items_of(raw)
        full = is_full(work_items, most, most_bulk)
        return Batch(int(held) == 1, int(now_ms), work_items, bool(more), full)

    def renew(self, router: str, lock_id: str) -> bool:
        """Renew the lock; False when it was lost."""
        return bool(self._scripts.run("renew", router, lock_id, self.lock_ms))

    def begin_writing(
        self,
        router: str,
        lock_id: str,
        taken: Collection[str],
        others: Collection[str],
        adds: Mapping[str, Sequence[Identity]] | None = None,
    ) -> frozenset[str] | None:
        """Renew the lock and note services as in flight, unless the brake holds one of them.

        Args:
            router: its name.
            lock_id: holds its lock.
            taken: services that were taken by their work items.
            others: services that stand in the way of these, whatever the brake says.
            adds: service -> leases that are about to be added for it.

        Returns:
            Those of `taken` that the brake holds by now (then none is noted); None when the lock
            was lost.
        """
        ours, braked = self._scripts.run(
            "begin_writing",
            *(router, lock_id, self.lock_ms, len(taken), json.dumps(adds or {})),
            *sorted(taken),
            *sorted(others),
        )
        return frozenset(braked) if ours else None

    def open_circuit(self, router: str, lock_id: str, wait_ms: int, state: RouterState) -> int:
        """Release a router that is to be left alone; returns when it is tried next (ms), or 0."""
        return int(self._scripts.run("open_circuit", router, lock_id, wait_ms, state.to_json()))

    def note_state(self, router: str, lock_id: str, state: RouterState) -> bool:
        """Note how a held router is doing; False when the lease is lost."""
        return bool(self._scripts.run("note_state", router, lock_id, state.to_json()))

    def postpone(self, router: str, wait_ms: int) -> None:
        """Let nobody look for a moment at a router that nobody holds; its marks stay."""
        self._scripts.run("postpone", router, wait_ms)

    def claim(
        self, router: str, wants: Sequence[tuple[str, int, frozenset[Claim]]]
    ) -> list[list[tuple[str, str]] | None]:
        """Ask for the claims of services (id, generation, all that it wants here).

        Returns:
            For each service the claims that were refused as (key, holder), none when all are
            granted; None when its record has changed since it was read.
        """
        if not wants:
            return []
        order = [[service, generation, sorted(claims)] for service, generation, claims in wants]
        answer = self._scripts.run("claim", router, new_work_version(), json.dumps(order))
        return [
            None if each is False else [(key, holder) for key, holder in each]
            for each in json.loads(answer)
        ]

    def conclude(self, router: str, lock_id: str, ends: Sequence[Conclusion]) -> list[bool] | None:
        """End the look at services; None when the lease was lost (all are marked again then).

        Returns:
            For each service whether it was concluded; False: something was said of it meanwhile,
            so its mark stands.
        """
        if not ends:
            return []
        order = {"generation": new_generation(), "services": [_order_of(end) for end in ends]}
        held, results = self._scripts.run(
            "conclude", router, lock_id, new_work_version(), to_json(order)
        )
        if held:
            now_s = time.monotonic()
            self._concluded += [(now_s, router, end.work_item.service_id) for end in ends]
        return [bool(each) for each in results] if held else None

    def forget_concluded(self) -> None:
        """Redis has what was concluded: only that of the last half minute is to be remembered."""
        before = time.monotonic() - REMEMBERED_S
        while self._concluded and self._concluded[0][0] < before:
            self._concluded.popleft()

    def concluded_lately(self) -> dict[str, list[str]]:
        """By router, the services at which a look of this process ended in the last half minute."""
        found: dict[str, set[str]] = {}
        for _, router, service_id in [*self._concluded]:
            found.setdefault(router, set()).add(service_id)
        return {router: sorted(services) for router, services in found.items()}

    def work_item(
        self,
        router: str,
        service_ids: Sequence[str],
        priority: int = 0,
        delay_ms: int = 0,
        *,
        closely: bool = False,
    ) -> bool:
        """Mark services to be looked at; returns whether a message was sent for the router.

        Args:
            router: its name.
            service_ids: whom.
            priority: 0 first, 3 last.
            delay_ms: when they are due.
            closely: rows of theirs may be there of which no record tells.
        """
        return bool(
            self._scripts.run(
                "add_work",
                router,
                new_work_version(),
                priority,
                delay_ms,
                int(closely),
                *service_ids,
            )
        )

    def join(self, router: str, service_ids: Sequence[str]) -> list[WorkItem]:
        """Mark services at a held router with stamps that are known here, and read their records.

        Marked first and read after: what is committed in between renews the stamp.
        """
        work_version = new_work_version()
        self._scripts.run("add_work", router, work_version, 0, 0, 0, *service_ids)
        pipe = self._client.pipeline(transaction=False)
        pipe.mget([self._keys.record(each) for each in service_ids])
        pipe.hmget(self._keys.router(router).waiting, list(service_ids))
        pipe.hmget(self._keys.router(router).inflight, list(service_ids))
        texts, waiting, notes = pipe.execute()
        return [
            WorkItem(
                service,
                work_version,
                0,
                decode_stored(service, text),
                why and json.loads(why),
                sent=sent_of(note),
            )
            for service, text, why, note in zip(service_ids, texts, waiting, notes, strict=True)
        ]

    def sweep(self, grace_ms: int) -> Swept:
        """Ring for what was left behind; nothing when another worker swept just now."""
        answer = self._scripts.run(
            "sweep",
            *(SWEEP_EVERY_MS, grace_ms, SWEEP_ROUTERS, SWEEP_MOVED_ON_MS),
            *(names.NOTIFIED_LIFETIME_MS, ROUTER_NOTIFIED_MS),
            *names.LANES,
        )
        if not answer:
            return Swept([], [])
        if len(answer) == 1:
            return Swept([], [], int(answer[0]))
        lanes, routers = answer
        return Swept(list(lanes), list(routers))


def _order_of(end: Conclusion) -> dict[str, Any]:
    order: dict[str, Any] = {
        "service": end.work_item.service_id,
        "work_version": end.work_item.work_version,
        "generation": end.work_item.stored.generation,
        "do": end.do,
        "wait_ms": end.wait_ms,
        "gone": end.gone,
        "rest_check": end.rest_check,
        "wrote": end.wrote,
        "events": [[*outcome_order(each), each.key in end.brief] for each in end.outcomes],
        "dead_letters": [
            [dead_letter.id, dead_letter.to_json()] for dead_letter in end.dead_letters
        ],
        "counts": list(end.counts.items()),
        "lines": end.lines,
    }
    if end.awaiting_device is not None:
        order |= {"awaiting_device": end.awaiting_device.key, "awaiting_ms": AWAITING_MS}
    if end.record is not None:
        order["text"] = record_to_json(end.record)
    if end.waiting is not None:
        order["waiting"] = end.waiting
    return order
