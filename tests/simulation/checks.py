"""All that is checked at each step of a history."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.simulation.asked import Asked
from tests.simulation.bss import BY_REVISIONS, BY_TIMES
from tests.simulation.invariants import OutcomeChecks, RouterChecks
from tests.simulation.inventory_side import POOL_RANGE
from tests.simulation.judging import is_refused
from tests.simulation.keeping import AcceptedChecks, ClaimChecks
from tests.simulation.router_side import SimulatedRouter
from worker.store.store import Store


class Checks:
    """The invariants of an installation.

    Args:
        routers: by name.
        store: of the harness, for keys.
        loses: whether Redis may lose what it accepted when it loses its end.
    """

    def __init__(
        self, routers: Mapping[str, SimulatedRouter], store: Store, *, loses: bool
    ) -> None:
        self._loses = loses
        self.asked = Asked()
        pool = POOL_RANGE.rpartition(".")[0] + "."
        self.routers = {n: RouterChecks(router, self.asked, pool) for n, router in routers.items()}
        self._client = client = store.client
        keys = store.keys
        self.outcomes = [
            OutcomeChecks(keys.feed(f"live:{source}"), self.asked)
            for source in (BY_REVISIONS, BY_TIMES)
        ]
        self.accepted = AcceptedChecks(client, keys.prefix)
        self.claims = ClaimChecks(client, keys.prefix, self.routers)

    def says(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Events are about to be published."""
        for event in events:
            if not is_refused(event):
                self.asked.note(event)

    def said(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Events were accepted."""
        self.accepted.accepted(events)

    def forget(self) -> None:
        """Redis lost its end."""
        for outcomes in self.outcomes:
            outcomes.forget()
        self.claims.forget()
        if self._loses:
            self.accepted.forget()

    def look_at_routers(self) -> None:
        """Check what was written to routers since the last look.

        Raises:
            Violation: something does not hold.
        """
        for router in self.routers.values():
            router.look()

    def look_at_redis(self) -> None:
        """Check what is in Redis.

        Raises:
            Violation: something does not hold.
        """
        pipe = self._client.pipeline(transaction=False)
        checks = (*self.outcomes, self.accepted, self.claims)
        for check in checks:
            check.ask(pipe)
        answers = iter(pipe.execute())
        for check in checks:
            check.look(answers)
