"""The figures of an installation at one moment, for `leasewire metrics`. Only reads Redis.

All is read before any of it is shown: a Redis that goes away meanwhile leaves no half.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.outcomes.deliveries import Deliveries
from gateway.outcomes.targets import Target
from leasewire.context import Context
from worker.core.alerting.alerts import Alert
from worker.core.alerting.health import Finding, assess
from worker.core.alerting.health_figures import HealthFigures
from worker.store.connection import connect
from worker.store.feed import CursorTooOldError, position
from worker.store.health_figures import HealthReader
from worker.store.router_figures import RouterFigures
from worker.store.sources import SourceView
from worker.store.store import Store, open_store

_ANSWER_S: Final = 3.0
"""A Redis that is silent for so long is away: Prometheus waits for 10 s unless told otherwise."""
_CONNECT_S: Final = 2.0


class DeliveryFigures(NamedTuple):
    """How the delivery of outcomes to one target is doing.

    Attributes:
        target: its name.
        delivered: how often it took one.
        failing: it does not take them now.
        retried: how many are tried again.
        undelivered: how many were given up, and wait for a person.
        oldest_ms: when the first outcome was said that was not dealt with; 0: none waits; None:
            nothing was ever delivered.
    """

    target: str
    delivered: int
    failing: bool
    retried: int
    undelivered: int
    oldest_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All of it.

    Attributes:
        health_figures: what `leasewire status` shows.
        findings: what it says of that.
        routers: one each.
        observed: names of the routers to which nothing is written.
        alerts: those that are open.
        holds: `router:NAME` or `source:URI` -> how many marks the brake holds by its limit.
        sources: those of the inventory.
        deliveries: one a target of `outcomes.toml`.
        workers_seen: workers of the last day -> how long ago (ms) the last sign of each was.
        read_s: seconds that it took to read.
    """

    health_figures: HealthFigures
    findings: Sequence[Finding]
    routers: Sequence[RouterFigures]
    observed: frozenset[str]
    alerts: Sequence[Alert]
    holds: Mapping[str, int]
    sources: Mapping[str, SourceView]
    deliveries: Sequence[DeliveryFigures]
    workers_seen: Mapping[str, int]
    read_s: float


class FiguresReader:
    """Reads them, over a connection of its own that waits for a few seconds only.

    Args:
        context: says what there is.
        targets: those of `outcomes.toml`.
    """

    def __init__(self, context: Context, targets: Sequence[Target]) -> None:
        settings = context.settings
        client = connect(
            settings.redis_url,
            socket_timeout_s=_ANSWER_S,
            connect_timeout_s=_CONNECT_S,
            **settings.redis_login,
        )
        self._store: Final[Store] = open_store(client, settings.key_prefix)
        self._health_figures = HealthReader(self._store)
        self._targets = [
            (target, Deliveries(client, settings.key_prefix, target.name)) for target in targets
        ]
        self._inventory = context.inventory
        self._waiting_s = settings.waiting_alert_s

    def read(self) -> Figures:
        """Read everything.

        Raises:
            StoreUnavailable: Redis cannot be reached, does not answer in time, or refuses us.
        """
        began = time.perf_counter()
        store, inventory = self._store, self._inventory
        now_ms = store.records.now_ms()
        routers = self._health_figures.routers(inventory.routers, now_ms)
        health_figures = self._health_figures.read_with(routers, now_ms)
        return Figures(
            health_figures=health_figures,
            findings=assess(health_figures, self._waiting_s),
            routers=routers,
            observed=frozenset(
                name for name, each in inventory.routers.items() if each.policy.mode == "observe"
            ),
            alerts=store.alerts.open(),
            holds=store.brake.approvals(),
            sources={name: store.sources.view(name) for name in inventory.sources},
            deliveries=[self._delivery(*each) for each in self._targets],
            workers_seen=store.views.workers_seen(),
            read_s=time.perf_counter() - began,
        )

    def _delivery(self, target: Target, deliveries: Deliveries) -> DeliveryFigures:
        state = deliveries.state()
        return DeliveryFigures(
            target.name,
            int(state.get("delivered", 0)),
            "failing_since" in state,
            int(state["aside"]),
            int(state["dead"]),
            self._oldest_ms(target, state["cursor"]) if state["cursor"] else None,
        )

    def _oldest_ms(self, target: Target, cursor: str) -> int:
        feed = self._store.feed
        try:
            page = feed.read(target.sources, cursor, 1)
        except CursorTooOldError:  # some of them were let go meanwhile
            page = feed.read(target.sources, None, 1)
        return position(page.items[0].id)[0] if page.items else 0
