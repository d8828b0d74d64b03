"""The end-to-end tests once for each transport and kind of entries: `make e2e-all`.

What each run found stands in `build/e2e-all`; `--resume` runs only those that have not passed. The
end is one table: kinds beside transports, with what passed, failed and was skipped, and why.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self

TRANSPORTS: Final = ("api-ssl", "api", "rest")
KINDS: Final = ("lease", "option-82", "mac-server", "ppp-secret", "user-manager")
RESULTS: Final = Path("build/e2e-all")
_NO_TESTS: Final = "no report: pytest ended before its tests"


@dataclass
class Found:
    """What one run found.

    Attributes:
        passed, skipped: how many tests.
        failed: their names, or why there was no run.
        reasons: of tests that were skipped, with how many they are.
        seconds: it took.
    """

    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    reasons: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0

    @classmethod
    def read(cls, report: Path, status: int, seconds: float) -> Self:
        """Read what pytest wrote; its exit status says whether that is all."""
        found, reasons = cls(seconds=round(seconds, 1)), Counter[str]()
        cases = ET.parse(report).iter("testcase") if report.exists() else ()  # noqa: S314 - ours
        for case in cases:
            if (skipped := case.find("skipped")) is not None:
                found.skipped += 1
                reasons[skipped.get("message", "")] += 1
            elif case.find("failure") is not None or case.find("error") is not None:
                file = case.get("classname", "").replace(".", "/")
                found.failed.append(f"{file}.py::{case.get('name')}")
            else:
                found.passed += 1
        found.reasons = dict(reasons)
        if status not in (0, 1) or not (found.passed or found.failed):
            found.failed.append(f"{_NO_TESTS} ({status})")
        return found

    def __str__(self) -> str:
        return f"{self.passed} passed, {len(self.failed)} failed, {self.skipped} skipped"


def run(kind: str, transport: str, pytest: list[str]) -> Found:
    """Run all end-to-end tests in one kind over one transport."""
    report = RESULTS / f"{kind}-{transport}.xml"
    report.unlink(missing_ok=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *pytest],
        env={**os.environ, "E2E_TRANSPORT": transport, "E2E_ENTRIES": kind},
        check=False,
    )
    return Found.read(report, done.returncode, time.monotonic() - began)


def table(found: Mapping[tuple[str, str], Found]) -> str:
    """Kinds beside transports, then what failed and why tests were skipped."""
    lines = [f"{'':14}" + "".join(f"{transport:36}" for transport in TRANSPORTS)]
    for kind in KINDS:
        cells = (str(found.get((kind, transport), "not run")) for transport in TRANSPORTS)
        lines.append(f"{kind:14}" + "".join(f"{cell:36}" for cell in cells))
    for (kind, transport), each in found.items():
        lines += [f"FAILED {kind}, {transport}: {name}" for name in each.failed]
    for kind in KINDS:
        why: dict[str, dict[str, int]] = {}
        for transport in TRANSPORTS:
            for reason, number in found.get((kind, transport), Found()).reasons.items():
                why.setdefault(reason, {})[transport] = number
        lines += [
            f"skipped {kind}: {', '.join(f'{n} {name}' for name, n in numbers.items())}: {reason}"
            for reason, numbers in why.items()
        ]
    seconds = sum(each.seconds for each in found.values())
    return "\n".join([*(line.rstrip() for line in lines), f"{seconds / 60:.0f} minutes"])


def main() -> int:
    """Run what is asked for, and print the table; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.everywhere", description=__doc__)
    parser.add_argument("--resume", action="store_true", help="only what has not passed yet")
    parser.add_argument("--kind", action="append", choices=KINDS, help="default: each")
    parser.add_argument("--transport", action="append", choices=TRANSPORTS, help="default: each")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest; default: all tests")
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    given = options.pytest or ["-n", "2", "--dist", "worksteal", "tests/e2e"]
    pairs = list(itertools.product(options.kind or KINDS, options.transport or TRANSPORTS))
    found: dict[tuple[str, str], Found] = {}
    for number, (kind, transport) in enumerate(pairs, 1):
        kept = RESULTS / f"{kind}-{transport}.json"
        if options.resume and kept.exists():
            before = Found(**json.loads(kept.read_text()))
            if not before.failed:
                found[kind, transport] = before
                continue
        sys.stdout.write(f"{kind} over {transport} ({number} of {len(pairs)}):\n")
        sys.stdout.flush()
        kept.unlink(missing_ok=True)
        found[kind, transport] = run(kind, transport, given)
        kept.write_text(json.dumps(asdict(found[kind, transport]), indent=2))
    sys.stdout.write(f"\n{table(found)}\n")
    return int(any(each.failed for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
