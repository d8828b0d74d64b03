"""Rows 3, 4, 5, 6, 9 and 10: the cost of one router's work, next to other clients.

Run: `.venv/bin/python -m benchmarks.one_router`. The passes run in this process, over TLS, without
Celery; the other clients use the plain API, which is cheaper. Latency is the round trip
of the simulated router; service time is the duration of each write, one after the other.
"""

import gc
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from librouteros import connect
from librouteros.query import Key

from benchmarks import peers
from benchmarks.stage import (
    LATENCY_MS,
    QUIET,
    Stage,
    a_piece,
    activations,
    give_network,
    print_result,
)
from simulator.control import ControlClient
from tests.installation import LEASES, PASSWORD
from tests.waiting import eventually
from worker.convergence.concurrency import PassLimits
from worker.convergence.full_read import read_fully
from worker.convergence.router_pass import Converge
from worker.core.rows.menus import MENUS
from worker.interpreter import COLLECT_AFTER
from worker.inventory.file import load_inventory
from worker.log_setup import configure_logging
from worker.routeros.sessions import Sessions
from worker.settings import Settings

BATCH = 1_000
TIME_LIMIT_S = 120
HERE = "publisher"
"""What `Stage.cpu_ms` calls this process, in which the passes run."""


class OneRouter:
    """An installation with one router and an `events` worker; passes run here."""

    def __init__(self, here: Stage) -> None:
        settings = Settings.load(here.environ)
        inventory = load_inventory(settings.inventory)
        configure_logging(settings)
        self.here = here
        self.policy = inventory.routers["R1"].policy
        self.sessions = Sessions(inventory, settings)
        self.converge = Converge(
            here.store,
            self.sessions,
            {"R1": self.policy},
            PassLimits(batch_services=BATCH, time_box_s=600),
        )

    @property
    def router(self) -> ControlClient:
        """The simulated router's control."""
        return self.here.control["R1"]

    def accept(self, events: Sequence[dict[str, object]]) -> None:
        """Publish events and wait until they are folded; nothing is written yet."""
        self.here.publisher.publish(events)
        eventually(lambda: not self.here.store.journal.depth("events"), "all folded", within_s=120)

    def drain(self) -> float:
        """Seconds until the router has all that is wanted."""
        began = time.monotonic()
        while not self.here.settled():
            self.converge.run("R1")
            if time.monotonic() - began > TIME_LIMIT_S:
                raise AssertionError(f"R1 does not get there: {self.here.log_text()[-2000:]}")
        return time.monotonic() - began

    def drain_new(self, count: int) -> tuple[float, dict[str, float]]:
        """Return the seconds for these new entries, and the CPU time of one by process (ms)."""
        self.accept(self.here.fresh(count))
        with self.here.spending() as spent:
            took_s = self.drain()
        spent["pass"] = spent.pop(HERE)
        return took_s, a_piece(spent, count)


@contextmanager
def one_router(latency_ms: float = LATENCY_MS, service_ms: float = 0) -> Iterator[OneRouter]:
    """Start it; the session is open and the first looks are done."""
    arguments = ["--latency-ms", str(latency_ms), "--service-ms", str(service_ms)]
    with (
        tempfile.TemporaryDirectory(prefix="lw-") as directory,
        Stage(Path(directory), simulator=arguments, environ_more=QUIET) as here,
    ):
        os.environ["ROUTER_PASSWORD"] = PASSWORD  # noqa: TID251 - the passes run in this process
        give_network(here)
        here.start_workers("events")
        made = OneRouter(here)
        made.accept(here.fresh(1))
        made.drain()
        yield made
        made.sessions.close_all()


def new_entries(count: int = 5_000) -> dict[str, object]:
    """Row 3: many new entries, no service time, against the best public pipeline."""
    if not peers.installed():
        return {"row": "3", "left_out": peers.MISSING}
    with one_router() as at:
        ours_s, spent = at.drain_new(count)
    with one_router() as at:
        peer_s = peers.pipelined(at.here, peers.entries(count))
    return {
        "row": "3",
        "what": f"{count:,} new entries, against routeros-client's pipeline",
        "entries": count,
        "latency_ms": LATENCY_MS,
        "service_ms": 0,
        "ours_per_s": round(count / ours_s),
        "peer_per_s": round(count / peer_s),
        "peer_window": peers.WINDOW,
        "cpu_ms_an_entry": spent,
        "ratio": round(peer_s / ours_s, 2),
        "at_least": 0.6,
    }


def at_the_routers_limit(count: int = 1_500) -> dict[str, object]:
    """Row 4: the router takes 2 ms a write; its own limit is 500 a second."""
    service_ms = 2.0
    with one_router(service_ms=service_ms) as at:
        took_s, spent = at.drain_new(count)
    return {
        "row": "4",
        "what": "new entries, against the router's own limit",
        "entries": count,
        "latency_ms": LATENCY_MS,
        "service_ms": service_ms,
        "ours_per_s": round(count / took_s),
        "limit_per_s": round(1000 / service_ms),
        "cpu_ms_an_entry": spent,
        "ratio": round(count / took_s * service_ms / 1000, 2),
        "at_least": 0.9,
    }


