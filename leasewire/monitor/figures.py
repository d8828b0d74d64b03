"""The figures of an installation at one moment, for `leasewire metrics`. Only reads Redis.

Everything is read before anything is shown: if Redis fails meanwhile, there is no half answer.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.outcomes.deliveries import Deliveries
from gateway.outcomes.targets import Target
from leasewire.sources.delivering import Targets
from worker.core.alerting.alerts import Alert
from worker.core.alerting.health import Finding, assess
from worker.core.alerting.health_figures import HealthFigures
from worker.store.connection import connect
from worker.store.feed import CursorTooOldError, position
from worker.store.health_figures import HealthReader
from worker.store.pools import PoolUsage
from worker.store.router_figures import RouterFigures
from worker.store.sources import SourceView
from worker.store.store import Store, open_store
from worker.store.watches import ActedTimes

_ANSWER_S: Final = 3.0
"""A Redis that is silent for so long is down: Prometheus waits for 10 s by default."""
_CONNECT_S: Final = 2.0


class DeliveryFigures(NamedTuple):
    """The delivery of outcomes to one target.

    Attributes:
        target: its name.
        delivered: outcomes that it accepted.
        failing: it does not accept outcomes now.
        retried: outcomes that are being retried.
        undelivered: outcomes that were given up, and wait for a person.
        oldest_ms: time of the first outcome that was not offered yet; 0: none waits; None: nothing
            was ever delivered.
    """

    target: str
    delivered: int
    failing: bool
    retried: int
    undelivered: int
    oldest_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All figures.

    Attributes:
        health_figures: figures of `leasewire status`.
        findings: its findings.
        routers: figures of each router.
        observed: names of the routers that are only observed.
        alerts: open alerts.
        held: `router:NAME` or `source:URI` -> number of services that the brake holds by its limit.
        sources: sources of the inventory.
        deliveries: one for each target of `outcomes.toml`.
        acted: (kind of change, rung) -> how fast such changes acted since the installation began.
        pools: how much of each pool of the inventory is used.
        awaited: applied changes that do not act yet, or were not read yet.
        read_s: seconds that reading took.
    """

    health_figures: HealthFigures
    findings: Sequence[Finding]
    routers: Sequence[RouterFigures]
    observed: frozenset[str]
    alerts: Sequence[Alert]
    held: Mapping[str, int]
    sources: Mapping[str, SourceView]
    deliveries: Sequence[DeliveryFigures]
    acted: Mapping[tuple[str, str], ActedTimes]
    awaited: int
    pools: Mapping[str, PoolUsage]
    read_s: float


class FiguresReader:
    """Reads the figures over its own connection, with short timeouts."""

    def __init__(self, targets: Targets) -> None:
        settings = targets.context.settings
        client = connect(
            settings.redis_url,
            socket_timeout_s=_ANSWER_S,
            connect_timeout_s=_CONNECT_S,
            **settings.redis_login,
        )
        self._store: Final[Store] = open_store(client, settings.key_prefix)
        self._health_figures = HealthReader(self._store)
        self._targets = targets
        self._key_prefix = settings.key_prefix
        self._waiting_s = settings.waiting_alert_s

    def read(self) -> Figures:
        """Read everything.

        Raises:
            StoreUnavailable: Redis cannot be reached, does not answer in time, or refuses us.
        """
        began = time.perf_counter()
        # Either may be read again at any moment.
        store, inventory, targets = self._store, self._targets.context.inventory, self._targets.now
        now_ms = store.records.now_ms()
        routers = self._health_figures.routers(inventory.routers)
        health_figures = self._health_figures.read_with(routers, now_ms)
        return Figures(
            health_figures=health_figures,
            findings=assess(health_figures, self._waiting_s),
            routers=routers,
            observed=frozenset(
                name
                for name, router in inventory.routers.items()
                if router.policy.mode == "observe"
            ),
            alerts=store.alerts.all_open(),
            held=store.brake.approvals(),
            sources=store.sources.views(list(inventory.sources)),
            deliveries=[self._delivery(target) for target in targets],
            acted=store.watches.acted(),
            awaited=store.watches.number(),
            pools=store.pools.use(inventory.pools, now_ms),
            read_s=time.perf_counter() - began,
        )

    def _delivery(self, target: Target) -> DeliveryFigures:
        state = Deliveries(self._store.client, self._key_prefix, target.name).state()
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
        except CursorTooOldError:  # some outcomes were dropped meanwhile
            page = feed.read(target.sources, None, 1)
        return position(page.items[0].id)[0] if page.items else 0
