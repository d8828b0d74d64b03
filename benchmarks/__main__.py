"""All benchmarks one after the other: `make bench` in small, `make bench-large` in full.

Run: `.venv/bin/python -m benchmarks [--large]`. Lines of JSON go to `benchmarks/results.jsonl`, a
table to the terminal. One that fails is told of, and the others go on.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results.jsonl"
SMALL = (
    ("single_events", "--events", "2000"),
    ("imports", "--rows", "10000"),
    ("latency", "--seconds", "10", "--rows", "8000"),
    ("memory", "--services", "1000"),
    ("one_router",),
)
LARGE = (
    ("single_events", "--events", "10000"),
    ("imports", "--rows", "50000"),
    ("latency", "--seconds", "60", "--rows", "100000"),
    ("memory", "--services", "5000"),
    ("one_router",),
    ("silent_router",),
)
PATIENCE_S = {False: 150, True: 1200}


def run(arguments: tuple[str, ...], patience_s: float) -> list[dict[str, object]]:
    """What one benchmark printed; raises when it failed or took too long."""
    command = [sys.executable, "-m", f"benchmarks.{arguments[0]}", *arguments[1:]]
    done = subprocess.run(  # noqa: S603 - our own modules
        command, stdout=subprocess.PIPE, text=True, check=True, timeout=patience_s
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def as_line(found: dict[str, object]) -> str:
    """A row of the table: which, its ratio, its bar, and whether the bar is reached."""
    bar = found.get("at_least", found.get("at_most"))
    ratio = found["ratio"]
    if not isinstance(bar, int | float) or not isinstance(ratio, int | float):
        return f"{found.get('row', '-')!s:>4} {ratio!s:>8}"
    reached = ratio >= bar if "at_least" in found else ratio <= bar
    sign = ">=" if "at_least" in found else "<="
    return f"{found.get('row', '-')!s:>4} {ratio:>8} {sign} {bar:<5} {'yes' if reached else 'no'}"


def main() -> int:
    """Run them all; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="the sizes of the targets")
    large = parser.parse_args().large
    lines, failed = [" row    ratio    bar  reached"], 0
    RESULTS.unlink(missing_ok=True)
    for arguments in LARGE if large else SMALL:
        sys.stderr.write(f"{' '.join(arguments)} …\n")
        try:
            found = run(arguments, PATIENCE_S[large])
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            sys.stderr.write(f"{arguments[0]} failed: {error}\n")
            failed += 1
            continue
        with RESULTS.open("a") as file:
            file.writelines(json.dumps(each) + "\n" for each in found)
        lines += map(as_line, found)
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
