"""Plays histories of a whole installation under virtual time; a seed replays one exactly.

`python -m tests.simulation [--seed N] [--count N] [--seconds S] [--scale JSON] [--broken NAME]`
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

if os.environ.get("PYTHONHASHSEED") != "0":
    # The order of a set of texts depends on it, and it can be chosen only before Python starts.
    os.execve(  # noqa: S606 - the same program
        sys.executable,
        [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
        {**os.environ, "PYTHONHASHSEED": "0"},
    )

from tests.simulation.virtual import CLOCK  # isort: skip - before the program

from tests.faults import broken
from tests.simulation.redis_side import TimedServer
from tests.simulation.scale import Scale, scale_of
from tests.simulation.scheduler import Odds
from tests.simulation.shrinking import shrink
from tests.simulation.world import Result, play


def main() -> int:
    """Play, and tell the story of the first history that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--count", type=int, default=1, help="histories at most")
    parser.add_argument("--seconds", type=float, default=0, help="time limit; 0: none")
    parser.add_argument("--scale", default="{}", help="what differs from the seed's size, as JSON")
    parser.add_argument("--broken", choices=broken.BUILDS, help="a build that is broken on purpose")
    parser.add_argument("--whole", action="store_true", help="do not make a failing one smaller")
    options = parser.parse_args()
    if options.broken:
        broken.dies_before_write = lambda: None  # workers are killed here anyway
        broken.BUILDS[options.broken]()
    began_s, points, played, digest = CLOCK.real_s(), 0, 0, hashlib.blake2b(digest_size=16)
    with (
        tempfile.TemporaryDirectory(prefix="lw-") as directory,
        TimedServer(Path(directory) / "v") as server,
    ):
        for seed in range(options.seed, options.seed + options.count):
            if options.seconds and CLOCK.real_s() - began_s > options.seconds:
                break
            scale = _scaled(scale_of(seed), json.loads(options.scale))
            result = play(server, seed, scale)
            points, played = points + result.steps, played + 1
            if result.problem and not options.whole:
                _say(f"seed {seed} fails after {played} histories: {result.problem}")
                result, scale = shrink(
                    result, scale, lambda smaller, seed=seed: play(server, seed, smaller)
                )
            digest.update(result.digest.encode())
            if options.count == 1 or result.problem:
                _tell(result, scale)
            if result.problem:
                return 1
    took_s = CLOCK.real_s() - began_s
    _say(f"{played} histories, {points} points in {took_s:.1f} s, {points / took_s:.0f} a second")
    _say(f"digest {digest.hexdigest()}")
    return 0


def _scaled(scale: Scale, given: dict[str, object]) -> Scale:
    if "odds" in given:
        given = {**given, "odds": Odds(**given["odds"])}  # type: ignore[arg-type]
    return replace(scale, **given)  # type: ignore[arg-type]


def _tell(result: Result, scale: Scale) -> None:
    if result.problem:
        _say("\n".join(result.story))
        _say(f"FAILED: {result.problem}")
        _say(f"Again: make simulate SEED={result.seed} SCALE='{json.dumps(asdict(scale))}'")
    _say(f"seed {result.seed}: {result.steps} points")
    _say("  " + ", ".join(f"{name} {times}" for name, times in sorted(result.counts.items())))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
