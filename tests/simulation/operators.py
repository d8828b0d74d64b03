"""What an operator decides in Leasewire: the work that the brake holds is approved."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

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
    """

    store: Store
    policies: Mapping[str, RouterPolicy]
    scheduler: Scheduler
    approves: Callable[[Collection[str]], None]

    def work(self) -> None:
        """Look for ever."""
        once = guarded("operator", self._approve)
        while True:
            self.scheduler.sleep(CHANCE.uniform(1, _LOOKS_S))
            once()

    def _approve(self) -> None:
        for approval in approvals(self.store, self.policies):
            self.scheduler.sleep(CHANCE.uniform(0, 5))
            self.approves([item.service_id for item in approval.work_items])
            done = approve(self.store, self.policies, approval.id, approval.digest, "operator")
            self.scheduler.counts[f"approval {done.result}"] += 1
            services = ", ".join(item.service_id for item in approval.work_items)
            self.scheduler.narrate(f"approves {services}: {done.result}")
