"""Faults on the machine of the primary, each of which ends in a failover."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import redis

from tests.failovers.history import attempts_in, outcomes_of
from tests.failovers.nodes import MACHINES
from tests.failovers.programs import HOSTS, Programs
from tests.failovers.stopping import stop_between_calls
from tests.forking import ROOT
from tests.waiting import eventually

KINDS: Final = ("kill", "partition", "slow link", "restart")
_BEFORE_S: Final = 3.0
"""What was accepted so long before a fault may be lost."""
_ALONE_S: Final = 0.7
"""For so long publishers may meet a former primary after a fault began. No Sentinel has another
before `down-after-milliseconds`."""
_SOME: Final = 20
"""So many events of each publisher come before a fault, and after it."""


@dataclass
class TwoHosts(Programs):
    """Use as a context manager, in a network namespace of its own (`machines.APART`)."""

    _epoch: int = 0

    def fail_over(self, kind: str) -> None:
        """Let something happen to the primary's machine; return when others have taken over."""
        nodes = self.valkey
        self._wait_until_whole()
        self._wait_for_events(MACHINES, time.monotonic(), f"publishing before {kind}")
        epoch = self._count_failovers()
        former = nodes.primary()
        machine = nodes.machine(former)
        sentinel = nodes.sentinels[machine]
        began = stopped = time.monotonic()
        self._begin(kind, machine)
        others = [m for m in MACHINES if m != machine]
        if not self._waits:
            time.sleep(_ALONE_S)  # part of the fault
            stopped = self._stop()
            late = "publishers were stopped too late: is it a busy machine?"
            assert nodes.epoch(besides=[sentinel]) == epoch, late

        def is_promoted() -> bool:
            return nodes.primary(besides=[sentinel]) not in (0, former)

        eventually(is_promoted, f"failover after {kind}", within_s=60, every_s=0.1)
        promoted = time.monotonic()
        more: dict[str, Any] = {}
        if not self._waits:
            more = {"stopped": stopped, "unknown": self._unknown_events(began - _BEFORE_S)}
            self._signal(others, signal.SIGCONT)
        if kind == "restart":
            self._end_fault(kind, machine)
        self._wait_for_events(others, promoted, f"publishing after {kind}")
        if kind != "restart":
            self._end_fault(kind, machine)
        if not self._waits:
            # Until then it may accept events that nobody would see lost.
            eventually(lambda: self._has_its_place(former), "the former has its place", within_s=60)
            self._signal([machine], signal.SIGCONT)
        fault = {"kind": kind, "machine": machine, "began": began, "promoted": promoted}
        self.faults.append({**fault, **more, "ended": time.monotonic()})

    def _count_failovers(self) -> int:
        """Note how many the last fault had: one may come late. Returns Sentinel's number."""
        epoch = self.valkey.epoch()
        if self.faults:
            self.faults[-1]["failovers"] = epoch - self._epoch
        self._epoch = epoch
        text = "".join(json.dumps(line) + "\n" for line in self.faults)
        (self.folder / "faults.jsonl").write_text(text)
        return epoch

    def _begin(self, kind: str, machine: int) -> None:
        nodes = self.valkey
        match kind:
            case "kill":
                self._down.add(machine)
                for process in self._of_hosts.get(machine, {}).values():
                    process.kill()
                nodes.kill(nodes.sentinels[machine])
                nodes.kill(nodes.servers[machine])
            case "restart":
                nodes.kill(nodes.servers[machine])
            case "partition":
                self.machines.cut_off(machine)
            case _:
                self.machines.slow_down(machine)

    def _end_fault(self, kind: str, machine: int) -> None:
        nodes = self.valkey
        match kind:
            case "kill":
                sentinel = nodes.sentinels[machine]
                nodes.start(nodes.servers[machine], nodes.primary(besides=[sentinel]))
                nodes.start_sentinel(sentinel)
                if machine in HOSTS:
                    self._start_workers(machine)
                self._down.clear()
            case "restart":  # it takes itself for the primary
                nodes.start(nodes.servers[machine])
            case "partition":
                self.machines.join(machine)
            case _:
                self.machines.speed_up(machine)

    def _wait_until_whole(self) -> None:
        """Wait until the primary has two replicas, and each Sentinel knows all."""
        self.valkey.wait_until_replicated()
        eventually(self.valkey.is_watched, "the Sentinels know each other", within_s=60)
        self._start_ended()

    def _wait_for_events(self, machines: Sequence[int], since: float, what: str) -> None:
        """Wait until some events that these machines' publishers called since then are accepted."""

        def are_accepted() -> bool:
            self._start_ended()
            attempts = [a for a in self._attempts() if a.called > since and a.is_accepted]
            counts = Counter(attempt.machine for attempt in attempts)
            return all(counts[machine] >= _SOME for machine in machines)

        eventually(are_accepted, what, within_s=60, every_s=0.3)

    # What a new primary knows.

    def _stop(self) -> float:
        """Stop whoever publishes, so that nothing is sent again yet; returns when all are stopped.

        Publishers first: the gateways have no calls of theirs then.
        """
        pids = [publisher.pid for publisher in self._publishers]
        stop_between_calls(dict(zip(pids, self._calls, strict=True)))
        for gateway in self._gateways:
            os.kill(gateway.pid, signal.SIGSTOP)
        return time.monotonic()

    def _has_its_place(self, former: int) -> bool:
        """Whether it is a replica, or the primary again by a second failover."""
        with self.valkey.at(former) as client, suppress(redis.RedisError):
            is_replica = client.info("replication")["role"] == "slave"
            return is_replica or self.valkey.primary() == former
        return False

    def _signal(self, machines: Sequence[int], number: signal.Signals) -> None:
        for machine in machines:
            os.kill(self._publishers[machine].pid, number)
            if machine in HOSTS:
                os.kill(self._gateways[machine].pid, number)

    def _unknown_events(self, since: float) -> list[str]:
        asked = {a.event: a.source for a in self._attempts() if a.called > since}
        known = outcomes_of(asked, [self.reader], self.key)
        return sorted(asked.keys() - known.keys())

    def _attempts(self) -> list[Any]:
        return [
            attempt
            for path in self.folder.glob("publisher-*.jsonl")
            for attempt in attempts_in(path.read_text().splitlines())
        ]

    def check(self) -> dict[str, Any]:
        """End the phase and have its history checked, by a program that knows nothing of ours."""
        self.end_phase()
        self.wait_until_settled(60)
        self._count_failovers()
        report: dict[str, Any] = {}

        def is_as_accepted() -> bool:
            report.update(self._checked())
            return not report["figures"]["other rows at the end"]

        # Workers look for services that Redis lost less and less often, and nothing shows it.
        with suppress(AssertionError):  # the report says what is not
            eventually(is_as_accepted, "rows are as accepted", within_s=30, every_s=1)
        return {**report, "restarted workers": self.restarted}

    def _checked(self) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.failovers.checker", str(self.folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report
