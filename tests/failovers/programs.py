"""What runs on the machines: Leasewire on two hosts, its Redis and publishers on all three."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.api.api_keys import ApiKeys, KeyScope
from tests.failovers.machines import BETWEEN, TO_ROUTERS, Machines
from tests.failovers.nodes import MACHINES, SentinelsOn
from tests.failovers.publishing import source_of
from tests.installation import PREFIX, Installation, end

HOSTS: Final = (0, 1)
"""Machines with workers and a gateway."""
WORKERS: Final = ("events", "routers")
_NUMBERS: Final = range(1, 10)
"""Of publishers: one of each machine at a time, and new ones for each phase."""
_GATEWAY_PORT: Final = 8080


@dataclass
class Programs(Installation):
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
