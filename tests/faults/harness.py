"""The fault harness: real workers, a real Valkey and simulated routers, and kills between them."""

import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts import event_key, parse_event, version_hash
from leasewire.embedded import EmbeddedServer
from producers.connection import open_publisher
from simulator.control import ControlClient
from tests.faults.history import SOURCE
from worker.core.entry import wanted_entries
from worker.core.fold import fold
from worker.core.outcome import FINAL
from worker.core.ownership import parse_tag, tag_text
from worker.core.policy import RouterPolicy
from worker.core.record import ServiceRecord
from worker.core.version import Version
from worker.store.store import Store, open_store

INSTALLATION = "faults"
LEASES = "/ip/dhcp-server/lease"
PREFIX = "lw:"
SETTINGS = {
    "LEASEWIRE_ROUTER_LEASE_S": "4",
    "LEASEWIRE_COMMAND_TIMEOUT_S": "2",
    "LEASEWIRE_CONNECT_TIMEOUT_S": "2",
    "LEASEWIRE_BACKOFF_FIRST_S": "0.2",
    "LEASEWIRE_BACKOFF_CAP_S": "2",
    "LEASEWIRE_ROUTER_THREADS": "16",
    "LEASEWIRE_LOG_FORMAT": "json",
}


def eventually(holds: Callable[[], bool], deadline_s: float, what: str) -> None:
    """Wait for a condition; AssertionError when it does not come to hold in time."""
    deadline = time.monotonic() + deadline_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(0.05)


@dataclass
class Worker:
    """One worker process, started anew after each kill."""

    kind: str
    process: subprocess.Popen[bytes]


