"""Runs the worker processes and restarts what ends. `leasewire worker` and `up` call this."""

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
from worker.runtime.process import EXIT_CONFIGURATION
from worker.settings import Settings

log = structlog.get_logger()

RESTART_FIRST_S = 0.5
RESTART_CAP_S = 30.0
STEADY_S = 10.0
"""A process that lived as long starts again with the shortest wait: one that ends for every restart
of Redis must not be away longer each time."""
STOP_S = 60.0
"""Tasks under way may end: a pass has its time box, then the process is ended."""
_POLL_S = 0.2


@dataclass(slots=True)
class _Child:
    """One worker process and when it may be started again; `asked`: it was told to end."""

    kind: str
    process: subprocess.Popen[bytes] | None = None
    started: float | None = None
    wait_s: float = RESTART_FIRST_S
    not_before: float = 0.0
    asked: bool = False


class Supervisor:
    """Starts `events` and `routers` processes, and starts them again when they end.

    Args:
        environ: of the processes; settings and passwords go by it, never by arguments.
        events: processes that fold events.
        routers: processes that converge routers.
        clock: monotonic seconds.
        renewed: is told of an inventory that was read anew and is right.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        events: int = 1,
        routers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        renewed: Callable[[Inventory], None] = lambda _: None,
    ) -> None:
        self._environ = dict(environ)
        self._renewed = renewed
        self._at_terminal = os.isatty(0)
        self._clock = clock
        kinds = ["events"] * events + ["routers"] * routers
        self._children = [_Child(kind) for kind in kinds]
        self._stopping = False
        self._renewing = False

    @property
    def pids(self) -> Sequence[int]:
        """Process ids of what runs now."""
        return [child.process.pid for child in self._children if child.process is not None]

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; SIGHUP has the processes read the inventory anew.

        When its terminal is closed, which says SIGHUP too, that ends it.

        Returns:
            0, or `EXIT_CONFIGURATION` when a process says that its configuration is wrong.
        """
        previous = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            while not self._stopping:
                if not self.look():
                    return EXIT_CONFIGURATION
                time.sleep(_POLL_S)  # the pace of looking, not a wait for anything
            return 0
        finally:
            self.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def look(self) -> bool:
        """Start what is not running; False when a process ended for its configuration."""
        if self._renewing:
            self._renewing = False
            self._renew()
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
        """What a SIGHUP means: whether our terminal is gone; else the next look starts anew."""
        if self._at_terminal and not os.isatty(0):
            return True
        self._renewing = True
        return False

    def _renew(self) -> None:
        """Start other processes, with the inventory as it is now, unless it is wrong."""
        try:
            inventory = load_inventory(Settings.load(self._environ).inventory)
        except ConfigurationError as error:
            advice = "the workers go on with the one that they have: correct it, and say it again"
            log.error("worker.inventory_refused", problems=list(error.problems), advice=advice)  # noqa: TRY400 - its problems are told, not our traceback
            return
        log.info("worker.renewing", reason="they read the inventory anew")
        self._renewed(inventory)
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
                child.asked = True

    def stop(self) -> None:
        """End all processes: asked first, then ended."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = self._clock() + STOP_S
        for process in running:
            try:
                process.wait(max(0.0, deadline - self._clock()))
            except subprocess.TimeoutExpired:
                log.warning("worker.killed", pid=process.pid, reason="did not end when asked")
                process.kill()
                process.wait()
        for child in self._children:
            child.process = None

    def _still_running(self, child: _Child, now: float) -> bool:
        if child.process is None or child.process.poll() is None:
            return True
        if child.asked:
            child.asked, child.not_before = False, now
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
        # -P: what lies in the working folder under one of our names must not be run as ours.
        command = [sys.executable, "-P", "-m", "worker.runtime.process", child.kind]
        child.process = subprocess.Popen(  # noqa: S603 - our own module
            [
                *command,
                "--parent",
                str(os.getpid()),
                *(["--again"] if child.started is not None else []),
            ],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            # Ctrl-C is for the supervisor, which asks each process once.
            start_new_session=True,
        )
        child.started = now

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and not self.hung_up():
            return
        self._stopping = True
        log.info("worker.stopping", signal=signal.Signals(number).name)
