"""A part of an installation as a process of its own: `leasewire outcomes deliver` and the like."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.forking import Forked
from tests.waiting import eventually


class Part:
    """A command that keeps running, in a folder with its files.

    Args:
        folder: where it runs; its log is there.
        command: the words after `leasewire`.
        environ: settings besides those of this process.
    """

    def __init__(self, folder: Path, command: str, environ: Mapping[str, str]) -> None:
        self.command = command
        self._log = folder / f"{command.replace(' ', '-')}-{len(list(folder.glob('*.log')))}.log"
        with self._log.open("wb") as log:
            self.process = Forked[bytes](
                [sys.executable, "-m", "leasewire", *command.split()],
                cwd=folder,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """All that it has printed."""
        return self._log.read_text()

    def printed(self, text: str) -> None:
        """Wait until it has printed something."""

        def has_it() -> bool:
            assert self.process.poll() is None or text in self.log, self.log
            return text in self.log

        eventually(has_it, f"`{self.command}` prints {text!r}", within_s=30)

    def reload(self, text: str) -> None:
        """Send SIGHUP, and wait until it has printed something more."""
        before = self.log.count(text)
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.log.count(text) > before, f"{text!r} after a reload", within_s=30)

    def freeze(self) -> None:
        """Stop it as a hypervisor does: its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def running(folder: Path, command: str, **environ: str) -> Iterator[Part]:
    """Run a part during the block, and stop it in order at its end."""
    part = Part(folder, command, environ)
    try:
        yield part
        part.process.terminate()
        assert part.process.wait(30) == 0, part.log
    finally:
        part.process.kill()
        part.process.wait()
