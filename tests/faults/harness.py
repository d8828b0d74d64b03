"""The fault harness: an installation whose workers are killed, and what must hold in the end."""

import random
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from contracts import event_key, parse_event, version_hash
from tests.installation import INSTALLATION, LEASES, Installation, Worker
from worker.core.entry import wanted_entries
from worker.core.fold import fold
from worker.core.outcome import FINAL
from worker.core.ownership import parse_tag, tag_text
from worker.core.policy import RouterPolicy
from worker.core.record import ServiceRecord
from worker.core.version import Version


@dataclass
class Harness(Installation):
    """An installation with rows of others on its routers, and with kills."""

    in_flight_at_kills: set[str] = field(default_factory=set)
    foreign: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    """Router -> id -> row that nothing of ours may change."""
    resets: dict[str, list[int]] = field(default_factory=dict)
    """Router -> how long its journal was when its configuration was reset."""

    def _start(self, stack: ExitStack) -> None:
        super()._start(stack)
        for name in self.control:
            self.add_foreign_rows(name)

    def add_foreign_rows(self, name: str) -> None:
        """Put rows of others on a router that has none yet."""
        router = self.control[name]
        for n, comment in enumerate(["printer", "leasewire:other:SVC-1", "", "caf\u00e9", "tmp"]):
            values = {
                "mac-address": f"00:00:5E:F0:00:{n:02X}",
                "address": f"198.51.100.{n + 1}",
            }
            router.add_row(LEASES, values | ({"comment": comment} if comment else {}))
        self.foreign[name] = {row[".id"]: row for row in router.rows(LEASES)}

    def kill(self, worker: Worker) -> None:
        """End a worker as a crash would, note what it had in flight, and start another."""
        worker.process.kill()
        worker.process.wait()
        for router in self.control:
            block = self.store.keys.router_block(router)
            self.in_flight_at_kills |= set(self.client.hkeys(block.inflight))
        worker.process = self.start_process(worker.kind)

    def start_ended(self) -> None:
        """Start those again that ended by themselves, as their supervisor would."""
        for worker in self.workers:
            if worker.process.poll() is not None:
                self.kill(worker)

    def settled(self) -> bool:
        """Nothing left to do; workers that ended meanwhile are started again."""
        self.start_ended()
        return super().settled()

    def own_rows(self, router: str) -> dict[str, list[dict[str, str]]]:
        """Service -> its rows as far as compared; `""` are rows of nobody that should be here."""
        found: dict[str, list[dict[str, str]]] = {}
        for row in self.control[router].rows(LEASES):
            if row[".id"] not in self.foreign[router]:
                tag = parse_tag(row.get("comment", ""))
                ours = tag is not None and tag.installation == INSTALLATION
                found.setdefault(tag.service_id if tag and ours else "", []).append(_shown(row))
        return found

    def changed_foreign_rows(self, router: str) -> list[str]:
        """Rows of others that are not as they were, byte by byte."""
        now = {row[".id"]: row for row in self.control[router].rows(LEASES)}
        foreign = self.foreign[router].items()
        return [
            f"{router} {row_id}: foreign row {row} is now {now.get(row_id)}"
            for row_id, row in foreign
            if now.get(row_id) != row
        ]

    # What must hold in the end.

    def differences(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """How the routers differ from the fold of the events; and foreign rows from themselves."""
        found = []
        wanted = expected_rows(events, list(self.control))
        for router in self.control:
            have = self.own_rows(router)
            for service in sorted(wanted[router].keys() | have.keys()):
                want, got = wanted[router].get(service), have.get(service, [])
                if got != ([want] if want else []):
                    found.append(f"{router} {service}: wanted {want}, found {got}")
            found += self.changed_foreign_rows(router)
        return found

    def without_final_outcome(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """Events of which nothing final was said.

        Only the last twenty of a service are kept, and one is forgotten only after its final word:
        of those before, that they were committed says enough.
        """
        keys = {event_key(e["source"], e["id"]): e["id"] for e in events}
        said = {o.key: o.state for o in self.store.views.outcomes(list(keys))}
        committed = self.store.records.seen(list(keys), self.store.records.now_ms())
        return [
            event_id
            for key, event_id in keys.items()
            if (said[key] not in FINAL if key in said else key not in committed)
        ]

    def needless_writes(self) -> list[str]:
        """Sets to a held value and refused duplicates, but for what a kill had in flight."""
        found = []
        for name in self.control:
            for entry in self.writes(name):
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
            resets = list(self.resets.get(name, []))
            for entry in router.journal():
                while resets and entry["seq"] > resets[0]:
                    resets.pop(0)
                    rows.clear()
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
        "dhcp-option": row.get("dhcp-option", ""),
        "comment": row.get("comment", ""),
    }


def _service_of(entry: Mapping[str, Any]) -> str:
    for row in (entry["after"], entry["before"], entry["arguments"]):
        tag = parse_tag((row or {}).get("comment", ""))
        if tag is not None:
            return tag.service_id
    return ""


def publish_under_kills(  # noqa: PLR0913 - the parts of one experiment
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
        harness.start_ended()
        due = min(len(arriving), int(len(arriving) * elapsed / (seconds * 0.9)) + 1)
        while sent < due:
            size = min(rng.randint(1, 20), len(arriving) - sent)
            harness.publisher.publish(arriving[sent : sent + size])
            sent += size
        time.sleep(0.01)  # the pace of publishing


def harness(directory: Any, routers: int, broken: str | None, service_ms: float) -> Harness:
    """A harness on routers that run tagged commands in any order.

    Args:
        directory: of the installation.
        routers: how many.
        broken: name of a deliberately broken build (`broken.py`); None for the real one.
        service_ms: time of a write, one after the other in each router.
    """
    build = ("tests.faults.broken", broken) if broken else ("worker.runtime.process",)
    return Harness(
        directory,
        routers,
        simulator=["--order", "shuffle", "--latency-ms", "2", "--service-ms", str(service_ms)],
        worker_command=[sys.executable, "-m", *build],
    )
