"""What an operator decides: what the brake holds is approved, and what failed is tried again."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.dead_letters import retry as retry_dead_letter
from tests.simulation.refusals import Refusals
from tests.simulation.scheduler import Scheduler
from tests.simulation.virtual import CHANCE
from worker.admin.approvals import approvals, approve
from worker.core.policy.policy import RouterPolicy
from worker.runtime.tasks import guarded
from worker.store.store import Store

_LOOKS_S: Final = 30.0


@dataclass
class Operator:
    """One person with the command, who looks now and then.

    Attributes:
        store: over a connection of its own.
        policies: of the routers.
        scheduler: runs it.
        approves: called with services that may lose their entries from now on.
        refusals: of writes; None: nothing is tried again.
    """

    store: Store
    policies: Mapping[str, RouterPolicy]
    scheduler: Scheduler
    approves: Callable[[Collection[str]], None]
    refusals: Refusals | None = None

    def work(self) -> None:
        """Look for ever."""
        approve, retry = guarded("operator", self._approve), guarded("operator", self._retry)
        while True:
            self.scheduler.sleep(CHANCE.uniform(1, _LOOKS_S))
            approve()
            retry()

    def _retry(self) -> None:
        for letter in self.refusals.to_retry(self.store) if self.refusals else ():
            retry_dead_letter(self.store, None, letter, "operator")  # type: ignore[arg-type] - no event
            self.refusals.note_retry(letter.id)
            self.scheduler.counts["dead letter retried"] += 1
            self.scheduler.narrate(f"tries {letter.id} again")

    def _approve(self) -> None:
        for approval in approvals(self.store, self.policies):
            self.scheduler.sleep(CHANCE.uniform(0, 5))
            self.approves([item.service_id for item in approval.work_items])
            done = approve(self.store, self.policies, approval.id, approval.digest, "operator")
            self.scheduler.counts[f"approval {done.result}"] += 1
            services = ", ".join(item.service_id for item in approval.work_items)
            self.scheduler.narrate(f"approves {services}: {done.result}")
