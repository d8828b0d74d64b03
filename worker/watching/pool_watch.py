"""Watches how full the pools are from which Leasewire assigns, and notes it for later."""

from typing import Final

from worker.core.alerting.alerts import AlertKind
from worker.core.policy.address_pool import AddressPools
from worker.store.pools import PoolUsage
from worker.store.store import Store

OPENS: Final = 0.9
"""Share of a pool's values from which on its alert is open."""
RESOLVES: Final = 0.8
"""An open alert is resolved below this share: else it would come and go."""
_KIND: Final[AlertKind] = "assigned-pool-nearly-full"


def check_pools(store: Store, pools: AddressPools) -> None:
    """Open and resolve the alerts of pools, and note a sample; costs nothing without pools."""
    if not pools:
        return
    now_ms = store.records.now_ms()
    usage = store.pools.use(pools, now_ms)
    is_open = {alert.subject for alert in store.alerts.all_open() if alert.kind == _KIND}
    found: dict[tuple[AlertKind, str], str] = {
        (_KIND, name): describe(name, use)
        for name, use in usage.items()
        if use.used_share >= (RESOLVES if name in is_open else OPENS)
    }
    store.alerts.settle(found, {_KIND: "less of it is used, or it left the inventory"})
    store.samples.note_pools(usage, now_ms)


def describe(name: str, use: PoolUsage) -> str:
    """Say how full a pool is, with the numbers that a person needs to act."""
    used = use.given + use.quarantine
    parts = [f"pool {name}: {used} of {use.size} values are used ({use.used_share:.0%})"]
    if use.quarantine:
        parts.append(f"{use.quarantine} of them are in quarantine")
    if use.waiting:
        services = "1 service waits" if use.waiting == 1 else f"{use.waiting} services wait"
        parts.append(f"{services} for one")
    return ", ".join(parts)
