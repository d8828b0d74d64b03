"""What Redis must have at each step: events that were accepted, and claims that agree with rows."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from redis.client import Pipeline

from contracts import names
from contracts.identity import event_key
from tests.simulation.forms import is_on, service_of
from tests.simulation.invariants import FINAL, RouterChecks, is_placeholder
from tests.simulation.tasks import Violation
from tests.simulation.virtual import CLOCK

_OF_ROWS: Final = ("mac:", "name:", "option-82:", "address:")
"""So begin claims of what is in a row itself."""
_SETTLES_S: Final = 300.0
"""So long after Redis lost its end records may be older than rows."""
_DIGITS: Final = {"seen": 16, "brief": 24}
"""Of an event's key, by which it is known (docs/reference/redis-keys.md)."""


class AcceptedChecks:
    """An event for which `publish` returned is in the journal, or its service knows it.

    Args:
        client: of the harness.
        prefix: of all keys.
    """

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._body = names.journal_body(prefix, names.QUEUE_EVENTS)
        self._open: dict[str, Mapping[str, Any]] = {}

    def accepted(self, events: Sequence[Mapping[str, Any]]) -> None:
        """`publish` returned."""
        self._open |= {event_key(event["source"], event["id"]): event for event in events}

    def forget(self) -> None:
        """Redis lost its end, and what it had accepted may be gone with it."""
        self._open.clear()

    def ask(self, pipe: Pipeline) -> None:
        """Look for each that had no final outcome when last looked for."""
        keys = list(self._open)
        if keys:
            services = [self._open[key]["data"].get("service_id", "") for key in keys]
            pipe.hmget(self._body, keys)
            pipe.mget([f"{self._prefix}record:{service}" for service in services])

    def look(self, answers: Iterator[Any]) -> None:
        """Check what was read.

        Raises:
            Violation: an event is nowhere.
        """
        keys = list(self._open)
        bodies, records = (next(answers), next(answers)) if keys else ((), ())
        for key, body, text in zip(keys, bodies, records, strict=True):
            if body is not None:
                continue
            record, _, lines = (text or "").partition("\n")
            line = next((each for each in lines.split("\n") if each.startswith(key)), "")
            state = line[len(key) :].split('"')[1] if line else ""
            if state in FINAL or (not state and self._is_remembered(key, self._open[key])):
                del self._open[key]
            elif not state or key not in record:
                event = self._open[key]
                raise Violation(
                    f"event {event['id']} was accepted, and is neither in the journal nor in a "
                    f"record ({state or 'unknown'})"
                )

    def _is_remembered(self, key: str, event: Mapping[str, Any]) -> bool:
        """Whether it was folded and changed nothing, or was refused."""
        pipe = self._client.pipeline(transaction=False)
        for name, seconds in (("seen", 8 * 86_400), ("brief", 3_600)):
            period = int(CLOCK.now_s // seconds)
            for number in (period, period - 1):
                pipe.hexists(f"{self._prefix}{name}:{number}", key[: _DIGITS[name]])
        for source in (event["source"], ""):
            pipe.hexists(f"{self._prefix}refused:{source}", key)
        return any(pipe.execute())


class ClaimChecks:
    """While nothing is to be done on a router, its rows are those of its claims.

    Args:
        client: of the harness.
        prefix: of all keys.
        routers: the rows of each, by name.
        reserve: routers on which a suspended service has no row, and keeps its claims.
    """

    def __init__(
        self,
        client: Any,
        prefix: str,
        routers: Mapping[str, RouterChecks],
        reserve: Collection[str],
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._routers = routers
        self._reserve = reserve
        self._was_busy: set[str] = set()
        self._not_before_s = 0.0
        self.times = 0
        self.touched: set[str] = set()

    def forget(self) -> None:
        """Redis lost its end: rows may be newer than records for a while."""
        self._not_before_s = CLOCK.now_s + _SETTLES_S

    def ask(self, pipe: Pipeline) -> None:
        """Look what is to be done on each router."""
        for name in self._routers:
            pipe.hlen(self._of(name, "work-items"))
            pipe.exists(self._of(name, "lock"))
            pipe.hlen(self._of(name, "inflight"))

    def look(self, answers: Iterator[Any]) -> None:
        """Compare on each router that was busy since the last time, and is not now.

        Raises:
            Violation: a row is not as claimed, or a claim has no row.
        """
        for name in self._routers:
            if any([next(answers), next(answers), next(answers)]):
                self._was_busy.add(name)
            elif name in self._was_busy and CLOCK.now_s >= self._not_before_s:
                self._was_busy.remove(name)
                self.times += 1
                for problem in self._differences(name):
                    raise Violation(f"{name}: {problem}")

    def _of(self, router: str, end: str) -> str:
        return f"{self._prefix}router:{router}:{end}"

    def _differences(self, name: str) -> Iterator[str]:
        pipe = self._client.pipeline(transaction=False)
        pipe.hgetall(self._of(name, "claims"))
        pipe.hkeys(self._of(name, "waiting"))
        claims, waiting = pipe.execute()
        held = {
            (claim, service): is_held
            for claim, holders in claims.items()
            for service, is_held in json.loads(holders).values()
        }
        skipped = {*waiting, *self.touched}
        have = dict(_claimed(self._routers[name].leases.values()))
        for (claim, service), row in have.items():
            if service not in skipped and (claim, service) not in held:
                others = [who for other, who in held if other == claim]
                yield f"{service} has {claim}, which is claimed by {others}: {row}"
        for claim, service in held:
            of_lease = claim.startswith(_OF_ROWS) and name not in self._reserve
            if of_lease and service not in skipped and (claim, service) not in have:
                yield f"{service} claims {claim}, and has no row with it"


def _claimed(rows: Collection[Mapping[str, str]]) -> Iterator[tuple[tuple[str, str], Any]]:
    for row in rows:
        service = service_of(row)
        if not service or is_on(row, "disabled"):
            continue
        if not is_placeholder(row["device"]):
            yield (row["device"], service), row
        if not is_placeholder(row["address"]):
            yield (f"address:{row['address']}", service), row
