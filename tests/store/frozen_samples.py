"""Writes what this version keeps in Redis, as a sample that later versions must read.

For a new format: `python -m tests.store.frozen_samples tests/store/frozen/v3`; older samples stay.
"""

import json
import sys
import tempfile
from pathlib import Path

from tests import builders
from tests.celery_client import stock_app
from tests.installation import PREFIX, SERVER, Installation, end
from tests.waiting import eventually


def make(directory: Path) -> None:
    """Run an installation with something of everything, and keep its backup and its events."""
    directory.mkdir(parents=True)

    def activated(number: int, **given: object) -> dict[str, object]:
        at = {"server": SERVER, "mac": builders.mac(number), "ipv4": builders.ipv4(number)}
        return builders.activated(f"SVC-{number}", **(at | given))

    first = [activated(n) for n in range(1, 4)]
    events = [
        activated(4, mac=builders.mac(1)),  # waits for SVC-1
        builders.mac_changed("SVC-2", builders.mac(9)),
        builders.suspended("SVC-2", "block"),
        builders.cancelled("SVC-3"),
        builders.suspended("SVC-1", revision=7, effective_at="2027-11-01T00:00:00Z"),
        activated(5, ipv4="not-an-address"),
    ]
    late = activated(6)
    with tempfile.TemporaryDirectory(prefix="lw-") as at, Installation(Path(at)) as here:
        here.start_workers("events", "routers")
        here.publisher.publish(first)
        eventually(lambda: len(here.rows("R1")) == 3, "three rows", within_s=30)
        here.publisher.publish(events[:-1])
        here.client.rpush("lw:events", "no message")
        app = stock_app(here.valkey.url, PREFIX)  # a message as another program sends it
        app.send_task("leasewire.accept", args=[events[-1:], "events"], queue="events")
        eventually(lambda: len(here.store.views.dead_letters(9)) == 2, "two letters", within_s=30)
        eventually(lambda: "SVC-3" not in here.rows("R1"), "a row less", within_s=30)
        for worker in here.workers:
            end(worker.process)
        here.publisher.publish([late])
        done = here.leasewire("backup", str(directory / "backup.gz"))
        assert done.returncode == 0, done.stderr
    lines = [json.dumps(event) for event in (*first, *events, late)]
    (directory / "events.ndjson").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())
