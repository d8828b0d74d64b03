"""How soon simulated histories show that a build is broken: a table.

`python -m tests.simulation.broken [NAME…] [--minutes M] [--times N] [--seed S]` plays builds of
tests/faults/broken.py and bugs of tests/faults/put_back.py, each from N first seeds on.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tests.faults.put_back import BUGS
from tests.simulation.corpus import Kept, corpus, keep
from tests.simulation.out_of_reach import OUT_OF_REACH
from tests.simulation.players import Players

BUILDS: Final = (
    "no-journal",
    "confirm-before-write",
    "confirm-without-the-stamp",
    "claims-outside-the-script",
    "no-notes",
)
"""Of tests/faults/broken.py, those that differ in what histories run."""


class Hunt(NamedTuple):
    """One time that a build was played.

    Attributes:
        histories, points: until it was found, or the time was over.
        busy_s: of a processor, with Redis.
        problem: what showed it; empty: nothing did.
        seed, scale: of the history that did.
    """

    histories: int
    points: int
    busy_s: float
    problem: str
    seed: int
    scale: dict[str, Any]


def hunt(name: str, first: int, busy_s: float) -> Hunt:
    """Play a build until a history shows that it is broken, or a processor was busy for so long."""
    histories, points, used_s, said = 0, 0, 0.0, None
    with Players(1, name) as players:
        players.start(first, 10**6, go_on=True)
        for said in players.said():
            histories, points = histories + 1, points + said["points"]
            used_s += said["busy_s"]
            if said["problem"] and fails_anyway(said["seed"]):
                _say(f"seed {said['seed']} fails with nothing broken: {said['problem'][:90]}")
                said["problem"] = ""
            if said["problem"] or used_s > busy_s:
                break
    if said is None:
        raise RuntimeError(f"{name} was not played")
    problem = said["problem"].strip()
    shown = problem.rpartition("\n")[2] if "Traceback" in problem else problem
    scale = said.get("scale", {})
    return Hunt(histories, points, used_s, shown[:90], said["seed"], scale)


def fails_anyway(seed: int) -> bool:
    """Whether a history fails with nothing broken: that shows nothing of a build."""
    with Players(1) as players:
        players.start(seed, 1)
        return any(said["problem"] for said in players.said())


def check_corpus() -> int:
    """Say of each history of the corpus whether it still shows what it was kept for."""
    missed = 0
    for kept in corpus():
        with Players(1, kept.found) as players:
            players.start(kept.seed, 1, scale=json.dumps(kept.scale))
            (problem,) = [said["problem"] for said in players.said()]
        missed += not problem
        _say(f"seed {kept.seed}, {kept.found}: {problem.strip()[:90] or 'SHOWS NOTHING'}")
    return int(missed > 0)


def line(name: str, hunts: Sequence[Hunt]) -> str:
    """A line of the table, with means."""
    found = [each for each in hunts if each.problem]
    figures = zip(*((each.histories, each.points, each.busy_s) for each in hunts), strict=True)
    shown = " | ".join(f"{sum(each) / len(hunts):.0f}" for each in figures)
    by = f"{found[0].problem} (seed {found[0].seed})" if found else ""
    return f"| {name} | {len(found)} of {len(hunts)} | {shown} | {by.replace('|', '/')} |"


def main() -> int:
    """Print the table; the exit code says whether each was found each time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="default: all within reach of histories"
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="of a processor, for each time")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--seed", type=int, help="the first one; default: any")
    parser.add_argument("--keep", metavar="COMMIT", help="add what shows a build to the corpus")
    parser.add_argument(
        "--corpus", action="store_true", help="only say what of the corpus shows its build still"
    )
    options = parser.parse_args()
    if options.corpus:
        return check_corpus()
    within_reach = [name for name in (*BUILDS, *BUGS) if name not in OUT_OF_REACH]
    names = options.names or within_reach
    unknown = [name for name in names if name not in within_reach]
    if unknown:
        why = [f"{name}: {OUT_OF_REACH.get(name, 'unknown')}" for name in unknown]
        parser.error("; ".join(why))
    first = random.randrange(10**9) if options.seed is None else options.seed
    _say(f"first seed {first}")
    _say("| build | found | histories | points | seconds of a processor | by |")
    _say("| --- | --- | --- | --- | --- | --- |")
    missed = False
    for name in names:
        seeds = (first + number * 1_000_000 for number in range(options.times))
        hunts = [hunt(name, seed, options.minutes * 60) for seed in seeds]
        _say(line(name, hunts))
        found = [each for each in hunts if each.problem]
        if found and options.keep:
            keep(Kept(found[0].seed, found[0].scale, name, options.keep))
        missed |= not all(each.problem for each in hunts)
    return int(missed)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
