"""All that is checked at each step of a history."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tests.simulation.asked import Asked
from tests.simulation.bss import BY_REVISIONS, BY_TIMES
from tests.simulation.invariants import OutcomeChecks, RouterChecks
from tests.simulation.inventory_side import BRAKED, POOL_RANGE
from tests.simulation.judging import is_refused
from tests.simulation.keeping import AcceptedChecks, ClaimChecks
from tests.simulation.router_side import SimulatedRouter
from tests.simulation.store_side import OwnClient
from tests.simulation.tasks import Process, Violation
from tests.simulation.waiting import WaitChecks
from worker.store.store import Store


class Checks:
    """The invariants of an installation.

    Args:
        routers: by name.
        store: of the harness, for keys.
        loses: whether Redis may lose what it accepted when it loses its end.
        has_brake: whether few entries may go without an approval.
        rows_at: the router that holds the rows of a router's services, where it is another one.
    """

    def __init__(
        self,
        routers: Mapping[str, SimulatedRouter],
        store: Store,
        *,
        loses: bool,
        has_brake: bool,
        rows_at: Mapping[str, str],
    ) -> None:
        self._loses = loses
        self._counts_losses = has_brake
        self._approved: set[str] = set()
        self.asked = Asked(rows_at)
        pool = POOL_RANGE.rpartition(".")[0] + "."
        self.routers = {n: RouterChecks(router, self.asked, pool) for n, router in routers.items()}
        self._client = client = store.client
        self._keys = keys = store.keys
        self.outcomes = [
            OutcomeChecks(keys.feed(f"live:{source}"), self.asked)
            for source in (BY_REVISIONS, BY_TIMES)
        ]
        self.accepted = AcceptedChecks(client, keys.prefix)
        self._waits = WaitChecks(client, keys.prefix, list(routers))
        self.claims = ClaimChecks(
            client,
            keys.prefix,
            self.routers,
            [name for name, router in routers.items() if router.kind == "entries"],
        )

    def says(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Events are about to be published."""
        for event in events:
            if not is_refused(event):
                self.asked.note(event)

    def said(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Events were accepted."""
        self.accepted.accepted(events)

    def approves(self, services: Collection[str]) -> None:
        """Somebody is about to approve that these lose their entries; the count begins again."""
        self._approved.update(services, *(router.lost for router in self.routers.values()))

    def forget(self) -> None:
        """Redis lost its end."""
        for outcomes in self.outcomes:
            outcomes.forget()
        self.claims.forget()
        self._counts_losses = False
        if self._loses:
            self.accepted.forget()

    def splits(self, client: OwnClient) -> None:
        """There are two servers of Redis: note what the next one knows to be written."""
        for name, router in self.routers.items():
            block = self._keys.router(name)
            router.of.noted = None if self._loses else client.hkeys(block.inflight)

    def cut_off(self) -> dict[Process, set[str]]:
        """Who wrote to routers while he took a former Redis for the primary -> for which services.

        Their rows need not be those of their claims.
        """
        found: dict[Process, set[str]] = {}
        for router in self.routers.values():
            for process, services in router.of.cut_off.items():
                found.setdefault(process, set()).update(services)
                self.claims.touched |= services
        return found

    def look_at_routers(self) -> None:
        """Check what was written to routers since the last look.

        Raises:
            Violation: something does not hold.
        """
        for name, router in self.routers.items():
            if not router.look():
                continue
            lost = router.lost - self._approved
            if self._counts_losses and len(lost) > BRAKED:
                raise Violation(f"{name}: {sorted(lost)} lost their entries without an approval")

    def look_at_redis(self) -> None:
        """Check what is in Redis.

        Raises:
            Violation: something does not hold.
        """
        pipe = self._client.pipeline(transaction=False)
        checks = (*self.outcomes, self.accepted, self.claims, self._waits)
        for check in checks:
            check.ask(pipe)
        self.cut_off()
        answers = iter(pipe.execute())
        for check in checks:
            check.look(answers)
