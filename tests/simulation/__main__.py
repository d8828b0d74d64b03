"""Plays histories of a whole installation in virtual time, on all processors; a seed replays one.

`python -m tests.simulation --seed N` replays one; without it new ones are played.
"""

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.simulation.players import Players, digest_of
from tests.simulation.story import told

_SAID_S: Final = 30.0
"""Between two lines on how far it is."""


def main() -> int:
    """Play, and tell the story of what fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="the first one; default: any")
    parser.add_argument(
        "--count", type=int, help="histories; default: 1 with a seed, else no limit"
    )
    parser.add_argument("--seconds", type=float, default=60, help="time limit")
    parser.add_argument("--steps", type=int, help="end each history after so many points")
    parser.add_argument("--scale", help="what differs from the seed's size, as JSON")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--build", help="one that is broken on purpose: see tests.simulation.broken"
    )
    parser.add_argument("--corpus", action="store_true", help="first what once failed")
    parser.add_argument("--whole", action="store_true", help="do not make a failing one smaller")
    parser.add_argument("--failures", type=Path, help="go on after a failure; it goes there")
    options = parser.parse_args()
    count = options.count or (10**9 if options.seed is None else 1)
    first = random.randrange(10**9) if options.seed is None else options.seed
    run = _Run(first, options.failures)
    with Players(min(options.processes, count), options.build) as players:
        players.start(
            first,
            count,
            corpus=options.corpus,
            seconds=options.seconds if count > 1 else None,
            scale=options.scale,
            steps=options.steps,
            shrink=not options.whole,
            tell=count == 1,
            go_on=options.failures is not None,
        )
        _sum_up_at_ctrl_c(players)
        for said in players.said():
            run.take(said)
    return run.ended(one=count == 1, is_whole=len(run.digests) == count and not options.corpus)


def _sum_up_at_ctrl_c(players: Players) -> None:
    """Let the first Ctrl-C end what is played: all that was found is told. A second one kills."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        players.stop()

    signal.signal(signal.SIGINT, stop)


class _Run:
    """What became of the histories so far.

    Args:
        first: the first seed.
        folder: for the stories of those that fail; None: they are printed.
    """

    def __init__(self, first: int, folder: Path | None) -> None:
        self.first = first
        self.folder = folder
        self.digests: dict[int, str] = {}
        self.points = 0
        self.busy_s = 0.0
        self.counts: Counter[str] = Counter()
        self.failed: list[int] = []
        self._began_s = self._said_s = time.monotonic()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def take(self, said: dict[str, Any]) -> None:
        """Take what a player says of one history, or of a smaller one that fails as it did."""
        seed = said["seed"]
        if said["problem"] and not said["is_small"]:
            _say(f"seed {seed} fails: {said['problem'].partition(chr(10))[0]}")
            self.failed.append(seed)
        if said["problem"] and said["is_last"]:
            self._tell(said)
        elif "story" in said and not said["problem"]:
            _say("\n".join(said["story"]))
        self.busy_s += said["busy_s"]
        if said["is_small"]:
            return
        self.digests[seed] = said["digest"]
        self.points += said["points"]
        self.counts.update(said["counts"])
        if time.monotonic() - self._said_s > _SAID_S:
            self._said_s = time.monotonic()
            _say(self._figures())

    def _tell(self, said: dict[str, Any]) -> None:
        text = "\n".join(told(said))
        if self.folder is None:
            _say(text)
        else:
            (self.folder / f"{said['seed']}.txt").write_text(text + "\n")

    def _figures(self) -> str:
        took_s = max(time.monotonic() - self._began_s, 0.001)
        return (
            f"{len(self.digests)} histories, {self.points} points in {took_s:.0f} s, "
            f"{self.points / took_s:.0f} a second, "
            f"{self.points / max(self.busy_s, 0.001):.0f} a second of a processor; "
            f"{len(self.failed)} failed"
        )

    def ended(self, *, one: bool, is_whole: bool) -> int:
        """Say how it ended; returns the exit code."""
        _say(self._figures())
        _say("  " + ", ".join(f"{name} {times}" for name, times in sorted(self.counts.items())))
        if is_whole:
            _say(f"digest {digest_of(self.digests)}")
        elif not one:
            _say(f"seeds from {self.first} on: `make simulate SEED=N` replays one")
        if self.failed and self.folder is not None:
            _say(f"failed: {sorted(self.failed)}; see {self.folder}")
        return bool(self.failed)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
