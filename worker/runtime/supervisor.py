"""Runs the worker processes, and restarts those that end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

import structlog

from worker.errors import ConfigurationError
from worker.inventory import Inventory, load_inventory
from worker.inventory.changes import changes_between
from worker.runtime import process as worker_process
from worker.runtime.process import EXIT_CONFIGURATION
from worker.settings import Settings

log = structlog.get_logger()

RESTART_FIRST_S = 0.5
RESTART_CAP_S = 30.0
STEADY_S = 10.0
"""After this uptime the next restart has the shortest wait again: a process that ends at every
restart of Redis must not wait longer each time."""
STOP_S = 60.0
"""Running tasks may finish, a pass within its time box; then the process is killed."""
_POLL_S = 0.2
_MOST_LOGGED = 100


@dataclass(slots=True)
class _Child:
    """One worker process, and when it may be restarted. `stopped`: we told it to end."""

    kind: str
    process: subprocess.Popen[bytes] | None = None
    started: float | None = None
    wait_s: float = RESTART_FIRST_S
    not_before: float = 0.0
    stopped: bool = False


class Supervisor:
    """Starts `events` and `routers` processes, and starts them again when they end.

    Args:
        environ: environment of the processes; settings are passed by it, never as arguments.
        events: number of processes that fold events.
        routers: number of processes that converge routers.
        clock: monotonic seconds.
        reloaded: called with an inventory that was read again and is valid.
        inventory: as the processes read it at first; the log says what a reload changes.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        environ: Mapping[str, str],
        events: int = 1,
        routers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        *,
        reloaded: Callable[[Inventory], None] = lambda _: None,
        inventory: Inventory | None = None,
    ) -> None:
        self._inventory = inventory
        self._environ = dict(environ)
        self._reloaded = reloaded
        self._at_terminal = os.isatty(0)
        self._clock = clock
        kinds = ["events"] * events + ["routers"] * routers
        self._children = [_Child(kind) for kind in kinds]
        self._stopping = False
        self._reload_wanted = False

    @property
    def pids(self) -> Sequence[int]:
        """Process ids of the running processes."""
        return [child.process.pid for child in self._children if child.process is not None]

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; reload the inventory at SIGHUP.

        The SIGHUP of a closed terminal ends it.

        Returns:
            0, or `EXIT_CONFIGURATION` when a process rejects its configuration.
        """
        previous = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            while not self._stopping:
                if not self.check():
                    return EXIT_CONFIGURATION
                time.sleep(_POLL_S)
            return 0
        finally:
            self.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def check(self) -> bool:
        """Start processes that are not running; False if one rejected its configuration."""
        if self._reload_wanted:
            self._reload_wanted = False
            self._reload()
        now = self._clock()
        for child in self._children:
            if child.process is not None and not self._still_running(child, now):
                if child.process.returncode == EXIT_CONFIGURATION:
                    return False
                child.process = None
            if child.process is None and now >= child.not_before:
                self._start(child, now)
        return True

    def hung_up(self) -> bool:
        """Handle a SIGHUP: True if our terminal is gone, else reload at the next check."""
        if self._at_terminal and not os.isatty(0):
            return True
        self._reload_wanted = True
        return False

    def _reload(self) -> None:
        """Replace all processes, which read the inventory again, unless it is invalid."""
        try:
            inventory = load_inventory(Settings.load(self._environ).inventory)
        except ConfigurationError as error:
            advice = "the workers keep the inventory that they have: correct the file and reload"
            log.error("worker.inventory_refused", problems=list(error.problems), advice=advice)  # noqa: TRY400 - the problems say more than a traceback
            return
        changes = changes_between(self._inventory, inventory) if self._inventory else []
        self._inventory = inventory
        log.info("worker.reloading", changes=changes[:_MOST_LOGGED], number=len(changes))
        self._reloaded(inventory)
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
                child.stopped = True

    def stop(self) -> None:
        """Stop all processes: terminate, and kill those that take too long."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = self._clock() + STOP_S
        for process in running:
            try:
                process.wait(max(0.0, deadline - self._clock()))
            except subprocess.TimeoutExpired:
                log.warning("worker.killed", pid=process.pid, reason="did not end in time")
                process.kill()
                process.wait()
        for child in self._children:
            child.process = None

    def _still_running(self, child: _Child, now: float) -> bool:
        if child.process is None or child.process.poll() is None:
            return True
        if child.stopped:
            child.stopped, child.not_before = False, now
            return False
        lived_s = now - (child.started or 0)
        child.wait_s = (
            RESTART_FIRST_S if lived_s >= STEADY_S else min(child.wait_s * 2, RESTART_CAP_S)
        )
        child.not_before = now + child.wait_s
        log.warning(
            "worker.ended",
            kind=child.kind,
            pid=child.process.pid,
            code=child.process.returncode,
            lived_s=round(lived_s, 1),
            restart_in_s=child.wait_s,
        )
        return False

    def _start(self, child: _Child, now: float) -> None:
        # -P: a file in the working directory must not be imported in place of ours.
        command = [sys.executable, "-P", "-m", worker_process.__name__, child.kind]
        child.process = subprocess.Popen(  # noqa: S603 - our own module
            [
                *command,
                "--parent",
                str(os.getpid()),
                *(["--again"] if child.started is not None else []),
            ],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            # Logs go to standard error. Here Celery writes that it stops, as text between them.
            stdout=subprocess.DEVNULL,
            # Ctrl-C goes to the supervisor, which stops each process once.
            start_new_session=True,
        )
        child.started = now

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and not self.hung_up():
            return
        self._stopping = True
        log.info("worker.stopping", signal=signal.Signals(number).name)
