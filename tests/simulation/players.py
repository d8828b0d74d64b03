"""Processes that play histories, each with its Redis; `player.py` is what they run."""

import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Self

from tests.faults.put_back import BUGS

NICE: Final = 5
"""So that a machine on which this runs for hours can be worked on."""


class Players:
    """Some processes that play; they end with the block.

    Args:
        processes: how many.
        build: what is broken on purpose: a build of tests/faults/broken.py, or a bug of
            tests/faults/put_back.py.
    """

    def __init__(self, processes: int, build: str | None = None) -> None:
        self._processes = processes
        self._build = build
        self._goes_on = False
        self._left = 0
        self._playing: list[subprocess.Popen[bytes]] = []
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        for playing in self._playing:
            playing.wait()

    def start(self, first: int, count: int, *, corpus: bool = False, **options: Any) -> None:
        """Let them play so many seeds from the first one on, each its share.

        Args:
            first: seed.
            count: histories.
            corpus: let them play what once failed first.
            options: of `player.py`; None and False: without.
        """
        self._goes_on = bool(options.get("go_on"))
        environ = {**os.environ, "PYTHONHASHSEED": "0"}
        if self._build in BUGS:
            environ["MUTANT"] = str(self._build)
        elif self._build:
            options["broken"] = self._build
        words = [
            word
            for option, value in options.items()
            if value is not None and value is not False
            for word in [f"--{option.replace('_', '-')}", *([] if value is True else [str(value)])]
        ]
        for number in range(self._processes):
            of_corpus = ["--corpus", str(number)] if corpus else []
            share = (count - number + self._processes - 1) // self._processes
            numbers = map(str, (first + number, self._processes, share))
            playing = subprocess.Popen(
                [sys.executable, "-m", "tests.simulation.player", *numbers, *words, *of_corpus],
                env=environ,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for this process alone
            )
            os.setpriority(os.PRIO_PROCESS, playing.pid, NICE)
            self._playing.append(playing)
        self._left = len(self._playing)
        for playing in self._playing:
            threading.Thread(target=self._listen, args=(playing,), daemon=True).start()

    def _listen(self, playing: subprocess.Popen[bytes]) -> None:
        assert playing.stdout is not None
        for line in playing.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def said(self) -> Iterator[dict[str, Any]]:
        """What they say of each history, as it is played; ends when all ended.

        Raises:
            RuntimeError: one ended by an error, which it wrote to stderr.
        """
        while self._left:
            said = self._said.get()
            if said is None:
                self._left -= 1
                continue
            yield said
            if said["is_last"] and not self._goes_on:
                self.stop()
        for playing in self._playing:
            if playing.wait() not in (0, -signal.SIGTERM):
                raise RuntimeError(f"a player ended with {playing.returncode}")

    def stop(self) -> None:
        """Let them end after the history that they play."""
        for playing in self._playing:
            with suppress(ProcessLookupError):
                playing.send_signal(signal.SIGTERM)


def digest_of(digests: Mapping[int, str]) -> str:
    """One for many histories, whoever played which."""
    whole = hashlib.blake2b(digest_size=16)
    for seed in sorted(digests):
        whole.update(f"{seed} {digests[seed]}\n".encode())
    return whole.hexdigest()
