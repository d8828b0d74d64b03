"""What happens to routers and to Redis while a history runs: planned at its beginning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from producers.connection import RESEND_S
from tests.simulation.adopters import RowsBefore
from tests.simulation.applying import APPLIES, WITHIN_S, Inventories
from tests.simulation.checks import Checks
from tests.simulation.devices import Devices
from tests.simulation.forms import SECRETS
from tests.simulation.people import People
from tests.simulation.processes import Processes
from tests.simulation.refusals import Refusals
from tests.simulation.router_side import SimulatedRouter
from tests.simulation.tasks import Process
from tests.simulation.virtual import CHANCE, CLOCK

_WATCHES_S: Final = 10.0
_EARLY: Final = 0.7
"""Share of losses of Redis's end that come soon after one of the first writes of the history: later
ones mostly wait for a write that does not come, and nothing is lost."""
_WRITES: Final = (1, 1, 1, 2)
_SPLIT: Final = 0.6
"""Share of failovers at which the former primary goes on."""
_PASS_S: Final = 0.02
"""After a replica confirmed something: a pass of a router is mostly under way then."""
_LEARNS_S: Final = 20.0
"""So long it does at most."""


@dataclass
class Happenings:
    """What is to come.

    Attributes:
        processes: of the installation.
        routers: by name.
        forget: called when Redis lost its end.
        inventories: before and after an operator changes it.
        splits: called when there are two servers of Redis.
        to_come: how many things are yet to happen.
        bytes_lost: by Redis, in all.
        people: who change rows by hand, if any do.
        devices: that log in at a router of PPPoE, if there is one.
        refusals: of writes, if routers refuse some.
    """

    processes: Processes
    routers: dict[str, SimulatedRouter]
    forget: Callable[[], None]
    inventories: Inventories
    splits: Callable[[], None] = lambda: None
    to_come: int = 0
    bytes_lost: int = 0
    people: People | None = None
    devices: Devices | None = None
    refusals: Refusals | None = None
    _world: Process = field(default_factory=lambda: Process("world"))

    def plan(self, checks: Checks, events: Sequence[Mapping[str, Any]]) -> None:
        """Choose the moments."""
        scale = self.processes.scale
        if "hands" in scale.features:
            self.people = People(self.routers, checks, scale.services, self._at, self._tell)
            self.people.plan(scale.over_s)
        for router in self.routers.values():
            if router.menu == SECRETS:
                self.devices = Devices(router, self._at, self._tell)
                self.devices.plan(scale.over_s)
        if "refusals" in scale.features:
            self.refusals = Refusals(self.routers, self._at, self._tell)
            with CHANCE.of("refusals"):
                self.refusals.plan(scale.over_s, events, is_crowd="crowd" in scale.features)
            self.processes.refusals = self.refusals
        if "adoption" in scale.features:
            made_room = self.refusals.try_again if self.refusals else lambda: None
            before = RowsBefore(self.routers, self._at, self._tell, made_room)
            with CHANCE.of("rows before"):
                never = self.refusals.value if self.refusals else ""
                before.plan(scale.over_s, events, never)
            self.processes.before = before
            self.processes.start_adopter()
        if {"brake", "refusals"} & {*scale.features}:
            self.processes.start_operator()
        if APPLIES in scale.features:
            with CHANCE.of("changes"):
                self._at(CHANCE.uniform(0, scale.over_s), self._change_policies)
        for times, what in (
            (scale.reboots + ("rest" in scale.features), self._reboot),
            (scale.absences, self._go_away),
            (scale.rollbacks, self._roll_back),
        ):
            for number in range(times):
                with CHANCE.of(f"{what.__name__} {number}"):
                    at_once = what == self._roll_back and CHANCE.random() < _EARLY
                    self._at(0.0 if at_once else CHANCE.uniform(0, scale.over_s), what)

    def _at(self, in_s: float, what: Callable[[], None]) -> None:
        self.to_come += 1

        def happen() -> None:
            self.processes.scheduler.sleep(in_s)
            what()
            self.to_come -= 1

        self.processes.scheduler.spawn(self._world, what.__name__, happen)

    def _tell(self, kind: str, more: Any = "") -> None:
        self.processes.scheduler.counts[kind] += 1
        self.processes.scheduler.tell(f"world: {kind} {more}")

    def _change_policies(self) -> None:
        """The inventory says something else; each worker is restarted, then somebody applies it."""
        processes = self.processes
        processes.is_applied = False
        processes.set_up = self.inventories.change()
        self._tell("policies change", f"to those of {', '.join(self.inventories.features)}")
        for worker in [each for each in processes.alive() if each.name.startswith("worker")]:
            self._at(
                CHANCE.uniform(0, WITHIN_S),
                lambda worker=worker: worker.alive and processes.scheduler.kill(worker),
            )
        self._at(WITHIN_S, processes.start_applier)

    def _reboot(self) -> None:
        """A router restarts; it may be gone for a while."""
        router = self._a_router()
        self._tell("reboot", router.name)
        router.boot()
        router.away_until = router.answers_since = CLOCK.now_s + 10 ** CHANCE.uniform(-0.5, 1.8)

    def _go_away(self) -> None:
        """A router cannot be reached for a while."""
        router = self._a_router()
        self._tell("away", router.name)
        router.away_until = CLOCK.now_s + 10 ** CHANCE.uniform(-0.5, 1.8)

    def _a_router(self) -> SimulatedRouter:
        return CHANCE.choice(list(self.routers.values()))

    def _soon_after_a_write(self) -> None:
        """Wait until somebody has just written to a router, for some time, if anybody does soon."""
        until, enough = CLOCK.now_s + _WATCHES_S, self._written() + CHANCE.choice(_WRITES)
        while self._written() < enough and CLOCK.now_s < until:
            self.processes.scheduler.sleep(0.2)
        self.processes.scheduler.sleep(CHANCE.uniform(0, 1))

    def _written(self) -> int:
        return sum(len(router.router.journal) for router in self.routers.values())

    def _roll_back(self) -> None:
        """Redis dies, and comes back after a while without its end."""
        server = self.processes.server
        splits = server.has_replicas and CHANCE.random() < _SPLIT
        if splits and self.processes.waits:
            server.then = lambda: self._at(CHANCE.uniform(0, _PASS_S), self._split)
            return
        self._soon_after_a_write()
        if splits:
            self._split()
            return
        kind = "failover" if server.has_replicas else "power loss"
        lost = server.lose_the_end()
        self.bytes_lost += lost
        self._tell(kind, f"of Redis, {lost} bytes are gone")
        server.away_until = CLOCK.now_s + CHANCE.uniform(0, 15)
        self.forget()
        self.processes.lost_its_end()
        self._at(RESEND_S + 15, self.processes.say_what_nobody_sends)

    def _split(self) -> None:
        """A replica becomes the primary, and the former one goes on for some processes.

        They learn of it seconds later.
        """
        server, scheduler = self.processes.server, self.processes.scheduler
        cut_off = [each for each in self.processes.alive() if CHANCE.random() < 0.5]
        lost = server.split(cut_off)
        names = ", ".join(each.name for each in cut_off) or "nobody"
        self._tell("split", f"of Redis, {lost} bytes are gone; cut off: {names}")
        for queue in sorted(scheduler.waited_for):
            scheduler.there_is(queue, len(cut_off) * 9)
        self.splits()
        server.away_until = CLOCK.now_s + CHANCE.uniform(0, 5)
        self.forget()
        self.processes.lost_its_end()
        learns_s = CHANCE.uniform(1, _LEARNS_S)
        self.processes.learned_s = CLOCK.now_s + learns_s
        self._at(learns_s, self._learn)
        self._at(RESEND_S + 15, self.processes.say_what_nobody_sends)

    def _learn(self) -> None:
        """All know the new primary, and none the former one."""
        self._tell("split ends")
        self.processes.server.end_former()
