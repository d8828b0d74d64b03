"""Plays histories in one process and prints a line of JSON for each; `__main__` starts it.

`PYTHONHASHSEED=0 python -m tests.simulation.player FIRST STEP COUNT [--…]`
"""

import argparse
import gc
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tests.simulation.virtual import CLOCK  # isort: skip - before the program

if "MUTANT" in os.environ:
    import tests.faults.mutant  # noqa: F401 - before the program too

from tests.simulation.corpus import corpus
from tests.simulation.odds import Odds
from tests.simulation.redis_side import TimedServer
from tests.simulation.shrinking import kind_of, shrink
from tests.simulation.world import Result, Scale, play, scale_of


def main() -> None:
    """Play seeds until all were played, one failed, or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int, help="seed")
    parser.add_argument("step", type=int, help="from a seed to the next")
    parser.add_argument("count", type=int, help="histories at most")
    parser.add_argument("--seconds", type=float, default=1e9, help="time limit")
    parser.add_argument("--scale", default="{}", help="what differs from the seed's size, as JSON")
    parser.add_argument("--steps", type=int, help="end each history after so many points")
    parser.add_argument("--corpus", type=int, help="play those first from this one on, by STEP")
    parser.add_argument("--broken", default="", help="a build of tests/faults/broken.py")
    parser.add_argument("--shrink", action="store_true", help="make one that fails smaller")
    parser.add_argument("--tell", action="store_true", help="say the story of those that hold too")
    parser.add_argument("--go-on", action="store_true", help="also after one that failed")
    options = parser.parse_args()
    if options.broken:
        _break(options.broken)
    signal.signal(signal.SIGTERM, lambda number, _: _ENDS.append(number))
    gc.freeze()  # all that was imported stays
    gc.set_threshold(50_000)
    with (
        tempfile.TemporaryDirectory(prefix="lw-") as directory,
        TimedServer(Path(directory) / "v") as server,
    ):
        player = _Player(server, shrinks=options.shrink, tells=options.tell)
        for seed, scale in _histories(options):
            fails = player.plays(seed, scale)
            if _ENDS or (fails and not options.go_on):
                break


def _histories(options: argparse.Namespace) -> Iterator[tuple[int, Scale]]:
    """Its share of the corpus, if asked for, and then its seeds while there is time."""
    if options.corpus is not None:
        for kept in corpus()[options.corpus :: options.step]:
            yield kept.seed, _scaled(scale_of(kept.seed), kept.scale)
    given = json.loads(options.scale)
    if options.steps:
        given["points"] = options.steps
    until_s = CLOCK.real_s() + options.seconds
    for number in range(options.count):
        if CLOCK.real_s() > until_s:
            return
        seed = options.first + number * options.step
        yield seed, _scaled(scale_of(seed), given)


@dataclass
class _Player:
    """Plays histories, and says what became of each.

    Attributes:
        server: their Redis.
        shrinks: one that fails is made smaller, if none failed in that way before.
        tells: the story is told too if nothing fails.
    """

    server: TimedServer
    shrinks: bool
    tells: bool = False
    _kinds: set[str] = field(default_factory=set)
    _told_s: float = 0.0

    def plays(self, seed: int, scale: Scale) -> bool:
        """Play one; returns whether it fails."""
        result = play(self.server, seed, scale)
        kind = kind_of(result.problem) if result.problem else ""
        shrinks = self.shrinks and bool(kind) and kind not in self._kinds and not _ENDS
        self._say(result, scale, is_last=bool(kind) and not shrinks)
        if shrinks:
            self._kinds.add(kind)
            result, scale = shrink(
                result, scale, lambda n, smaller: play(self.server, n, smaller), _ENDS.__len__
            )
            self._say(result, scale, is_last=True, is_small=True)
        return bool(kind)

    def _say(self, result: Result, scale: Scale, *, is_last: bool, is_small: bool = False) -> None:
        busy_s, self._told_s = _busy_s(self.server) - self._told_s, _busy_s(self.server)
        said: dict[str, Any] = {
            "seed": result.seed,
            "points": result.points,
            "digest": result.digest,
            "counts": result.counts,
            "problem": result.problem,
            "busy_s": round(busy_s, 4),
            "is_last": is_last,
            "is_small": is_small,
        }
        if result.problem or self.tells:
            said["story"] = result.story
        if result.problem:
            said |= {
                "scale": asdict(scale),
                "state": result.state,
                "last": result.last,
            }
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


_ENDS: Final[list[int]] = []
"""The signal that told this process to end after what it plays."""


def _break(build: str) -> None:
    from tests.faults import broken  # noqa: PLC0415 - it loads all of a worker

    broken.dies_before_write = broken.dies_around_the_cut = lambda: None  # workers die here anyway
    broken.BUILDS[build]()


def _scaled(scale: Scale, given: dict[str, Any]) -> Scale:
    if "odds" in given:
        given = {**given, "odds": Odds(**given["odds"])}
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return replace(scale, **{**given, **lists})


def _busy_s(server: TimedServer) -> float:
    """Seconds of a processor that this process and its Redis used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    of_redis = 0
    for pid in server.pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        of_redis += int(fields[11]) + int(fields[12])
    of_all = used.ru_utime + used.ru_stime + ended.ru_utime + ended.ru_stime
    return of_all + of_redis / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
