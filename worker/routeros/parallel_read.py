"""Reads rows of many routers at once; writes nothing."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

from worker.core.rows.observed import Observation
from worker.errors import RouterBlocked, RouterUnreachable
from worker.inventory import Inventory
from worker.ports import LeaseQuery
from worker.routeros.sessions import open_session
from worker.settings import Settings

_AT_ONCE: Final = 32
"""Routers read at a time: one that is down costs its connect timeout."""


class RowObserver:
    """Opens its own session with each router, reads, and resets it."""

    def __init__(self, inventory: Inventory, settings: Settings) -> None:
        self._routers = inventory.routers
        self._settings = settings

    def look(self, queries: Mapping[str, LeaseQuery]) -> dict[str, Observation | str]:
        """Read the rows of routers; of one that does not answer return why."""
        asked = [name for name in queries if name in self._routers]
        if not asked:
            return {}
        with ThreadPoolExecutor(min(_AT_ONCE, len(asked))) as pool:
            found = pool.map(lambda name: self._look(name, queries[name]), asked)
            return dict(zip(asked, found, strict=True))

    def _look(self, router: str, query: LeaseQuery) -> Observation | str:
        try:
            with closing(open_session(self._routers[router], self._settings)) as session:
                return session.observe(query)
        except (RouterUnreachable, RouterBlocked) as error:
            return error.message
