"""Everything at once: `python -m tests.faults.chaos` (`make chaos`), seeded, with what must hold.

Four workers, simulated routers behind links, a generator of histories, and faults of all kinds at
random (`mischief.py`). The seed decides histories, deliveries and faults; what meets what in the
end is up to the machine.
"""

import argparse
import contextlib
import heapq
import itertools
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from producers.errors import PublishFailed
from tests.faults.harness import Harness, expected_rows
from tests.faults.history import deliveries, history
from tests.faults.links import Link
from tests.faults.mischief import KINDS, LEASE_S, SERVICE_MS
from tests.installation import LEASES, Worker
from worker.errors import StoreUnavailable

COMMAND_TIMEOUT_S = 2.0
"""LEASEWIRE_COMMAND_TIMEOUT_S of tests/installation.py: it is TCP_USER_TIMEOUT too."""
EVENTS_A_SECOND = 60
CONVERGES_IN_S = 180.0
_HOLDER = re.compile(r"held by service (\S+) ")


@dataclass(frozen=True)
class Scale:
    """How large a run is.

    Attributes:
        seconds: events and faults come.
        routers, services, events: how many.
        faults_a_second: begin.
        conflicting: services share MACs and addresses.
    """

    seconds: float
    routers: int = 50
    services: int = 2000
    events: int = 35_000
    faults_a_second: float = 3
    conflicting: bool = False


