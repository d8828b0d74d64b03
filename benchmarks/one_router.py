"""Rows 3, 4, 5, 9 and 10: what one router's work costs, against peers on the same router.

Run: `.venv/bin/python -m benchmarks.one_router [--peer PYTHON]`. The passes run in this process,
over TLS, without Celery; the peers run over the plain API, which is the cheaper one. Latency is
the simulated router's round trip, service time what each write takes, one after the other.
"""

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from librouteros import connect
from librouteros.query import Key

from benchmarks.stage import QUIET, activations, give_network
from simulator.control import ControlClient
from tests.installation import LEASES, PASSWORD, SERVER, Installation, eventually
from worker.convergence.converge import Converge, PassLimits
from worker.convergence.full_read import read_fully
from worker.inventory.file import load_inventory
from worker.log_setup import configure_logging
from worker.routeros.menus import MENUS
from worker.routeros.sessions import Sessions
from worker.runtime.process import COLLECT_AFTER
from worker.settings import Settings

LATENCY_MS = 5.0
ENTRIES = 5_000
BATCH = 1_000
PATIENCE_S = 120
PEER = """
import json, sys, time
from routeros_client import Api
port, user, password, server, count, window = json.load(sys.stdin)
rows = [
    {"address": f"100.64.{n >> 8}.{n & 255}", "server": server, "comment": f"peer-{n}",
     "mac-address": f"00:00:5E:01:{n >> 8:02X}:{n & 255:02X}"}
    for n in range(count)
]
api = Api("127.0.0.1", user, password, port=port, pipeline_window=window, max_chunk_size=count)
began = time.monotonic()
api.bulk_add("/ip/dhcp-server/lease", rows, pipeline=True)
print(time.monotonic() - began)
"""


class OneRouter:
    """An installation with one router and an `events` worker; passes run here."""

    def __init__(self, here: Installation) -> None:
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
            lambda _: None,
            PassLimits(batch_services=BATCH, time_box_s=600),
        )

    @property
    def router(self) -> ControlClient:
        """The simulated router's control."""
        return self.here.control["R1"]

    def accept(self, events: list[dict[str, object]]) -> None:
        """Publish events and wait until they are folded; nothing is written yet."""
        self.here.publisher.publish(events)
        eventually(lambda: not self.here.store.journal.depth("events"), 120, "all folded")

    def drain(self) -> float:
        """Seconds until the router has all that is wanted."""
        began = time.monotonic()
        while not self.here.settled():
            self.converge.run("R1")
            if time.monotonic() - began > PATIENCE_S:
                raise AssertionError(f"R1 does not get there: {self.here.log_text()[-2000:]}")
        return time.monotonic() - began