def of_many_leases(
    leases: int = 10_000, changed: int = 1_000, rounds: int = 5
) -> Iterator[dict[str, object]]:
    """Rows 5, 9 and 6, on a router with many leases."""
    with one_router(latency_ms=0) as at:
        at.accept(at.here.fresh(leases))
        at.drain()
        at.router.set_faults(latency_ms=LATENCY_MS)
        common = {"leases": leases, "latency_ms": LATENCY_MS, "service_ms": 0}
        yield common | _one_event(at, rounds)
        yield common | _clean_reconcile(at, rounds)
        yield common | _against_ansible(at, changed)


def _one_event(at: OneRouter, rounds: int) -> dict[str, object]:
    ours, usual = [], []
    for n in range(rounds):
        at.accept(at.here.fresh(1))
        ours.append(at.drain())
        usual.append(peers.usual_script(at.here, f"00:00:5E:D0:00:{n:02X}", f"100.90.0.{n}"))
    return {
        "row": "5",
        "what": "one event among many leases, against the usual script",
        "ours_ms": round(min(ours) * 1000, 1),
        "usual_script_ms": round(min(usual) * 1000, 1),
        "round_trips": round(min(ours) * 1000 / LATENCY_MS, 1),
        "ratio": round(min(usual) / min(ours), 1),
        "at_least": 30,
    }


def _against_ansible(at: OneRouter, count: int) -> dict[str, object]:
    if not peers.installed():
        return {"row": "6", "left_out": peers.MISSING}
    rows = peers.entries(count)
    task_s, empty_s = peers.by_ansible(at.here, rows)
    theirs = [row for row in at.router.rows(LEASES) if row.get("comment", "").startswith("peer-")]
    if len(theirs) != count:
        raise AssertionError(f"Ansible added {len(theirs)} of {count}")
    at.router.remove_row(LEASES, *(row[".id"] for row in theirs))
    ours_s = _published_and_applied(at.here, count)
    return {
        "row": "6",
        "what": f"{count:,} entries, publish to applied, against Ansible's api_modify",
        "entries": count,
        "ours_s": round(ours_s, 2),
        "ansible_task_s": round(task_s, 2),
        "ansible_start_s": round(empty_s, 2),
        "ratio": round(task_s / ours_s, 1),
        "at_least": 10,
    }


def _published_and_applied(here: Stage, count: int) -> float:
    """Seconds from publishing on, by workers of both kinds."""
    here.start_workers("routers")
    here.publish_and_wait(1)  # it logs in, and takes its first looks
    return here.publish_and_wait(count)


def _clean_reconcile(at: OneRouter, rounds: int) -> dict[str, object]:
    session = at.sessions.open("R1")
    ours, print_s, spent = [], [], []
    router = at.here.ready["routers"][0]
    api = connect(router["host"], at.here.ready["user"], PASSWORD, port=router["api_port"])
    proplist = [Key(field) for field in (".id", *MENUS["/ip/dhcp-server/lease"].fields)]
    for _ in range(rounds):
        began, cpu = time.monotonic(), time.process_time()
        read_fully(at.here.store, session, "R1", at.policy)
        ours.append(time.monotonic() - began)
        spent.append(time.process_time() - cpu)
        began = time.monotonic()
        list(api.path("ip", "dhcp-server", "lease").select(*proplist))
        print_s.append(time.monotonic() - began)
    api.close()
    session.close()
    return {
        "row": "9",
        "what": "clean full read, against a print of the same fields",
        "ours_ms": round(min(ours) * 1000),
        "ours_cpu_ms": round(min(spent) * 1000),
        "print_ms": round(min(print_s) * 1000),
        "ratio": round(min(ours) / min(print_s), 2),
        "at_most": 1.5,
    }


def backlog(services: int = 2_000) -> dict[str, object]:
    """Row 10: five events a service while the router was away, then its return."""
    with one_router() as at:
        first = at.here.used
        rate = services / at.drain_new(services)[0]
        for turn in range(5):
            at.accept([_other_mac(event, turn) for event in activations(services, 1, first)])
        writes = len(at.router.journal())
        took_s = at.drain()
        writes = len(at.router.journal()) - writes
    return {
        "row": "10",
        "what": "backlog after an outage, against our own write rate",
        "events": services * 5,
        "writes": writes,
        "latency_ms": LATENCY_MS,
        "service_ms": 0,
        "took_s": round(took_s, 2),
        "needed_s": round(writes / rate, 2),
        "ratio": round(took_s * rate / writes, 2),
        "at_most": 1.5,
    }


def _other_mac(event: dict[str, Any], turn: int) -> dict[str, object]:
    """An event that gives the same service another device, for the turn-th time."""
    service = event["data"]["service"]
    device = {"mac": f"00:00:5E:8{turn}{service['device']['mac'][11:]}"}
    data = event["data"] | {"revision": turn + 2, "service": service | {"device": device}}
    return event | {"id": f"{event['id']}-{turn}", "data": data}


def main() -> None:
    """Measure each row and print it as a line of JSON."""
    gc.set_threshold(*COLLECT_AFTER)  # as in a worker
    print_result(new_entries())
    print_result(at_the_routers_limit())
    for found in of_many_leases():
        print_result(found)
    print_result(backlog())


if __name__ == "__main__":
    main()