@dataclass
class Chaos(Harness):
    """A harness with links, with faults that end later, and with a person who helps out."""

    user_timeout_s: float = COMMAND_TIMEOUT_S
    links: dict[str, Link] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    stopped: set[int] = field(default_factory=set)
    touched: set[tuple[str, str]] = field(default_factory=set)
    copies: list[tuple[str, str, str]] = field(default_factory=list)
    """Router, comment and id of rows that a person copied from ours."""
    _timers: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def _start(self, stack: ExitStack) -> None:
        self._link_stack = stack
        super()._start(stack)

    def port_of(self, router: Mapping[str, Any]) -> int:
        """The port of its link."""
        name = router["name"]
        if name not in self.links:
            link = Link(super().port_of(router), self.user_timeout_s)
            self.links[name] = self._link_stack.enter_context(link)
        return self.links[name].own_port

    # What the faults use.

    def number(self) -> int:
        """One that nothing has yet."""
        return next(self._numbers)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do it in so many seconds."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, self.number(), do))

    def was_reset(self, router: str) -> None:
        """What it had is gone; others' rows are made anew."""
        self.resets.setdefault(router, []).append(len(self.control[router].journal()))
        self.touched = {each for each in self.touched if each[0] != router}
        self.copies = [each for each in self.copies if each[0] != router]
        self.add_foreign_rows(router)

    def look_at_all(self, router: str) -> None:
        """A person lets a router be rebuilt."""
        services = self.store.keys.router_block(router).services
        try:
            now_ms = self.store.records.now_ms()
            self.store.full_reads.approve(router, "a person", now_ms)
            self.store.routers.mark(router, sorted(self.client.smembers(services)))
        except (redis.RedisError, StoreUnavailable):
            self.later(1, lambda: self.look_at_all(router))

    def kill(self, worker: Worker) -> None:
        """Start it again once it ended."""
        worker.process.kill()
        worker.process.wait()
        worker.process = self.start_process(worker.kind)

    # The run.

    def unleash(self, rng: random.Random, arriving: Sequence[dict], scale: Scale) -> None:
        """Publish and let things go wrong; at the end all faults are over."""
        began, sent, next_fault = time.monotonic(), 0, 0.5
        while (elapsed := time.monotonic() - began) < scale.seconds or sent < len(arriving):
            if next_fault <= elapsed < scale.seconds:
                self._begin_fault(rng)
                next_fault += rng.expovariate(scale.faults_a_second)
            self._fire()
            self.start_ended()
            due = min(len(arriving), int(len(arriving) * elapsed / (scale.seconds * 0.95)) + 1)
            if sent < due:
                size = min(rng.randint(1, 20), len(arriving) - sent)
                sent += size * self._publish(arriving[sent : sent + size])
            else:
                time.sleep(0.01)  # the pace of publishing
        self._fire(all_of_them=True)

    def _publish(self, events: Sequence[dict]) -> bool:
        try:
            self.publisher.publish(events)
        except PublishFailed:
            self.counts["publishes repeated"] += 1
            return False
        self.counts["events"] += len(events)
        return True

    def _begin_fault(self, rng: random.Random) -> None:
        kind = rng.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
        router, seconds = rng.choice(list(self.control)), rng.uniform(0.5, LEASE_S)
        self.counts[kind] += 1
        undo = KINDS[kind][1](self, rng, router, seconds)
        if undo is not None:
            self.later(seconds, undo)

    def _fire(self, *, all_of_them: bool = False) -> None:
        while self._timers and (all_of_them or self._timers[0][0] <= time.monotonic()):
            heapq.heappop(self._timers)[2]()

    # The end.

    def come_to_rest(self, deadline_s: float, *, conflicting: bool) -> list[str]:
        """Wait until nothing is left to do; what a person has to do meanwhile is done and counted.

        Returns:
            What does not come to rest.
        """
        deadline = time.monotonic() + deadline_s
        rest = self._rests_but_for_conflicts if conflicting else self.settled
        while not self._is_true(rest):
            if time.monotonic() > deadline:
                return self._unrest()
            self._help_out()
            time.sleep(0.5)  # the pace of looking
        return []

    def _is_true(self, rest: Callable[[], bool]) -> bool:
        with contextlib.suppress(redis.ConnectionError, StoreUnavailable):
            return rest()
        return False

    def _rests_but_for_conflicts(self) -> bool:
        self.start_ended()
        if any(self.store.journal.depth(lane) for lane in ("events", "bulk")):
            return False
        for router in self.control:
            block = self.store.keys.router_block(router)
            waiting = self.store.views.router_waiting(router)
            held = {each for each, why in waiting.items() if why["reason"] == "claim-held"}
            if self.client.exists(block.inflight) or set(self.client.hkeys(block.marks)) - held:
                return False
        return True

    def _help_out(self) -> None:
        """What only a person can decide: a service with two odd rows, one that met three faults."""
        for router in self.control:
            if self.store.views.router(router).state.cause == "rebuild":
                self.counts["rebuilds approved at the end"] += 1
                self.leasewire("routers", "rebuild", router, "--apply")
            for service in self.store.views.router_waiting(router):
                if (router, service) in self.touched:
                    self._remove_copies(router, service)
        for letter in self.store.views.dead_letters():
            if letter.reason in ("connection-lost", "does-not-stick"):
                self.counts["dead letters tried again"] += 1
                self.leasewire("dead-letters", "replay", letter.id)

    def _remove_copies(self, router: str, service: str) -> None:
        for row in self.rows(router).get(service, []):
            if row[".id"] in self.foreign[router]:
                self.control[router].remove_row(LEASES, row[".id"])
                del self.foreign[router][row[".id"]]
                self.counts["copies removed by hand"] += 1

    def let_orphaned_copies_be_ours(self) -> None:
        """A copy is left alone while its original stands; after that the tag makes it ours."""
        for router, comment, copy in self.copies:
            rows = self.control[router].rows(LEASES)
            if self.foreign[router].get(copy) in [None, *rows]:
                continue
            journal = self.control[router].journal()[self.resets.get(router, [0])[-1] :]
            removed = (
                row[".id"] != copy and row.get("comment") == comment
                for row in (e["before"] for e in journal if e["before"] and not e["after"])
            )
            if any(removed):
                del self.foreign[router][copy]
                self.counts["copies that outlived their original"] += 1

    def _unrest(self) -> list[str]:
        found = [f"{self.store.journal.depth('events')} events in the journal"]
        for router in self.control:
            block = self.store.keys.router_block(router)
            marks, notes = self.client.hkeys(block.marks), self.client.hgetall(block.inflight)
            if marks or notes:
                waiting, state = self.store.views.router_waiting(router), self.store.views.router
                found.append(f"{router}: {marks=} {notes=} {waiting} {state(router)}")
        return found

    def conflicts(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """Services that neither have what they want nor wait for one that has it."""
        found = []
        wanted = expected_rows(events, list(self.control))
        for router, wants in wanted.items():
            have, waiting = self.own_rows(router), self.store.views.router_waiting(router)
            for service in sorted(wants.keys() | have.keys()):
                want, got, why = wants.get(service), have.get(service, []), waiting.get(service)
                if got == ([want] if want else []):
                    self.counts["services in sync"] += 1
                    continue
                if not _waits_rightly(service, wants, have, waiting):
                    holders = _HOLDER.findall(why["detail"]) if why else []
                    of_holders = {e: (wants.get(e), have.get(e), waiting.get(e)) for e in holders}
                    found.append(
                        f"{router} {service}: wanted {want}, found {got}, said {why}; "
                        f"holders want, have and say {of_holders}"
                    )
                self.counts["services that wait for a holder"] += 1
            found += self.changed_foreign_rows(router)
        return found


def _waits_rightly(
    service: str,
    wants: Mapping[str, Mapping[str, str]],
    have: Mapping[str, Sequence[Mapping[str, str]]],
    waiting: Mapping[str, Mapping[str, Any]],
    asked: frozenset[str] = frozenset(),
) -> bool:
    """Whether a service names as holders those who want what it wants, and each of them has it.

    A holder that waits for another itself keeps the row that it has. One that has none yet keeps
    the claim that it was granted and still wants (`tests/store/claims_model.py`): then the chain
    goes on, and must end at services that have their rows.
    """
    holders = _HOLDER.findall(waiting[service]["detail"]) if service in waiting else []
    asked |= {service}
    return bool(holders) and all(
        _meets(wants.get(service), wants.get(each))
        and (
            [_meets(wants.get(service), row) for row in have.get(each, [])] == [True]
            or (
                not have.get(each)
                and each not in asked
                and _waits_rightly(each, wants, have, waiting, asked)
            )
        )
        for each in holders
    )


def _meets(one: Mapping[str, str] | None, other: Mapping[str, str] | None) -> bool:
    return bool(one and other) and any(one[key] == other[key] for key in ("mac-address", "address"))


def run(
    directory: Path, seed: int, scale: Scale, deadline_s: float = CONVERGES_IN_S
) -> tuple[dict[str, Any], list[str]]:
    """One run; returns the table, and what does not hold."""
    rng = random.Random(seed)
    chaos = Chaos(
        directory,
        scale.routers,
        simulator=["--order", "shuffle", "--latency-ms", "10", "--service-ms", str(SERVICE_MS)],
    )
    chaos.environ_more = {"LEASEWIRE_ROUTER_RECHECK_S": "2"}
    with chaos:
        chaos.start_workers("events", "routers", "events", "routers")
        events = history(
            rng,
            list(chaos.control),
            scale.services,
            scale.events,
            conflicting=scale.conflicting,
        )
        arriving = deliveries(rng, events, duplicates=0.2, displaced_by=60)
        chaos.unleash(rng, arriving, scale)
        began = time.monotonic()
        problems = chaos.come_to_rest(deadline_s, conflicting=scale.conflicting)
        chaos.leasewire("reconcile", "--apply")
        problems += chaos.come_to_rest(deadline_s, conflicting=scale.conflicting)
        converged_s = time.monotonic() - began
        chaos.let_orphaned_copies_be_ours()
        differ = (chaos.conflicts if scale.conflicting else chaos.differences)(events)
        foreign = [each for router in chaos.control for each in chaos.changed_foreign_rows(router)]
        lost = chaos.without_final_outcome(events)
        if scale.conflicting:
            lost = [each for each in lost if not _waits(chaos, events, each)]
        doubled = chaos.double_entries()
        links = chaos.links.values()
        table = {
            "seed": seed,
            "seconds": scale.seconds,
            "routers": scale.routers,
            "services": scale.services,
            "events": len(events),
            "events published": chaos.counts.pop("events"),
            **{kind: chaos.counts.pop(kind, 0) for kind in KINDS},
            "went on late, nothing to deliver": sum(link.lost_by_reset for link in links),
            "went on late, and delivered": sum(link.delivered_late for link in links),
            **dict(chaos.counts),
            "converged after": f"{converged_s:.1f} s" if not problems else "never",
            "lost": len(lost),
            "doubled": len(doubled),
            "foreign rows changed": len(foreign),
            "other differences": len(differ) - len(foreign),
        }
        lost = [f"{each} has no final outcome" for each in lost]
        return table, [*problems, *differ, *lost, *doubled]


def _waits(chaos: Chaos, events: Sequence[Mapping[str, Any]], event_id: str) -> bool:
    (event,) = [each for each in events if each["id"] == event_id]
    said = chaos.outcome(event)
    return said is not None and (said.state, said.reason) == ("waiting", "claim-held")


def main() -> int:
    """One run of the first set and one of the second, told in tables; 1 if anything fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--routers", type=int, default=50)
    parser.add_argument("--services", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=10, help="of events and faults")
    options = parser.parse_args()
    failed = False
    for conflicting, share in ((False, 0.8), (True, 0.2)):
        seconds = options.minutes * 60 * share
        scale = Scale(
            seconds,
            max(1, options.routers // 5) if conflicting else options.routers,
            options.services,
            events=int(seconds * EVENTS_A_SECOND),
            conflicting=conflicting,
        )
        directory = Path(tempfile.mkdtemp(prefix="lw-"))
        sys.stdout.write(f"\n{'conflicting' if conflicting else 'legal'} histories\n")
        table, problems = run(directory, options.seed, scale)
        for name, value in table.items():
            sys.stdout.write(f"  {name:<38}{value}\n")
        for each in problems[:50]:
            sys.stdout.write(f"FAILED {each}\n")
        if problems:
            sys.stdout.write(f"logs: {directory}\n")
            failed = True
        else:
            shutil.rmtree(directory)
    return failed


if __name__ == "__main__":
    sys.exit(main())
