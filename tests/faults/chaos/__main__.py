"""Chaos as a command: see `tests.faults.chaos`."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults import chaos
from tests.faults.chaos.run import EVENTS_A_SECOND, run
from tests.faults.chaos.scene import Scale


def main() -> int:
    """One run of the first set and one of the second, told in tables; 1 if anything fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=chaos.__doc__)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--routers", type=int, default=50)
    parser.add_argument("--services", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=10, help="of events and faults")
    options = parser.parse_args()
    failed = False
    for conflicting, share in ((False, 0.8), (True, 0.2)):
        seconds = options.minutes * 60 * share
        scale = Scale(
            seconds,
            max(3, options.routers // 5) if conflicting else options.routers,
            options.services,
            events=int(seconds * EVENTS_A_SECOND),
            conflicting=conflicting,
        )
        directory = Path(tempfile.mkdtemp(prefix="lw-"))
        sys.stdout.write(f"\n{'conflicting' if conflicting else 'legal'} histories\n")
        table, problems = run(directory, options.seed, scale)
        for name, value in table.items():
            sys.stdout.write(f"  {name:<38}{value}\n")
        for each in problems[:50]:
            sys.stdout.write(f"FAILED {each}\n")
        if problems:
            sys.stdout.write(f"logs: {directory}\n")
            failed = True
        else:
            shutil.rmtree(directory)
    return failed


if __name__ == "__main__":
    sys.exit(main())
