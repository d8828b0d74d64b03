"""What must hold once all has come to rest."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from tests.faults import estate, odd_worker
from tests.faults.chaos.conflicts import Conflicting
from tests.faults.doubles import Doubled
from tests.faults.leftovers import leftovers
from tests.faults.mischief import LEASE_S
from worker.core.effect.findings import ENDS
from worker.core.rows.rows import OPTION_82, device_field
from worker.core.service.outcome import DeadLetter
from worker.inventory import load_inventory

_ENDLESS = frozenset({"pool-nearly-full", "rogue-device", "dead-letters"})
"""Alerts of what is there at the end: of the odd router, and of the service that none can plan."""
_LASTING = frozenset({"clock-went-back", "redis-rolled-back", *ENDS})
"""Alerts that say what happened, and stay for a while; and of how these routers are set up."""


SECOND_LOOK_S = 2 * LEASE_S + 4 * LEASE_S
"""So long after a write another worker looks a second time at what it may have left: twice the time
of the router lock, and as long as a fault may keep workers away."""


@dataclass
class Judged(Conflicting):
    """A scene that is judged when it is at rest."""

    longest_doubled_s: float = 0.0
    """Of addresses that a late write doubled where the router refuses none."""

    def judge(
        self, besides: Sequence[dict], *, conflicting: bool
    ) -> tuple[dict[str, int], list[str]]:
        """How much of what must hold does not, and what, once all has come to rest.

        Args:
            besides: events that are not of the history and have a last word too.
            conflicting: services may wait for each other.
        """
        self.let_orphaned_copies_be_ours()
        self._count_rows()
        differ = (self.conflicts if conflicting else self.differences)(self.events)
        foreign = [each for router in self.control for each in self.changed_foreign_rows(router)]
        lost = self.without_final_outcome([*self.events, *besides])
        if conflicting:
            lost = [each for each in lost if not self._waits_for_a_claim(each)]
        doubled, dead_letters = self.double_entries(), self.wrong_letters()
        self._remove_all_copies()
        found = {
            "lost": [f"{each} has no final outcome" for each in lost],
            "doubled": doubled,
            "foreign rows changed": foreign,
            "assigned wrongly": self.wrong_assignments(),
            "other differences": [each for each in differ if each not in foreign],
            "false dead letters": dead_letters,
            "alerts wrongly open or never begun": self.wrong_alerts(),
            "left in Redis": [] if conflicting else self.leftovers(),
        }
        self.touched.clear()
        return (
            {name: len(each) for name, each in found.items()},
            [each for some in found.values() for each in some],
        )

    def _count_rows(self) -> None:
        """How many rows of each kind there are: a kind without rows was not tried."""
        rows: Counter[str] = Counter()
        for router in self.control:
            for name, of_device in self.own_rows(router).items():
                for lease in of_device:
                    by = device_field(lease)
                    kind = OPTION_82 if by == OPTION_82 else self.kind_of(router).name
                    rows[f"rows at the end: {kind}"] += 1
                    rows[f"of further devices: {kind}"] += "/" in name
        self.counts |= rows

    def wrong_assignments(self) -> list[str]:
        """What of the pools is not as it must be, by records, by the rows and by the pools."""
        inventory = load_inventory(self.directory / "routers.toml", environ=self.environ)
        services = sorted({event["data"]["service_id"] for event in self.events})
        holders: dict[str, str] = {}
        found = []
        for service, stored in self.store.records.readable(services).items():
            record = stored.record
            if record.value("lifecycle") != "on":
                continue
            found += [f"{service} waits for {why}" for why in record.unassigned.values()]
            for kind, given in record.assigned.items():
                pool = inventory.pools.pools.get(given.pool)
                if pool is None or not pool.holds(given.value) or not pool.serves(record.router):
                    found.append(f"{service} on {record.router} has {kind} {given}")
                if holders.setdefault(given.value, service) != service:
                    found.append(f"{service} and {holders[given.value]} have {given.value}")
        noted = self.store.pools.holders(sorted(holders))
        for value, service in holders.items():
            held = noted.get(value)
            if held is None or (held.service, held.until_ms) != (service, 0):
                found.append(f"{service} has {value}, and the pool says {held}")
        self.counts["values assigned at the end"] = len(holders)
        return found

    def double_entries(self) -> list[str]:
        """What two rows held at once, but for addresses that a late write may double.

        For a while, where the router refuses no second row with an address: until the second look
        at the write (`docs/guarantees.md`). The table has the longest such time.
        """
        found = []
        hidden = 0
        for each in self.doubled():
            late = (
                each.is_late
                or self.links[each.router].was_late(each.began_s)
                or _was_locked_out(each, self.log_text())
            )
            if each.may_be and late and each.lasted_s <= SECOND_LOOK_S:
                self.longest_doubled_s = max(self.longest_doubled_s, each.lasted_s)
            elif (
                each.may_be
                and late
                and isfinite(each.lasted_s)
                and _was_hidden(each, self.valkey.set_ahead_at)
            ):
                hidden += 1
            else:
                found.append(str(each))
        self.counts["late writes that a clock hid"] = hidden
        return found

    def _waits_for_a_claim(self, event_id: str) -> bool:
        events = [event for event in self.events if event["id"] == event_id]
        said = self.outcome(events[0]) if events else None  # that of `besides` waits for nothing
        return said is not None and (said.state, said.reason) == ("waiting", "claim-held")

    def wrong_letters(self) -> list[str]:
        """Dead letters but of the service that no worker can plan, and of abandoned manifests."""
        expected = (odd_worker.CURSED, "internal-error")
        return [
            f"dead letter {dead_letter.reason} of {dead_letter.service_id or dead_letter.id}: "
            f"{dead_letter.detail!a}"
            for dead_letter in self.store.views.dead_letters()
            if (dead_letter.service_id, dead_letter.reason) != expected
            and not self._abandons(dead_letter)
        ]

    def _abandons(self, dead_letter: DeadLetter) -> bool:
        if dead_letter.reason != "manifest-incomplete":
            return False
        return self.abandoned.issuperset(json.loads(dead_letter.body)["events"])

    def wrong_alerts(self, within_s: float = 25) -> list[str]:
        """Alerts that are open though their reason is over, and those that nobody began."""
        estate.fill_odd_pool(self.control[estate.ODD])
        deadline = time.monotonic() + within_s
        looked, due, _ = self.store.keys.reports
        self.client.zadd(due, dict.fromkeys(self.control, 0), xx=True)
        while True:
            self.start_ended()
            # else it may be a minute until the next looks
            self.client.delete(self.store.keys.alert_check, looked)
            open_now = {alert.name: alert for alert in self.store.alerts.all_open()}
            kinds = {alert.kind for alert in open_now.values()}
            wrong = [
                f"alert {name!a} is open: {alert.text!a}"
                for name, alert in open_now.items()
                if alert.kind not in _ENDLESS | _LASTING
            ]
            wrong += [f"no alert {kind} is open" for kind in sorted(_ENDLESS - kinds)]
            if not wrong or time.monotonic() > deadline:
                return wrong
            time.sleep(0.5)  # the pace of looking

    def leftovers(self, within_s: float = 5) -> list[str]:
        """What must not be left in Redis, and does not go by itself.

        The reports that alerts were waited for have services looked at whose DHCPv6 client is not
        known yet.
        """
        besides, expected = frozenset({odd_worker.CURSED}), self.expected(self.events)
        deadline = time.monotonic() + within_s
        while True:
            left = leftovers(self.client, self.store, expected, besides)
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)  # the pace of looking


def _was_locked_out(doubled: Doubled, log_text: str) -> bool:
    """Whether a pass had lost its lock when it wrote; its session may be the newer one.

    Sessions stay open between passes. It notices when it renews the lock, after what it wrote.
    """
    to_monotonic_s = time.monotonic() - time.time()
    about = f'"router": "{doubled.router}"'
    for line in log_text.splitlines():
        if '"router.lock_lost"' in line and about in line:
            noticed = datetime.fromisoformat(json.loads(line)["timestamp"])
            if 0 <= noticed.timestamp() + to_monotonic_s - doubled.began_s <= LEASE_S:
                return True
    return False


def _was_hidden(each: Doubled, set_ahead_at: Sequence[float]) -> bool:
    """Whether a clock that was set ahead brought the second look before the late write."""
    began_s, ended_s = each.began_s - SECOND_LOOK_S, each.began_s + each.lasted_s
    return any(began_s <= at <= ended_s for at in set_ahead_at)
