"""`python -m tests.failovers` (`make failovers`): failovers under load, and what must hold then.

Of four kinds, in turn: the primary's machine is cut off from the others, its processes are killed,
its link becomes slow, its Redis is killed and comes back as soon as it is replaced. Publishers wait
for a replica; then some of each kind follow in which they do not.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TextIO

from tests.failovers.two_hosts import KINDS, TwoHosts


def main() -> int:
    """Print what was found as JSON, one line a phase; 1: something must not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.failovers")
    parser.add_argument("--failovers", type=int, default=20, help="with WAIT")
    parser.add_argument("--without-wait", type=int, default=8, help="failovers without it")
    parser.add_argument("--events-a-second", type=float, default=200)
    parser.add_argument("--back-within", type=float, default=15, help="seconds of a failover")
    parser.add_argument("--keep", action="store_true", help="keep logs and histories")
    options = parser.parse_args()
    phases = {"with-wait": options.failovers, "without-wait": options.without_wait}
    directory, wrong = Path(tempfile.mkdtemp(prefix="lw-")), 0
    try:
        pace, back_within_s = options.events_a_second, options.back_within
        with TwoHosts(directory, events_a_second=pace, back_within_s=back_within_s) as here:
            kinds = cycle(KINDS)
            for name, count in phases.items():
                if count:
                    report = _phase(here, name, list(islice(kinds, count)))
                    _write(sys.stdout, json.dumps({"phase": name, **report}))
                    wrong += len(report["violations"])
    finally:
        if options.keep:
            _write(sys.stderr, f"kept in {directory}")
        else:
            shutil.rmtree(directory)
    return int(bool(wrong))


def _phase(here: TwoHosts, name: str, kinds: list[str]) -> dict[str, Any]:
    here.start_phase(name, waits=name == "with-wait")
    for number, kind in enumerate(kinds, 1):
        began = time.monotonic()
        here.fail_over(kind)
        took_s = time.monotonic() - began
        _write(sys.stderr, f"{name} {number}: {kind}, {took_s:.0f} s")
    return here.check()


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