@contextmanager
def one_router(latency_ms: float = LATENCY_MS, service_ms: float = 0) -> Iterator[OneRouter]:
    """Start it; the session is open and the first looks are done."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    arguments = ["--latency-ms", str(latency_ms), "--service-ms", str(service_ms)]
    try:
        with Installation(directory, simulator=arguments, environ_more=QUIET) as here:
            os.environ["ROUTER_PASSWORD"] = PASSWORD  # noqa: TID251 - the passes run in this process
            give_network(here)
            here.start_workers("events")
            made = OneRouter(here)
            made.accept(activations(1, 1, 10**6))
            made.drain()
            yield made
            made.sessions.close_all()
    finally:
        shutil.rmtree(directory)


def new_entries(peer: str) -> dict[str, object]:
    """Row 3: many new entries, no service time, against the best public pipeline."""
    with one_router() as at:
        at.accept(activations(ENTRIES, 1))
        ours_s = at.drain()
        ready = at.here.ready["routers"][0]
        given = [ready["api_port"], at.here.ready["user"], PASSWORD, SERVER, ENTRIES, 128]
    with one_router() as at:
        ready = at.here.ready["routers"][0]
        given[0] = ready["api_port"]
        peer_s = float(
            subprocess.run(  # noqa: S603 - a client that was named by whoever runs this
                [peer, "-c", PEER],
                input=json.dumps(given),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
    return {
        "row": 3,
        "entries": ENTRIES,
        "latency_ms": LATENCY_MS,
        "service_ms": 0,
        "ours_per_s": round(ENTRIES / ours_s),
        "peer_per_s": round(ENTRIES / peer_s),
        "ratio": round(peer_s / ours_s, 2),
        "at_least": 0.6,
    }


def has_peer(python: str) -> bool:
    """Whether a Python has the client that row 3 is measured against."""
    tried = [python, "-c", "import routeros_client"]
    return not subprocess.run(tried, capture_output=True, check=False).returncode  # noqa: S603


def at_the_routers_limit() -> dict[str, object]:
    """Row 4: the router takes 2 ms a write; its own limit is 500 a second."""
    service_ms, count = 2.0, 1500
    with one_router(service_ms=service_ms) as at:
        at.accept(activations(count, 1))
        took_s = at.drain()
    return {
        "row": 4,
        "entries": count,
        "latency_ms": LATENCY_MS,
        "service_ms": service_ms,
        "ours_per_s": round(count / took_s),
        "limit_per_s": round(1000 / service_ms),
        "ratio": round(count / took_s * service_ms / 1000, 2),
        "at_least": 0.9,
    }


def one_event_of_ten_thousand() -> Iterator[dict[str, object]]:
    """Rows 5, 9 and 10, on a router with 10,000 leases."""
    with one_router(latency_ms=0) as at:
        at.accept(activations(10_000, 1))
        at.drain()
        at.router.set_faults(latency_ms=LATENCY_MS)
        yield _one_event(at)
        yield _clean_reconcile(at)


def _one_event(at: OneRouter) -> dict[str, object]:
    ours, usual = [], []
    for n in range(5):
        at.accept(activations(1, 1, 20_000 + n))
        at.router.reset_counters()
        ours.append(at.drain())
        usual.append(_usual_script(at, n))
    return {
        "row": 5,
        "leases": 10_000,
        "latency_ms": LATENCY_MS,
        "ours_ms": round(min(ours) * 1000, 1),
        "usual_script_ms": round(min(usual) * 1000, 1),
        "ratio": round(min(usual) / min(ours), 1),
        "at_least": 30,
        "round_trips": round(min(ours) * 1000 / LATENCY_MS, 1),
    }


def _usual_script(at: OneRouter, n: int) -> float:
    ready = at.here.ready["routers"][0]
    began = time.monotonic()
    api = connect("127.0.0.1", at.here.ready["user"], PASSWORD, port=ready["api_port"])
    leases = api.path(*LEASES.strip("/").split("/"))
    mac = f"00:00:5E:02:00:{n:02X}"
    if not [row for row in leases if row.get("mac-address") == mac]:
        leases.add(**{"mac-address": mac, "address": f"100.80.0.{n}", "server": SERVER})
    took = time.monotonic() - began
    api.close()
    return took


def _clean_reconcile(at: OneRouter) -> dict[str, object]:
    session = at.sessions.open("R1")
    ours, peers = [], []
    ready = at.here.ready["routers"][0]
    api = connect("127.0.0.1", at.here.ready["user"], PASSWORD, port=ready["api_port"])
    proplist = [Key(each) for each in (".id", *MENUS[LEASES].fields)]
    spent = []
    for _ in range(5):
        began, cpu = time.monotonic(), time.process_time()
        read_fully(at.here.store, session, "R1", at.policy)
        ours.append(time.monotonic() - began)
        spent.append(time.process_time() - cpu)
        began = time.monotonic()
        list(api.path("ip", "dhcp-server", "lease").select(*proplist))
        peers.append(time.monotonic() - began)
    api.close()
    session.close()
    return {
        "row": 9,
        "leases": 10_000,
        "latency_ms": LATENCY_MS,
        "ours_ms": round(min(ours) * 1000),
        "ours_cpu_ms": round(min(spent) * 1000),
        "print_ms": round(min(peers) * 1000),
        "ratio": round(min(ours) / min(peers), 2),
        "at_most": 1.5,
    }


def backlog() -> dict[str, object]:
    """Row 10: 10,000 events of 2,000 services while the router was away, then its return."""
    services = 2_000
    with one_router() as at:
        at.accept(activations(services, 1))
        rate = services / at.drain()
        for turn in range(5):
            at.accept(
                [
                    each | {"id": f"{each['id']}-{turn}", "data": _other_mac(each["data"], turn)}
                    for each in activations(services, 1)
                ]
            )
        writes = len(at.router.journal())
        took_s = at.drain()
        writes = len(at.router.journal()) - writes
    return {
        "row": 10,
        "events": services * 5,
        "writes": writes,
        "latency_ms": LATENCY_MS,
        "took_s": round(took_s, 2),
        "needed_s": round(writes / rate, 2),
        "ratio": round(took_s * rate / writes, 2),
        "at_most": 1.5,
    }


def _other_mac(data: dict[str, Any], turn: int) -> dict[str, Any]:
    """The data of an event that gives the service another device, for the turn-th time."""
    device = {"mac": f"00:00:5E:8{turn}{data['service']['device']['mac'][11:]}"}
    return data | {"revision": turn + 2, "service": data["service"] | {"device": device}}


def main() -> None:
    """Measure each row and print it as a line of JSON."""
    gc.set_threshold(*COLLECT_AFTER)  # as in a worker
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default=".venv-clients/bin/python", help="has routeros-client")
    options = parser.parse_args()
    if Path(options.peer).exists() and has_peer(options.peer):
        print(json.dumps(new_entries(options.peer)), flush=True)  # noqa: T201 - what it is for
    else:
        sys.stderr.write(f"row 3 is left out: {options.peer} has no routeros-client\n")
    print(json.dumps(at_the_routers_limit()), flush=True)  # noqa: T201
    for found in one_event_of_ten_thousand():
        print(json.dumps(found), flush=True)  # noqa: T201
    print(json.dumps(backlog()), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
