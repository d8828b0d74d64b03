"""The fault harness: an installation whose workers are killed, and what must hold in the end."""

import random
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.identity import event_key
from contracts.sealing import Sealer
from tests.faults import further
from tests.faults.doubles import Doubled, doubled
from tests.faults.estate import foreign_rows
from tests.faults.expected import expected_entries, places_of, row_of
from tests.installation import INSTALLATION, Installation, Worker
from worker.core.entry.entry import Entry, EntryKind
from worker.core.entry.wanted import KINDS
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.menus import OPTION
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ADDRESS_LISTS6,
    BINDINGS,
    OPTIONS,
    parse_tag,
    tag_text,
)
from worker.core.service.outcome import FINAL
from worker.core.service.record_parts import Assigned
from worker.inventory import load_inventory
from worker.routeros.rows import entry_rows, values_of

_MENUS_BESIDE = (ADDRESS_LISTS, OPTIONS, BINDINGS, ADDRESS_LISTS6)
_SET_UP = ("/ip/pool", "/ip/dhcp-server", "/ipv6/dhcp-server", "/ppp/profile")
_KINDS = {kind.menu.path: kind for kind in KINDS.values()}


@dataclass
class Harness(Installation):
    """An installation with rows of others on its routers, and with kills."""

    in_flight_at_kills: set[str] = field(default_factory=set)
    foreign: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    """Router -> id -> lease that nothing of ours may change."""
    beside: dict[str, dict[tuple[str, str], dict[str, str]]] = field(default_factory=dict)
    """Router -> (menu, id) -> row of another menu that nothing of ours may change."""
    resets: dict[str, list[int]] = field(default_factory=dict)
    """Router -> how long its journal was when its configuration was reset."""

    def _start(self, stack: ExitStack) -> None:
        super()._start(stack)
        for name in self.control:
            self.add_foreign_rows(name)

    def add_foreign_rows(self, name: str) -> None:
        """Put rows of others on a router that has none yet."""
        router = self.control[name]
        entries = self.menu_of(name)
        for menu, values in foreign_rows(name, entries):
            router.add_row(menu, values)
        self.foreign[name] = {row[".id"]: row for row in router.rows(entries)}
        self.beside[name] = {
            (menu, row[".id"]): _as_set(row)
            for menu in (*_MENUS_BESIDE, *_SET_UP)
            for row in router.rows(menu)
        }

    @property
    def policies(self) -> dict[str, RouterPolicy]:
        """By router, as the inventory says."""
        inventory = load_inventory(self.directory / "routers.toml", environ=self.environ)
        return {name: router.policy for name, router in inventory.routers.items()}

    def kill(self, worker: Worker) -> None:
        """End a worker as a crash would, note what it had in flight, and start another."""
        worker.process.kill()
        worker.process.wait()
        for router in self.control:
            block = self.store.keys.router(router)
            self.in_flight_at_kills |= set(self.client.hkeys(block.inflight))
        worker.process = self.start_process(worker.kind)

    def start_ended(self) -> None:
        """Start those again that ended by themselves, as their supervisor would."""
        for worker in self.workers:
            if worker.process.poll() is not None:
                self.kill(worker)

    def settled(self) -> bool:
        """Nothing left to do; workers that ended meanwhile are started again.

        A service waits for a pool until the routers were read that Redis may have forgotten about.
        """
        self.start_ended()
        return super().settled() and not any(
            self.client.scan_iter(self.store.keys.pool_waiting("*"))
        )

    def own_rows(self, router: str) -> dict[str, list[dict[str, str]]]:
        """Service -> its rows as far as compared; `""` are rows of nobody that should be here."""
        found: dict[str, list[dict[str, str]]] = {}
        for row in self.control[router].rows(self.menu_of(router)):
            if row[".id"] not in self.foreign[router] and row.get("dynamic") != "true":
                shown = _shown(self.kind_of(router), row, self.sealer)
                found.setdefault(_service_in(row), []).append(shown)
        return found

    def kind_of(self, router: str) -> EntryKind:
        """What its entries are."""
        return _KINDS[self.menu_of(router)]

    @property
    def sealer(self) -> Sealer | None:
        """Seals the passwords that are read, as those of the events were; None: there are none."""
        return None

    def own_lists(self, router: str) -> dict[str, list[tuple[str, str, str]]]:
        """Service -> its rows of address lists: list, address, `disabled`."""
        found: dict[str, list[tuple[str, str, str]]] = {}
        for menu in (ADDRESS_LISTS, ADDRESS_LISTS6):
            for row in self.control[router].rows(menu):
                if (menu, row[".id"]) in self.beside[router] or row.get("dynamic") == "true":
                    continue
                shown = (row["list"], row["address"], row.get("disabled", "false"))
                found.setdefault(_service_in(row), []).append(shown)
        return {service: sorted(rows) for service, rows in found.items()}

    def own_bindings(self, router: str) -> dict[str, list[tuple[str, str, str]]]:
        """Service -> its static IPv6 bindings: address, DUID and IAID."""
        found: dict[str, list[tuple[str, str, str]]] = {}
        for row in self.control[router].rows(BINDINGS):
            if (BINDINGS, row[".id"]) not in self.beside[router] and row.get("dynamic") != "true":
                shown = (row["address"], row["duid"], row["iaid"])
                found.setdefault(_service_in(row), []).append(shown)
        return {service: sorted(rows) for service, rows in found.items()}

    def changed_foreign_rows(self, router: str) -> list[str]:
        """Rows of others that are not as they were, byte by byte."""
        entries = self.menu_of(router)
        foreign = {(entries, row_id): row for row_id, row in self.foreign[router].items()}
        foreign |= self.beside[router]
        now = {
            (menu, row[".id"]): row if menu == entries else _as_set(row)
            for menu in sorted({menu for menu, _ in foreign})
            for row in self.control[router].rows(menu)
        }
        return [
            f"{router} {key}: foreign row {row!a} is now {now.get(key)!a}"
            for key, row in foreign.items()
            if now.get(key) != row
        ]

    # What must hold in the end.

    def differences(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """How the routers differ from the fold of the events; and foreign rows from themselves."""
        found = []
        wanted = self.expected(events)
        for router, entries in wanted.items():
            have, lists = self.own_rows(router), self.own_lists(router)
            for service in sorted(entries.keys() | have.keys() | lists.keys()):
                want = row_of(entries.get(service), self.kind_of(router))
                got = have.get(service, [])
                if got != ([want] if want else []):
                    found.append(f"{router} {service}: wanted {want}, found {got}")
                listed = places_of(entries.get(service))
                if lists.get(service, []) != listed:
                    found.append(
                        f"{router} {service}: wanted in lists {listed}, found {lists.get(service)}"
                    )
            found += self.wrong_bindings(router, entries)
            found += self.wrong_options(router, entries.values())
            found += self.changed_foreign_rows(router)
        return found

    def expected(self, events: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Entry]]:
        """Router -> service -> what the fold of all events asks for there.

        Each further device is as a service of its own, such as `SVC-1/2`.
        """
        policies = self.policies
        found = expected_entries(events, policies, self.sources, self._assigned)
        for number in further.NUMBERS:
            alone = further.as_services(events, number)
            for router, entries in expected_entries(alone, policies, self.sources).items():
                for service, entry in entries.items():
                    name = f"{service}/{number}"
                    found[router][name] = replace(entry, service_id=name)
        return found

    def _assigned(self, services: Collection[str]) -> dict[str, Mapping[Any, Assigned]]:
        """What pools gave: nobody but the program can say it; `wrong_assignments` checks it."""
        found = self.store.records.readable(services)
        return {service: stored.record.assigned for service, stored in found.items()}

    def wrong_bindings(self, router: str, entries: Mapping[str, Entry]) -> list[str]:
        """Services that have not just the bindings that they want.

        One whose client is not stated has its binding if the client was known before, else none.
        """
        found, have = [], self.own_bindings(router)
        for service in sorted(entries.keys() | have.keys()):
            wanted = entries[service].bindings if service in entries else ()
            got = have.get(service, [])
            stated = [(b.address, b.duid, b.iaid) for b in wanted if b.is_known]
            may_be = {b.address for b in wanted if not b.is_known}
            rest = [row for row in got if row not in stated]
            missing = [row for row in stated if row not in got]
            if missing or len(rest) > len(may_be) or {row[0] for row in rest} - may_be:
                found.append(f"{router} {service}: wanted bindings {wanted}, found {got}")
        return found

    def wrong_options(self, router: str, entries: Iterable[Entry]) -> list[str]:
        """Options that leases are to name and that the router has not, or not so."""
        rows = {row["name"]: values_of(OPTION, row) for row in self.control[router].rows(OPTIONS)}
        needed = {name: fields for entry in entries for name, fields in entry.options.items()}
        return [
            f"{router}: wanted option {fields}, found {rows.get(name)}"
            for name, fields in sorted(needed.items())
            if not fields.items() <= rows.get(name, {}).items()
        ]

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

    def doubled(self) -> list[Doubled]:
        """What two rows of a router ever held at once, by the routers' journals."""
        return [
            each
            for name, router in self.control.items()
            for each in doubled(
                name, router.journal(), self.kind_of(name), self.resets.get(name, [])
            )
        ]

    def double_entries(self) -> list[str]:
        """The same in words."""
        return [str(each) for each in self.doubled()]


def _as_set(row: Mapping[str, str]) -> dict[str, str]:
    """A row without what the router counts."""
    return {name: value for name, value in row.items() if name not in ("used", "available")}


def _service_in(row: Mapping[str, str]) -> str:
    tag = parse_tag(row.get("comment", ""))
    return tag.member if tag is not None and tag.installation == INSTALLATION else ""


def _shown(kind: EntryKind, row: Mapping[str, str], sealer: Sealer | None) -> dict[str, str]:
    """An entry in normal form; of its comment our tag alone: people may write behind it."""
    comment = row.get("comment", "")
    service = _service_in(row)
    (entry,) = entry_rows(kind, [row], sealer if kind.secrets else None)
    return {
        **entry.fields,
        "comment": tag_text(INSTALLATION, service) if service else comment,
        "disabled": "true" if entry.disabled else "false",
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
