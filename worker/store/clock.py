"""What the store does when Redis's clock is set back: its moments were noted by the former one."""

import json
from typing import Final

from contracts import names
from worker.store.canaries import EVERY_MS as CANARIES_MS
from worker.store.journal import WORK_MS
from worker.store.key_table import KeyTable
from worker.store.keys import Keys
from worker.store.schedule import RELEASE_MS
from worker.store.scripts import Scripts

_LONGEST_FLAG_MS: Final = 60_000
"""Of those that say that something is done once a minute, or by one worker."""


class Clock:
    """Redis's clock, which a person, NTP or a failover may set."""

    def __init__(self, scripts: Scripts, keys: Keys, lease_ms: int = 30_000) -> None:
        self._scripts = scripts
        self._keys = keys
        self._lease_ms = lease_ms

    def set_back(self, from_ms: int) -> bool:
        """Go on with all work as if no time had gone by since the last sweep.

        Args:
            from_ms: what the clock showed then, as the sweep found it.

        Returns:
            False when another worker did it.
        """
        keys, lanes = self._keys, names.LANES
        reports_look, reports_due, _ = keys.reports_block()
        table = KeyTable(
            [
                keys.sweep,
                keys.routers_due,
                keys.fleet_block()[1],
                reports_due,
                keys.schedule,
                keys.canaries,
            ]
        )
        flags = [
            *((names.journal_rung(keys.prefix, lane), names.RING_LIFETIME_MS) for lane in lanes),
            (keys.canary_claim, CANARIES_MS),
            *(
                (key, _LONGEST_FLAG_MS)
                for key in (keys.upkeep, keys.alert_look, keys.telling, reports_look)
            ),
        ]
        moments = [
            # what a worker has is its own for so long
            *((names.journal_due(keys.prefix, lane), WORK_MS) for lane in lanes),
            *((key, 1) for key in (keys.alerts_untold, keys.unseen, keys.manifests)),
            *((key, 1) for key in (keys.workers, keys.sources_known)),
        ]
        order = {
            "last": from_ms,
            "lease_ms": self._lease_ms,
            "release_ms": RELEASE_MS,
            "router_keys": keys.router_block_parts(),
            "watched": keys.watched(""),
            "flags": [[table.at(key), longest] for key, longest in flags],
            "moments": [[table.at(key), right] for key, right in moments],
        }
        return bool(self._scripts.run("set_back", table.keys, [json.dumps(order)]))
