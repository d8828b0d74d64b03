"""Chaos on the routers of `estate.py`, whose workers are upgraded on the way."""

import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from contracts.sealing import Sealer
from tests.faults import estate
from tests.faults.chaos.judge import Judged
from tests.faults.newer import FORMAT, be_newer
from tests.installation import Worker, end
from tests.waiting import eventually
from worker.core.service.formats import STORE_FORMATS

OF_NOW = (sys.executable, "-m", "tests.faults.odd_worker")
NEWER = (sys.executable, "-m", "tests.faults.newer", "tests.faults.odd_worker")
LATE = (sys.executable, "-m", "tests.faults.late_worker")
"""Workers of the version of now, of a newer one, and of now that were away during the upgrade."""


@dataclass
class OnEstate(Judged):
    """Chaos on the routers of `estate.py`; three at the least."""

    others: list[Worker] = field(default_factory=list)
    """Workers of another version than most."""
    upgraded: list[Worker] = field(default_factory=list)
    upgrading: bool = False
    """It began, and may be over."""
    replaced: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """What ran before the upgrade."""

    def _start(self, stack: ExitStack) -> None:
        stack.callback(be_newer())
        super()._start(stack)
        stack.callback(self._end_others)
        estate.fill_odd_pool(self.control[estate.ODD])

    def add_foreign_rows(self, name: str) -> None:
        """Set a router up first that has nothing yet."""
        if not self.resets.get(name):
            estate.set_up(self.control[name])
            if "wrong_bodies_after_boot" in self.control[name].faults():
                self.control[name].set_faults(wrong_bodies_after_boot=6)
        super().add_foreign_rows(name)

    def kill(self, worker: Worker) -> None:
        """Start it again once it ended, in its version."""
        self.worker_command = NEWER if worker in self.upgraded else OF_NOW
        super().kill(worker)

    def start_beside(self, kind: str) -> Worker:
        """Start a worker of another version beside the others."""
        # A late one meets the newer format: before it is raised, it would only keep it from that.
        self.worker_command = LATE if self.store.format.found() == FORMAT else NEWER
        worker = Worker(kind, self.start_process(kind))
        self.others.append(worker)
        return worker

    def upgrade(self, within_s: float) -> None:
        """Replace the workers one after the other, as an operator does host by host."""
        self.upgrading = True
        for number, worker in enumerate(self.workers, 1):
            self.later(within_s * number / (len(self.workers) + 1), partial(self._replace, worker))

    def is_upgraded(self) -> bool:
        """Whether no upgrade is under way: what is folded now is in the newer format."""
        return not self.upgrading or self._is_true(lambda: self.store.format.found() == FORMAT)

    def _replace(self, worker: Worker) -> None:
        worker.process.terminate()
        self.replaced.append(worker.process)
        self.upgraded.append(worker)
        self.worker_command = NEWER
        worker.process = self.start_process(worker.kind)

    def upgrade_problems(self) -> list[str]:
        """What is not as it should be after the upgrade; counts records of the newer format."""
        try:
            eventually(
                lambda: self.leasewire("upgrade", "check").returncode == 0, "upgraded", within_s=20
            )
        except AssertionError:
            said = self.leasewire("upgrade", "check")
            signs = [
                f"{sign.process.name}, {sign.ago_ms} ms ago, "
                f"{'runs' if Path(f'/proc/{sign.process.pid}').exists() else 'has ended'}"
                for sign in self.store.heartbeats.seen()
            ]
            left = [process for process in self.replaced if process.poll() is None]
            for process in left:
                process.send_signal(signal.SIGUSR2)
            words = f"{said.stdout} {said.stderr} {signs}"
            pids = [process.pid for process in left]
            return [f"upgrade check ends with {said.returncode}: {words}; still running: {pids}"]
        keys = self.client.scan_iter(self.store.keys.record("*"), count=1000)
        texts = self.client.mget(list(keys))
        number = f'"format":{STORE_FORMATS[FORMAT].usual},'
        self.counts["records in the newer format"] = sum(number in (text or "") for text in texts)
        return [] if self.counts["records in the newer format"] else ["no record is newer"]

    def _end_others(self) -> None:
        for process in (*(worker.process for worker in self.others), *self.replaced):
            end(process)

    @property
    def serves_rest(self) -> bool:
        """Some routers are reached so."""
        return True

    def menu_of(self, router: str) -> str:
        """Each router in its own kind of entry."""
        return estate.menu_of(router)

    @cached_property
    def sealer(self) -> Sealer:
        """By the keys that the workers have."""
        return Sealer.from_text(self.secret_keys.read_text())

    def transport_of(self, router: str) -> str:
        """Each router in its own way."""
        return estate.transport_of(router)