@dataclass
class Harness:
    """A whole installation in a directory.

    Args:
        directory: for sockets, logs and the inventory.
        routers: how many.
        service_ms: time of a write, one after the other in each router.
        broken: name of a deliberately broken build (`broken.py`); None for the real one.
    """

    directory: Path
    routers: int
    broken: str | None = None
    service_ms: float = 4
    workers: list[Worker] = field(default_factory=list)
    in_flight_at_kills: set[str] = field(default_factory=set)
    foreign: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def __enter__(self) -> "Harness":
        self._stack = ExitStack()
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.valkey = self._stack.enter_context(EmbeddedServer(self.directory / "valkey"))
        self.client = self._stack.enter_context(self.valkey.client())
        self.store: Store = open_store(self.client, PREFIX)
        self._stack.callback(self._end_workers)
        control = self.directory / "control.sock"
        simulator = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulator", "--demo-password", "--seed-guide", "--json"),
                *("--routers", str(self.routers), "--order", "shuffle", "--control", str(control)),
                *("--latency-ms", "2", "--service-ms", str(self.service_ms)),
            ],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._stack.callback(_end, simulator)
        assert simulator.stdout is not None
        ready = json.loads(simulator.stdout.readline())
        self.control = {
            each["name"]: self._stack.enter_context(
                ControlClient(str(control), router=each["name"])
            )
            for each in ready["routers"]
        }
        self._write_inventory(ready)
        for name, router in self.control.items():
            for n in range(5):
                comment = ["printer", "leasewire:other:SVC-1", "", "caf\u00e9", "tmp"][n]
                values = {
                    "mac-address": f"00:00:5E:F0:00:{n:02X}",
                    "address": f"198.51.100.{n + 1}",
                }
                router.add_row(LEASES, values | ({"comment": comment} if comment else {}))
            self.foreign[name] = self.rows_not_ours(name)
        self.publisher = self._stack.enter_context(
            open_publisher(self.valkey.url, clock=lambda: datetime.now(UTC), prefix=PREFIX)  # noqa: TID251 - the harness is a composition root
        )

    def _write_inventory(self, ready: Mapping[str, Any]) -> None:
        lines = [f'[installation]\nid = "{INSTALLATION}"\n']
        lines += [
            f'[routers.{each["name"]}]\nhost = "{each["host"]}"\nport = {each["api_ssl_port"]}\n'
            f'username = "{ready["user"]}"\npassword_env = "ROUTER_PASSWORD"\n'
            f'fingerprint = "{each["fingerprint_sha256"]}"\n'
            for each in ready["routers"]
        ]
        lines.append(f'[sources."{SOURCE}"]\norder = "revisions"\n')
        (self.directory / "routers.toml").write_text("\n".join(lines))

    def start_workers(self, kinds: Sequence[str]) -> None:
        """Start a process of each kind named."""
        self.workers += [Worker(kind, self._process(kind)) for kind in kinds]

    def _process(self, kind: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "worker.process", kind]
        if self.broken:
            command = [sys.executable, "-m", "tests.faults.broken", self.broken, kind]
        environ = {
            **os.environ,
            **SETTINGS,
            "LEASEWIRE_REDIS_URL": self.valkey.url,
            "LEASEWIRE_INVENTORY": str(self.directory / "routers.toml"),
            "ROUTER_PASSWORD": "demo",
        }
        with (self.directory / f"{kind}.log").open("ab") as log:
            return subprocess.Popen(
                command, env=environ, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, worker: Worker) -> None:
        """End a worker as a crash would, note what it had in flight, and start another."""
        worker.process.kill()
        worker.process.wait()
        for router in self.control:
            block = self.store.keys.router_block(router)
            self.in_flight_at_kills |= set(self.client.hkeys(block[4]))
        worker.process = self._process(worker.kind)

    def _end_workers(self) -> None:
        for worker in self.workers:
            _end(worker.process)

    def settled(self) -> bool:
        """Nothing in the journals, no mark, no note in flight."""
        if any(self.store.journal.depth(lane) for lane in ("events", "bulk")):
            return False
        blocks = [self.store.keys.router_block(router) for router in self.control]
        return not any(self.client.exists(block[1], block[4]) for block in blocks)

    def wait_until_settled(self, deadline_s: float) -> None:
        """Wait until all is quiet; the message says what is not."""
        try:
            eventually(self.settled, deadline_s, "everything settled")
        except AssertionError as error:
            left = {r: self.store.views.router(r) for r in self.control}
            journal = self.store.journal.depth("events")
            raise AssertionError(f"{error}: journal {journal}, {left}") from None

    def rows(self, router: str) -> dict[str, list[dict[str, str]]]:
        """The rows of our services, by service."""
        found: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in self.control[router].rows(LEASES):
            tag = parse_tag(row.get("comment", ""))
            if tag is not None and tag.installation == INSTALLATION:
                found[tag.service_id].append(row)
        return found

    def rows_not_ours(self, router: str) -> list[dict[str, str]]:
        """All other rows."""
        return [
            row
            for row in self.control[router].rows(LEASES)
            if not row.get("comment", "").startswith(f"leasewire:{INSTALLATION}:")
        ]

    # What must hold in the end.

    def differences(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """How the routers differ from the fold of the events; and foreign rows from themselves."""
        found = []
        wanted = expected_rows(events, list(self.control))
        for router in self.control:
            have = {
                service: [_shown(row) for row in rows]
                for service, rows in self.rows(router).items()
            }
            for service in sorted(wanted[router].keys() | have.keys()):
                want, got = wanted[router].get(service), have.get(service, [])
                if got != ([want] if want else []):
                    found.append(f"{router} {service}: wanted {want}, found {got}")
            if self.rows_not_ours(router) != self.foreign[router]:
                found.append(f"{router}: foreign rows changed")
        return found

    def without_final_outcome(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """Events of which nothing final was said."""
        keys = {event_key(e["source"], e["id"]): e["id"] for e in events}
        final = {o.key for o in self.store.views.outcomes(list(keys)) if o.state in FINAL}
        return [event_id for key, event_id in keys.items() if key not in final]

    def needless_writes(self) -> list[str]:
        """Sets to a value already held and refused duplicates, but for what a kill had in flight."""
        found = []
        for name, router in self.control.items():
            for entry in router.journal():
                if not entry["session"].startswith("api"):
                    continue
                service = _service_of(entry)
                held = entry["before"] is not None and entry["before"] == entry["after"]
                duplicate = "already have" in (entry["error"] or "")
                if (held or duplicate) and service not in self.in_flight_at_kills:
                    found.append(f"{name} {service}: {entry['command']} {entry['arguments']}")
        return found

    def double_entries(self) -> list[str]:
        """Moments, by the routers' journals, at which two rows held one MAC or one address."""
        found = []
        for name, router in self.control.items():
            rows: dict[str, dict[str, str]] = {}
            for entry in router.journal():
                if entry["error"] or not entry["command"].startswith(LEASES):
                    continue
                for row_id in [(entry["after"] or entry["before"])[".id"]]:
                    rows.pop(row_id, None)
                    if entry["after"]:
                        rows[row_id] = entry["after"]
                for field_name in ("mac-address", "address"):
                    values = [row[field_name] for row in rows.values() if field_name in row]
                    held = [v for v in values if v not in ("0.0.0.0", "00:00:00:00:00:00")]  # noqa: S104 - a field's value
                    if len(held) != len(set(held)):
                        found.append(f"{name}: two rows with one {field_name} at {entry['seq']}")
        return found


def expected_rows(
    events: Sequence[Mapping[str, Any]], routers: Sequence[str]
) -> dict[str, dict[str, dict[str, str]]]:
    """Router -> service -> the row that the fold of all events asks for."""
    records: dict[str, ServiceRecord] = {}
    for raw in events:
        event = parse_event(raw)
        service = event.service_id
        version = Version(0, event.data.revision or 0, 0, version_hash(raw))
        before = records.get(service, ServiceRecord(service))
        records[service] = fold(before, event, version).record
    policies = {router: RouterPolicy(INSTALLATION) for router in routers}
    rows: dict[str, dict[str, dict[str, str]]] = {router: {} for router in routers}
    for service, record in records.items():
        for router, entry in wanted_entries(record, policies).items():
            if entry.fields is not None:
                comment = tag_text(INSTALLATION, service)
                rows[router][service] = {**entry.fields, "comment": comment}
    return rows


def _shown(row: Mapping[str, str]) -> dict[str, str]:
    return {
        "mac-address": row.get("mac-address", ""),
        "address": row.get("address", ""),
        "server": row.get("server", "all"),
        "block-access": "yes"
        if row.get("block-access", row.get("blocked")) in ("true", "yes")
        else "no",
        "comment": row.get("comment", ""),
    }


def _service_of(entry: Mapping[str, Any]) -> str:
    for row in (entry["after"], entry["before"], entry["arguments"]):
        tag = parse_tag((row or {}).get("comment", ""))
        if tag is not None:
            return tag.service_id
    return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    if process.stdout is not None:
        process.stdout.close()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def publish_under_kills(
    harness: Harness,
    rng: random.Random,
    arriving: Sequence[dict],
    *,
    kills: int,
    seconds: float,
    kinds: Sequence[str] = ("events", "routers"),
) -> None:
    """Publish in calls of random size over some seconds, and kill workers at random moments."""
    victims = [worker for worker in harness.workers if worker.kind in kinds]
    began = time.monotonic()
    moments = sorted(rng.uniform(0.1, 0.95) * seconds for _ in range(kills))
    sent = 0
    while sent < len(arriving) or moments:
        elapsed = time.monotonic() - began
        if moments and elapsed >= moments[0]:
            moments.pop(0)
            harness.kill(rng.choice(victims))
        due = min(len(arriving), int(len(arriving) * elapsed / (seconds * 0.9)) + 1)
        while sent < due:
            size = min(rng.randint(1, 20), len(arriving) - sent)
            harness.publisher.publish(arriving[sent : sent + size])
            sent += size
        time.sleep(0.01)  # the pace of publishing
