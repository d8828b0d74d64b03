"""All benchmarks one after the other: `make bench` in small, `make bench-large` in full.

Run: `.venv/bin/python -m benchmarks [--large] [NAME …]`. Lines of JSON go to
`benchmarks/results.jsonl`, a table to the terminal. A failed benchmark is
reported, and the others go on. With names only those run, and their lines are appended.
"""

import argparse
import json
import subprocess
import sys

from benchmarks.plot import RESULTS
from benchmarks.results import Result, table

SMALL = (
    ("single_events", "--events", "2000"),
    ("over_http", "--seconds", "6"),
    ("imports", "--rows", "10000"),
    ("assignments", "--services", "8000"),
    ("slow_routers", "--writes", "40"),
    ("latency", "--seconds", "10", "--rows", "8000"),
    ("memory", "--services", "1000"),
    ("many_services", "--few", "1000", "--many", "20000", "--events", "400"),
    ("one_router",),
    ("many_silent", "--routers", "200", "--each", "20"),
    ("scale_out", "--rows", "5000"),
    ("console", "--services", "10000", "--routers", "200", "--seconds", "6", "--rounds", "2"),
)
LARGE = (
    ("single_events", "--events", "10000"),
    ("over_http", "--seconds", "30"),
    ("imports", "--rows", "50000"),
    ("assignments", "--services", "50000"),
    ("slow_routers", "--writes", "60"),
    ("latency", "--seconds", "60", "--rows", "100000"),
    ("memory", "--services", "20000"),
    ("many_services", "--few", "1000", "--many", "200000", "--events", "1000"),
    ("one_router",),
    ("many_silent", "--routers", "1000", "--each", "20"),
    ("scale_out", "--rows", "50000"),
    ("console", "--services", "100000", "--routers", "1000", "--seconds", "40", "--rounds", "3"),
    ("silent_router",),
)
TIME_LIMIT_S = {False: 150, True: 1800}


def run(arguments: tuple[str, ...], time_limit_s: float) -> list[Result]:
    """What one benchmark printed; raises when it failed or took too long."""
    command = [sys.executable, "-m", f"benchmarks.{arguments[0]}", *arguments[1:]]
    done = subprocess.run(  # noqa: S603 - our own modules
        command, stdout=subprocess.PIPE, text=True, check=True, timeout=time_limit_s
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> int:
    """Run them all, or those that are named; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="the sizes of the targets")
    parser.add_argument("names", nargs="*", help="modules, such as imports; else all")
    options = parser.parse_args()
    chosen = LARGE if options.large else SMALL
    if unknown := set(options.names) - {row[0] for row in chosen}:
        known = ", ".join(row[0] for row in chosen)
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are: {known}")
    results, failed = list[Result](), 0
    if not options.names:
        RESULTS.unlink(missing_ok=True)
    for arguments in chosen:
        if options.names and arguments[0] not in options.names:
            continue
        sys.stderr.write(f"{' '.join(arguments)} …\n")
        try:
            found = run(arguments, TIME_LIMIT_S[options.large])
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            sys.stderr.write(f"{arguments[0]} failed: {error}\n")
            failed += 1
            continue
        with RESULTS.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in found)
        results += found
    sys.stdout.write(table(results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
