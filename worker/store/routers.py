"""Routers in the store: locks, due work items, claims, writes in flight and conclusions."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from pydantic_core import to_json

from contracts import names
from worker.core.entry.entry import Claim
from worker.core.policy.circuit import UP, RouterState
from worker.core.rows.rows import Identity
from worker.store.batches import (
    MOST_BULK,
    Acquired,
    Acquisition,
    Batch,
    BulkOnly,
    Busy,
    Conclusion,
    Handled,
    PolicyDiffers,
    WorkItem,
    batch_of,
    conclusion_document,
    sent_of,
)
from worker.store.connection import (
    SERVICES_A_CALL,
    StorePart,
    StoreParts,
    new_generation,
    new_work_version,
    pages,
)
from worker.store.records import decode_stored
from worker.store.router_admin import FULL_READ_GOOD_MS
from worker.store.router_memory import known_of
from worker.store.store_format import StoreFormat

SWEEP_EVERY_MS = 900
SWEEP_ROUTERS = 200
SWEEP_MOVED_ON_MS = 5_000
ROUTER_NOTIFIED_MS = 10_000
POLICY_RECHECK_MS = 30_000
"""Between checks of a router with another policy applied; `routers apply` ends the wait."""


class Swept(NamedTuple):
    """The work that the sweep found left behind.

    Attributes:
        lanes: lanes of which a worker was notified.
        routers: routers of which a worker was notified.
        set_back_from_ms: the time of the last sweep, if Redis's clock shows less now: nothing is
            swept until `Clock.set_back` was called. 0: the clock goes on.
    """

    lanes: list[names.Lane]
    routers: list[str]
    set_back_from_ms: int = 0


class Routers(StorePart):
    """The store's side of convergence. Every method is one script, so one atomic step.

    Attributes:
        lock_ms: the time of a lock.
        handled: what this process wrote and concluded lately.
    """

    def __init__(self, *parts: *StoreParts, store_format: StoreFormat, lock_ms: int) -> None:
        super().__init__(*parts)
        self._format = store_format
        self.lock_ms = lock_ms
        self.handled = Handled()

    def acquire(  # noqa: PLR0913 - what a pass begins with
        self,
        router: str,
        lock_id: str,
        most: int,
        policy: tuple[str, str] = ("", ""),
        *,
        with_bulk: bool = True,
        most_bulk: int = MOST_BULK,
    ) -> Acquisition:
        """Lock a router, and take the first batch.

        `lock_id`: random, of this pass alone; `policy`: what the worker offers, stored if none was
        applied yet; empty: it has none; `with_bulk`: take bulk work items too, at most `most_bulk`;
        else leave them alone.
        """
        answer = self._scripts.run(
            "acquire",
            *(router, lock_id, self.lock_ms, new_work_version(), most),
            *(*policy, _policy_changed(router), POLICY_RECHECK_MS, FULL_READ_GOOD_MS, most_bulk),
            int(with_bulk),
            again=True,
        )
        if not answer:
            return Busy()
        now_ms, *state_and_rest = answer
        if not state_and_rest:
            return BulkOnly()
        state, *rest = state_and_rest
        was = RouterState.from_json(state) if state else UP
        if not rest:
            return PolicyDiffers(was)
        raw, report_due, serial, full_read_due, booted, memory = rest
        work_items, full = batch_of(raw, most, most_bulk)
        return Acquired(
            int(now_ms),
            was,
            work_items,
            full=full,
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
        """Take the next batch, or release the router if nothing is due or `most` is 0.

        `states`: set with the release: if nothing is due, and if there is more; None: the state
        stays. `most_bulk`: limit of bulk work items; 0: leave them alone.
        """
        texts = [state.to_json() for state in states] if states else ["", ""]
        held, now_ms, raw, more = self._scripts.run(
            "next_batch",
            *(router, lock_id, self.lock_ms, new_work_version(), most),
            *texts,
            most_bulk,
        )
        work_items, full = batch_of(raw, most, most_bulk)
        return Batch(int(held) == 1, int(now_ms), work_items, bool(more), full)

    def renew(self, router: str, lock_id: str) -> bool:
        """Renew the lock; False when it is lost."""
        return bool(self._scripts.run("renew", router, lock_id, self.lock_ms))

    def begin_writing(
        self,
        router: str,
        lock_id: str,
        taken: Collection[str],
        others: Collection[str],
        adds: Mapping[str, Sequence[Identity]] | None = None,
    ) -> frozenset[str] | None:
        """Renew the lock, and note writes in flight unless the brake holds a service by now.

        So many replicas as the settings ask for have this note then, and all that it follows from:
        what is written next is known to the next primary.

        `taken`: services that were taken as work items; `others`: those in the way of these,
        whatever the brake holds; `adds`: service -> leases that are about to be added for it.

        Returns:
            Those of `taken` that the brake holds by now (then nothing is noted); None when the lock
            is lost.

        Raises:
            NotReplicated: too few replicas confirm it: write nothing.
        """
        ours, braked = self._scripts.run_on_replicas(
            "begin_writing",
            *(router, lock_id, self.lock_ms, len(taken), json.dumps(adds or {})),
            *sorted(taken),
            *sorted(others),
        )
        if ours and not braked:
            self.handled.remember(router, (*taken, *others), adds)
        return frozenset(braked) if ours else None

    def open_circuit(self, router: str, lock_id: str, wait_ms: int, state: RouterState) -> int:
        """Open the circuit, and release the lock; returns when it is tried next (ms), or 0."""
        return int(self._scripts.run("open_circuit", router, lock_id, wait_ms, state.to_json()))

    def set_state(self, router: str, lock_id: str, state: RouterState) -> bool:
        """Set the state of a locked router; False when the lock is lost."""
        return bool(self._scripts.run("set_state", router, lock_id, state.to_json()))

    def postpone(self, router: str, wait_ms: int) -> None:
        """Postpone the work of a router that is not locked."""
        self._scripts.run("postpone", router, wait_ms)

    def claim(
        self, router: str, wants: Sequence[tuple[str, int, frozenset[Claim]]]
    ) -> list[list[tuple[str, str]] | None]:
        """Request the claims of services (id, generation, all that it wants here).

        Returns:
            For each service the refused claims as (key, holder), none if all are granted; None if
            its record has changed since it was read.
        """
        order = [[service, generation, sorted(claims)] for service, generation, claims in wants]
        answer = self._scripts.run("claim", router, new_work_version(), json.dumps(order))
        return [
            None if refused is False else [(key, holder) for key, holder in refused]
            for refused in json.loads(answer)
        ]

    def conclude(self, router: str, lock_id: str, ends: Sequence[Conclusion]) -> list[bool] | None:
        """Conclude batch items; None when the lock was lost (work is added for all of them then).

        Returns:
            For each item whether it was concluded; False: its service changed meanwhile, and its
            work item stays.
        """
        if not ends:
            return []
        store_format = self._format.in_use or self._format.check()
        batch = {
            "services": [conclusion_document(end, store_format) for end in ends],
            "generation": new_generation(),
        }
        ours = (router, lock_id, new_work_version())
        held, results = self._scripts.run("conclude", *ours, to_json(batch))
        if held:
            self.handled.remember(router, [end.work_item.service_id for end in ends])
        return [bool(result) for result in results] if held else None

    def leave_in_flight(
        self,
        router: str,
        lock_id: str,
        service_ids: Sequence[str],
        adds: Mapping[str, Sequence[Identity]],
    ) -> None:
        """Note the writes of a pass that lost its lock, as if it had died, and add work for them.

        Redis may have lost what `begin_writing` noted, and the lock with it. `lock_id`: of the lock
        that was lost; `service_ids`: the services that were written, or may be; `adds`: service ->
        leases that were added for it, or may be.
        """
        sent = json.dumps({name: adds[name] for name in service_ids if adds.get(name)})
        self._scripts.run(
            "leave_in_flight", router, lock_id, new_work_version(), sent, *service_ids
        )

    def add_work(  # noqa: PLR0913 - when, and what may be there
        self,
        router: str,
        service_ids: Sequence[str],
        priority: int = 0,
        delay_ms: int = 0,
        *,
        closely: bool = False,
        added: Mapping[str, Sequence[Identity]] | None = None,
    ) -> bool:
        """Add work items for services; returns whether a message was sent for the router.

        `priority`: 0 first, 3 last; `delay_ms`: when they are due; `closely`: rows without a record
        may be there; `added`: service -> those that were added lately.
        """
        sent = False
        for part in pages(service_ids, SERVICES_A_CALL):
            own = {service: rows for service in part if (rows := (added or {}).get(service))}
            rows_text = json.dumps(own) if closely else ""
            given = (router, new_work_version(), priority, delay_ms, rows_text, self.lock_ms)
            sent |= bool(self._scripts.run("add_work", *given, *part))
        return sent

    def join(self, router: str, service_ids: Sequence[str]) -> list[WorkItem]:
        """Add services to the batch of a locked router, and read their records.

        Work is added first: a commit before the read then renews the work version.
        """
        work_version = new_work_version()
        self._scripts.run("add_work", router, work_version, 0, 0, "", 0, *service_ids)
        pipe = self._client.pipeline(transaction=False)
        pipe.mget(list(map(self._keys.record, service_ids)))
        pipe.hmget(self._keys.router(router).waiting, list(service_ids))
        pipe.hmget(self._keys.router(router).inflight, list(service_ids))
        texts, waiting, in_flight = pipe.execute()
        return [
            WorkItem(
                service,
                work_version,
                0,
                decode_stored(service, text),
                why and json.loads(why),
                sent=sent_of(writes),
            )
            for service, text, why, writes in zip(
                service_ids, texts, waiting, in_flight, strict=True
            )
        ]

    def sweep(self, grace_ms: int) -> Swept:
        """Notify workers of work that was left behind, unless another worker swept just now."""
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


@lru_cache(maxsize=4096)  # each pass offers it
def _policy_changed(router: str) -> str:
    """The state of a router to which another policy than the inventory's is applied."""
    return RouterState(
        "policy-changed",
        message=f"the inventory's policy is not the applied one: `leasewire routers apply "
        f"{router}` shows what it changes; or start this worker with the right inventory",
    ).to_json()
