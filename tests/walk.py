"""Follows one `mac_changed` through the code: the files it enters, and how often it changes file.

    python -m tests.walk             print the table and the picture
    python -m tests.walk --write     put both into docs/life-of-an-event.md

Everything runs in one process, with a real Valkey and a simulated router over TLS. The simulator
and libraries are not counted. The exit code is 1 when the event enters more than `MOST_FILES`
files or changes file more often than `MOST_CHANGES` times.
"""

import argparse
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, Final

import structlog

from contracts import names
from producers.connection import open_publisher
from producers.fields import event_of
from tests import builders
from tests.builders import mac_changed
from tests.small_installation import SmallInstallation, activated

MOST_FILES: Final = 60
MOST_CHANGES: Final = 300
"""The wait for an answer of the router counts twice, so runs differ: several had 290 to 296."""
PAGE: Final = "docs/life-of-an-event.md"
BEGIN: Final = "<!-- written by python -m tests.walk --write -->"
END: Final = "<!-- end of the walk -->"
_ROOT: Final = Path(__file__).parents[1]
_PACKAGES: Final = ("contracts", "producers", "worker", "gateway", "leasewire")
_NO_FUNCTIONS: Final = (
    "<module>",
    "<listcomp>",
    "<genexpr>",
    "<dictcomp>",
    "<setcomp>",
    "<lambda>",
)
"""Names of code that a reader does not see as a function of its own."""


@dataclass
class Step:
    """One step of the way.

    Attributes:
        name: of the step.
        calls: file and function of each call of our code, in order.
    """

    name: str
    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """The files that were entered, in the order of their first call."""
        return list(dict.fromkeys(file for file, _ in self.calls))

    @property
    def functions(self) -> set[tuple[str, str]]:
        """The functions that were called."""
        return set(self.calls)

    @property
    def changes(self) -> int:
        """How often a call went into another file than the call before it."""
        files = [file for file, _ in self.calls]
        return sum(before != after for before, after in pairwise(files))


@dataclass
class Walk:
    """All steps of one event.

    Attributes:
        steps: in order.
        outcome: of the event after the last step.
    """

    steps: list[Step]
    outcome: str | None

    @property
    def total(self) -> Step:
        """All steps as one."""
        return Step("total", [call for step in self.steps for call in step.calls])

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Trace the block as a step."""
        step = Step(name)
        self.steps.append(step)
        trace = _tracer(step)
        threading.setprofile(trace)
        sys.setprofile(trace)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


def _tracer(step: Step) -> Callable[[FrameType, str, Any], None]:
    files: dict[str, str] = {}

    def trace(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name in _NO_FUNCTIONS:
            return
        if code.co_filename not in files:
            path = Path(code.co_filename)
            ours = any(path.is_relative_to(_ROOT / package) for package in _PACKAGES)
            files[code.co_filename] = str(path.relative_to(_ROOT)) if ours else ""
        if files[code.co_filename]:
            step.calls.append((files[code.co_filename], code.co_qualname))

    return trace


def walk() -> Walk:
    """Publish a `mac_changed` for a service that has a lease, and follow it until it is applied."""
    found = Walk([], None)
    with SmallInstallation(routers=1) as installation:
        # Addresses of the router's DHCP network: another is checked more closely in each pass.
        installation.say(activated(ipv4="223.203.225.101"))
        installation.drain()
        publisher = open_publisher(
            installation.server.url, clock=lambda: datetime.now(UTC), prefix=installation.prefix
        )
        with publisher:
            # From here on connections are open, scripts are loaded and the router's setup is read.
            for event in (
                activated("SVC-2", 2, ipv4="223.203.225.102"),
                mac_changed("SVC-2", mac=builders.mac(4)),
            ):
                publisher.publish([event])
                installation.accept.run([], names.QUEUE_EVENTS)
                installation.drain()
            with found.step("options to event"):
                options = {"event": "mac_changed", "service_id": "SVC-1", "revision": 2}
                event = event_of({**options, "mac": builders.mac(3)})
            event |= {"source": builders.SOURCE}
            with found.step("publish to journal"):
                receipts = publisher.publish([event])
            with found.step("accept to commit"):
                installation.accept.run([], names.QUEUE_EVENTS)
            with found.step("converge to applied"):
                installation.converge.run("R1")
        found.outcome = installation.outcome({**event, "id": receipts[0].event_id})
    return found


def table(found: Walk) -> str:
    """Write the numbers as a Markdown table."""
    lines = ["| step | files | functions | calls | changes of file |", "|---|---|---|---|---|"]
    lines += [
        f"| {step.name} | {len(step.files)} | {len(step.functions)} | {len(step.calls)} "
        f"| {step.changes} |"
        for step in (*found.steps, found.total)
    ]
    return "\n".join(lines)


def picture(found: Walk) -> str:
    """Write the files by step and folder, in the order in which the event enters them."""
    lines = ["```"]
    for step in found.steps:
        folders: dict[str, list[str]] = {}
        for file in step.files:
            folder, _, name = file.rpartition("/")
            folders.setdefault(folder, []).append(name)
        lines += [f"{step.name}"]
        for folder, names_of_files in folders.items():
            lines += textwrap.wrap(
                " ".join(names_of_files),
                width=98,
                initial_indent=f"  {folder + '/':<25} ",
                subsequent_indent=" " * 28,
                break_on_hyphens=False,
            )
    return "\n".join([*lines, "```"])


def main() -> int:
    """Walk, print or write what was found, and hold it against the limits."""
    parser = argparse.ArgumentParser(prog="python -m tests.walk", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the result into {PAGE}")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    write = parser.parse_args().write
    found = walk()
    text = f"{table(found)}\n\n{picture(found)}"
    if write:
        page = _ROOT / PAGE
        before, _, rest = page.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    sys.stdout.write(f"{text}\n\n")
    files, changes = len(found.total.files), found.total.changes
    limits = f"{files} of {MOST_FILES} files, {changes} of {MOST_CHANGES} changes of file"
    sys.stdout.write(f"limits: {limits}\n")
    return int(files > MOST_FILES or changes > MOST_CHANGES)


if __name__ == "__main__":
    sys.exit(main())
