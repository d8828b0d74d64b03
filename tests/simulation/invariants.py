"""What must hold at each step, whoever was just interrupted."""

import json
from collections.abc import Mapping
from typing import Any, Final

import redis

from tests.simulation.router_side import SimulatedRouter
from tests.simulation.scheduler import Violation

LEASES: Final = "/ip/dhcp-server/lease"
FINAL: Final = frozenset({"applied", "superseded", "duplicate", "rejected", "failed", "expired"})
NOT_YET: Final = frozenset({"accepted", "scheduled", "waiting"})
TAG: Final = "leasewire:acme:"


class RouterChecks:
    """One router: no two static leases with one MAC or one address, and no row of others changed.

    Args:
        of: the router.
    """

    def __init__(self, of: SimulatedRouter) -> None:
        self._of = of
        self._seen = 0
        self._rows: dict[str, Mapping[str, str]] = {}
        self._by_mac: dict[tuple[str, str], str] = {}
        self._by_address: dict[str, str] = {}

    def look(self) -> None:
        """Check what was written since the last look.

        Raises:
            Violation: see above.
        """
        journal = self._of.router.journal
        while self._seen < len(journal):
            entry = journal[self._seen]
            self._seen += 1
            if entry["error"] is None and entry["command"].startswith(LEASES):
                self._written(entry)

    def _written(self, entry: Mapping[str, Any]) -> None:
        before, after, by = entry["before"], entry["after"], entry["session"]
        if before is not None and by.startswith("api") and TAG not in before.get("comment", ""):
            raise Violation(f"{self._of.name}: a row of others was changed: {before} -> {after}")
        row_id = (after or before or {}).get(".id", "")
        old = self._rows.pop(row_id, None)
        if old is not None:
            self._by_mac.pop((old.get("mac-address", ""), old.get("server", "")), None)
            self._by_address.pop(old["address"], None)
        if after is None or after.get("dynamic") == "true":
            return
        self._rows[row_id] = after
        if after.get("disabled") == "true":
            return
        for held, key in (
            (self._by_mac, (after.get("mac-address", ""), after.get("server", ""))),
            (self._by_address, after["address"]),
        ):
            other = held.setdefault(key, row_id)  # type: ignore[attr-defined]
            if other != row_id:
                raise Violation(f"{self._of.name}: two rows have {key}: {other} and {row_id}")


class OutcomeChecks:
    """No outcome of an event goes back from a final one.

    Args:
        client: of the harness.
        feed: key of the stream of outcomes.
    """

    def __init__(self, client: redis.Redis, feed: str) -> None:
        self._client = client
        self._feed = feed
        self._last = "0-0"
        self.states: dict[str, str] = {}

    def forget(self) -> None:
        """Redis lost its end: what it said after that is not said."""
        self._last = "0-0"
        self.states.clear()

    def look(self) -> None:
        """Read on.

        Raises:
            Violation: an outcome was final, and is no more.
        """
        for stream_id, said in self._client.xrange(self._feed, f"({self._last}"):
            self._last = stream_id
            _, state, _, _, _, event, *_ = json.loads(said["outcome"])
            before = self.states.get(event)
            if before in FINAL and state in NOT_YET:
                raise Violation(f"event {event} was {before}, and now is {state}")
            self.states[event] = state
