"""Leasewire on two hosts, its Redis on these and a third, and the faults that end in a failover."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import redis

from gateway.api.api_keys import ApiKeys, KeyScope
from tests.failovers.history import attempts_in, outcomes_of
from tests.failovers.machines import BETWEEN, TO_ROUTERS, Machines
from tests.failovers.nodes import MACHINES, SentinelsOn
from tests.failovers.publishing import source_of
from tests.failovers.stopping import stop_between_calls
from tests.forking import ROOT
from tests.installation import PREFIX, Installation, end
from tests.waiting import eventually

HOSTS: Final = (0, 1)
"""Machines with workers and a gateway."""
WORKERS: Final = ("events", "routers")
KINDS: Final = ("kill", "partition", "slow link", "restart")
_NUMBERS: Final = range(1, 10)
"""Of publishers: one of each machine at a time, and new ones for each phase."""
_BEFORE_S: Final = 3.0
"""What was accepted so long before a fault may be lost."""
_ALONE_S: Final = 0.7
"""For so long publishers may meet a former primary after a fault began. No Sentinel has another
before `down-after-milliseconds`."""
_SOME: Final = 20
"""So many events of each publisher come before a fault, and after it."""
_GATEWAY_PORT: Final = 8080


@dataclass
class TwoHosts(Installation):
    """Use as a context manager, in a network namespace of its own (`machines.APART`).

    Args:
        events_a_second: of all publishers together.
        back_within_s: how long a failover may take.
    """

    transport: str = "api"
    routers: int = 4
    events_a_second: float = 200
    back_within_s: float = 15
    faults: list[dict[str, Any]] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    """Workers that ended by themselves, and how."""
    _of_hosts: dict[int, dict[str, subprocess.Popen[bytes]]] = field(default_factory=dict)
    _down: set[int] = field(default_factory=set)
    _gateways: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _publishers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _calls: list[Path] = field(default_factory=list)
    """What each publisher wrote down of its calls."""
    _waits: bool = False
    _epoch: int = 0

    def _start(self, stack: ExitStack) -> None:
        self.machines = Machines(stack, len(MACHINES))
        self.sources = {source_of(number): "revisions" for number in _NUMBERS}
        self.simulator = ["--listen", f"{TO_ROUTERS}.1"]
        self.environ_more |= {
            "LEASEWIRE_REDIS_TRUSTED_NETWORK": "true",
            "LEASEWIRE_LOG_LEVEL": "INFO",
        }
        super()._start(stack)
        stack.callback(self._end_hosts)
        made = ApiKeys(self.client, PREFIX).create(
            "failovers",
            list(self.sources),
            [KeyScope.PUBLISH, KeyScope.READ],
            rate=100_000,
            created_at=datetime.now(UTC).isoformat(),
            actor="test",
        )
        self.key = made.token
        # It only reads: whoever asks it learns nothing of what a publisher may yet send again.
        self.reader = f"http://{BETWEEN}.1:{_GATEWAY_PORT}"
        log = self.directory / "reader.log"
        reader = self._start_gateway([sys.executable, "-m"], f"{BETWEEN}.1", log)
        stack.callback(end, reader)
        stack.callback(self.end_phase)

    def make_valkey(self, directory: Path) -> SentinelsOn:
        """Its Redis."""
        self.valkey: SentinelsOn = SentinelsOn(directory, self.machines)
        return self.valkey

    # What runs on the machines.

    def _start_workers(self, machine: int) -> None:
        self._of_hosts[machine] = {kind: self._start_worker(machine, kind) for kind in WORKERS}

    def _end_hosts(self) -> None:
        for workers in self._of_hosts.values():
            for process in workers.values():
                end(process)

    def _start_worker(self, machine: int, kind: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"host-{machine}-{kind}.log").open("ab") as log:
            command = self.machines.inside_python(machine, "worker.runtime.process", kind)
            return self._start_program(command, log, log)

    def _start_ended(self) -> None:
        """Do as the supervisor does: start workers that ended by themselves."""
        for machine, workers in self._of_hosts.items():
            for kind, process in workers.items():
                if process.poll() is not None and machine not in self._down:
                    self.restarted.append(f"{kind} on machine {machine}: {process.returncode}")
                    workers[kind] = self._start_worker(machine, kind)

    def _start_gateway(
        self, python: Sequence[str], address: str, path: Path
    ) -> subprocess.Popen[bytes]:
        with path.open("ab") as log:
            more = ["leasewire", "gateway", "--listen", address, "--port", str(_GATEWAY_PORT)]
            process = self._start_program([*python, *more], subprocess.PIPE, log)
        assert process.stdout is not None
        assert b"listens on" in process.stdout.readline()
        return process

    def start_phase(self, name: str, *, waits: bool) -> None:
        """Start workers, gateways and publishers; two of these go to Redis, one to the gateways.

        Args:
            name: of the folder with what the checker reads.
            waits: whether publishers and workers wait for a replica.
        """
        self._waits = waits
        self.faults, self.folder = [], self.directory / name
        self.folder.mkdir()
        self.environ_more["LEASEWIRE_REDIS_MIN_REPLICAS"] = str(int(waits))
        self._end_hosts()
        for machine in HOSTS:
            self._start_workers(machine)
        self._gateways = [
            self._start_gateway(
                self.machines.inside_python(machine),
                self.machines.address(machine),
                self.folder / f"gateway-{machine}.log",
            )
            for machine in HOSTS
        ]
        (self.folder / "run.json").write_text(
            json.dumps(
                {
                    "waits": waits,
                    "back_within_s": self.back_within_s,
                    "control": self.ready["control"],
                    "written_before": {
                        router: max((entry["seq"] for entry in control.journal()), default=0)
                        for router, control in self.control.items()
                    },
                    "gateways": [self.reader],
                    "key": self.key,
                }
            )
        )
        for machine in MACHINES:
            self._start_publisher(machine)

    def end_phase(self) -> None:
        """End publishers, which publish their last events, and gateways."""
        for process in self._publishers:
            process.terminate()
        for process in (*self._publishers, *self._gateways):
            end(process)
        self._publishers, self._gateways, self._calls = [], [], []

    def _start_publisher(self, machine: int) -> None:
        taken = len(list(self.directory.glob("*/publisher-*.jsonl")))
        number = _NUMBERS[taken]
        urls = [f"http://{self.machines.address(host)}:{_GATEWAY_PORT}" for host in HOSTS]
        config = {
            "number": number,
            "machine": machine,
            "url": self.valkey.url,
            "gateways": [] if machine in HOSTS else urls,
            "key": self.key,
            "prefix": PREFIX,
            "min_replicas": int(self._waits),
            "events_a_second": self.events_a_second / len(MACHINES),
            "routers": self.routers,
            "log": str(calls := self.folder / f"publisher-{number}.jsonl"),
        }
        with (self.folder / f"publisher-{number}.log").open("ab") as log:
            command = self.machines.inside_python(
                machine, "tests.failovers.publishing", json.dumps(config)
            )
            self._publishers.append(self._start_program(command, log, log))
        calls.touch()
        self._calls.append(calls)

    # Faults.

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
        """Note how many the last fault had: one may come late. Returns Sentinel's number of them."""
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
        done = subprocess.run(
            [sys.executable, "-m", "tests.failovers.checker", str(self.folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return {**report, "restarted workers": self.restarted}
