"""Gives values of pools to the services that wait for one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from worker.core.entry.brake import BrakeLimits
from worker.core.policy.policy import RouterPolicy
from worker.intake.assigning import Assigner
from worker.intake.draft import CommitDraft
from worker.intake.folding import folding_with
from worker.intake.report import log_committed
from worker.store.store import Store

AT_ONCE: Final = 50
"""Services of one pool and round."""
_UNKNOWN: Final = ""
"""Under this name services wait for a pool that the inventory does not have."""
_UNKNOWN_EVERY: Final = 60
"""Rounds: only a new inventory can help these."""


@dataclass
class WaitingServices:
    """Finds values for waiting services, a bounded number a round."""

    store: Store
    policies: Mapping[str, RouterPolicy]
    assigner: Assigner
    limits: BrakeLimits | None
    _rounds: int = field(default=0, init=False)

    def run(self) -> None:
        """Do one round. Without pools it costs nothing."""
        pools = self.assigner.pools.pools
        names = [*pools, *([] if self._rounds % _UNKNOWN_EVERY else [_UNKNOWN])] if pools else []
        self._rounds += 1
        for name in names:
            now_ms = self.store.records.now_ms()
            services = self.store.pools.to_assign(pools.get(name), AT_ONCE, now_ms)
            if services:
                self._assign(name, services, now_ms)

    def _assign(self, pool: str, services: Sequence[str], now_ms: int) -> None:
        # nothing is known of a record that only a newer version reads: that version assigns
        stored = self.store.records.readable(services)
        if not stored:
            return
        folding = folding_with(self.store, self.policies, now_ms)
        drafts = {name: folding(found).reassign(pool) for name, found in stored.items()}
        self.assigner.assign([*drafts.values()])
        changed = [draft for draft in drafts.values() if draft.changes_record]
        for draft in changed:
            _explain(draft)
        waits = {name for name, draft in drafts.items() if draft.record.unassigned}
        committed = {draft.record.service_id for draft in changed}
        self.store.pools.end_waiting(pool, sorted(stored.keys() - waits - committed))
        commits = [draft.commit() for draft in changed]
        log_committed(self.store, self.store.records.commit(commits, now_ms, self.limits))


def _explain(draft: CommitDraft) -> None:
    """Say in the outcomes of its events that the service waits no longer, or has another value."""
    before, after = draft.before.record, draft.record
    for kind, has in after.assigned.items():
        had = before.assigned.get(kind)
        if kind in before.unassigned and kind not in after.unassigned:
            reason, detail = "", f"{has.value} of pool {has.pool} became free"
        elif had is not None and had.value != has.value and had.pool == has.pool:
            reason = "address-replaced"
            detail = f"a row of others has {had.value}: {has.value} of pool {has.pool} instead"
        else:
            continue
        for pending in after.pending:
            draft.report.change_outcome(pending.event, "accepted", reason, detail)
