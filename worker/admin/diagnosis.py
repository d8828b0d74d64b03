"""Gathers the facts for `why`: why a customer has no address. Changes nothing.

`worker/core/diagnosis/explain.py` explains the facts. Routers are only read, if at all.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from contracts.ipv6_values import Ipv6Address, Ipv6Prefix
from contracts.values import Ipv4, Mac48
from worker.admin.service_documents import sync_status
from worker.core.diagnosis.explain import explain
from worker.core.diagnosis.explain_ipv6 import explain_ipv6
from worker.core.diagnosis.explain_unknown import explain_unknown
from worker.core.diagnosis.facts import AtRouter, Explanation, Facts, Holder, Why, scheduled_events
from worker.core.effect.findings import findings
from worker.core.entry.devices import as_service
from worker.core.entry.entry import Entry
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.circuit import RouterState
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.observed import Observation
from worker.core.rows.operations import device_named
from worker.core.rows.prefixes import prefix_key
from worker.core.rows.rows import (
    device_of,
    member_id,
    number_of_member,
    parse_tag,
    service_of_member,
    tag_text,
)
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement
from worker.ports import BindingQuery, LeaseQuery
from worker.store.finder import JOURNAL_LOOKED_THROUGH
from worker.store.store import Store
from worker.store.views import ServiceView

ReadRouters = Callable[[Mapping[str, LeaseQuery]], Mapping[str, Observation | str]]
"""Reads routers; of a router that does not answer, the reason."""

DEAD_LETTERS_SEARCHED: Final = 2_000


@dataclass(frozen=True, slots=True)
class DiagnosisResult:
    """The answer for one service; without `facts` and `view` if no service has the subject.

    Attributes:
        explanation: the sentence.
        ipv6: the same about its IPv6 prefix; None: it has none, or the sentence holds for both.
        facts: of the explanation.
        view: the service's events and history.
        entries: router -> what it must hold.
        further: the same for each further device of the service.
    """

    explanation: Explanation
    facts: Facts | None = None
    view: ServiceView | None = None
    ipv6: Explanation | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)
    further: Sequence["DiagnosisResult"] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return {part.code for part in (self.explanation, self.ipv6) if part} == {"all-well"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Answers questions about one MAC address, IP address or service.

    Attributes:
        store: the store.
        policies: router -> policy.
        installation: its id.
        when: formats a time for a person.
        look: reads routers; None: no router is read.
        journal_searched: limit of the journaled events that are searched for the service.
        dead_letters_searched: limit of the newest dead letters that are.
    """

    store: Store
    policies: Mapping[str, RouterPolicy]
    installation: str
    when: Callable[[int], str]
    look: ReadRouters | None = None
    journal_searched: int = JOURNAL_LOOKED_THROUGH
    dead_letters_searched: int = DEAD_LETTERS_SEARCHED

    def ask(self, subject: str) -> list[DiagnosisResult]:
        """Answer for every service that has, wants or had the subject; at least one answer."""
        finder = self.store.finder
        text, kind = _read(subject)
        journaled = finder.journaled_naming(text, self.journal_searched)
        found = self._services(text, kind)
        found = found or sorted({service for service, _ in journaled if service})
        rows = {} if found else self._rows_anywhere(text, kind)
        found = found or self._tagged(rows)
        if found:
            asked = text if kind else ""
            return [it for service_id in found for it in self._of_devices(service_id, asked)]
        dead_letters = self.store.views.dead_letters(self.dead_letters_searched)
        seen = {name: each for name, each in rows.items() if isinstance(each, Observation)}
        silent = {name: each for name, each in rows.items() if isinstance(each, str)}
        named = finder.dead_letters_naming(text, dead_letters)
        return [DiagnosisResult(explain_unknown(text, seen, silent, named, self.installation))]

    def service(self, service_id: str) -> DiagnosisResult:
        """Answer for one service, and for each further device of it."""
        stored = self.store.records.read([service_id])[service_id].record
        first, *further = self._answers(stored, ["", *stored.devices])
        return replace(first, further=further)

    def _of_devices(self, service_id: str, text: str) -> list[DiagnosisResult]:
        """Answers for the devices of a service with a MAC or an address; empty text: for all."""
        record = self.store.records.read([service_id])[service_id].record
        first = {"mac": record.value("mac"), "address": record.value("address") or {}}
        devices: Any = {"": first, **record.devices}
        held = {n: (d.get("mac"), d["address"].get("ipv4")) for n, d in devices.items()}
        named = [number for number, values in held.items() if text in values]
        return self._answers(record, list(devices) if not text else named or [""])

    def _answers(self, stored: ServiceRecord, numbers: Sequence[str]) -> list[DiagnosisResult]:
        """Answer for devices of a service by their numbers; empty: the first one."""
        routers = list(stored.placements)
        if stored.row_router is not None and stored.row_router not in routers:
            routers.append(stored.row_router)
        view = self.store.views.service(stored.service_id, routers)
        answers: list[DiagnosisResult] = []
        facts: Facts | None = None
        for number in numbers:
            name = member_id(stored.service_id, number)
            record = as_service(stored, number)._replace(service_id=name) if number else stored
            seen = self._see(record, routers, _entries(stored, number, self.policies))
            entries = _entries(stored, number, self._as_held(seen))
            at = [self._at(r, record, entries.get(r), view, seen.get(r)) for r in routers]
            # What the store knows of the service is read once for all its devices.
            facts = facts or self._facts(stored, view)
            now_ms, coming = self.store.records.now_ms(), scheduled_events(record)
            facts = replace(facts, now_ms=now_ms, record=record, at=at, scheduled=coming)
            ipv6 = explain_ipv6(facts, self.when)
            answers.append(DiagnosisResult(explain(facts, self.when), facts, view, ipv6, entries))
        return answers

    def _facts(self, record: ServiceRecord, view: ServiceView | None) -> Facts:
        """What the store knows of a service, but for its routers."""
        finder, service_id = self.store.finder, record.service_id
        dead_letters = self.store.views.dead_letters(self.dead_letters_searched)
        workers = self.store.heartbeats.workers()
        return Facts(
            now_ms=self.store.records.now_ms(),
            installation=self.installation,
            record=record,
            journaled=[
                entry
                for owner, entry in finder.journaled_naming(service_id, self.journal_searched)
                if owner == service_id
            ],
            dead_letters=finder.dead_letters_naming(service_id, dead_letters),
            effect=next((o.effect for o in view.events if o.effect), None) if view else None,
            inventories=self.store.views.inventories(workers),
            workers=frozenset(name.partition("@")[0] for name in workers),
        )

    def _services(self, text: str, kind: str) -> list[str]:
        """Find services by id or by claims, held or wanted, else by a search of all records."""
        if not kind:
            return [*self.store.records.known([text])] or self._claiming(f"name:{text}")
        claim = prefix_key(text) if kind in ("prefix", "ipv6") else f"{kind}:{text}"
        return self._claiming(claim) or self.store.finder.services_naming(text)

    def _claiming(self, key: str) -> list[str]:
        """The services that hold or want a claim."""
        found: set[str] = set()
        for router in self.policies:
            for held in self.store.claims.at(router, [key]):
                found |= {held.holder, *held.waiters}
        return sorted(found)

    def _rows_anywhere(self, text: str, kind: str) -> Mapping[str, Observation | str]:
        """Rows on any router for a subject that no service has."""
        binding = text if "/" in text else f"{text}/128"  # as its row has it
        query = LeaseQuery(
            devices=frozenset({text} if kind == "mac" else ()),
            addresses=frozenset({text} if kind == "address" else ()),
            comments=frozenset(() if kind else {tag_text(self.installation, text)}),
            bindings=BindingQuery(addresses={binding}) if kind in ("prefix", "ipv6") else None,
        )
        return self.look(dict.fromkeys(self.policies, query)) if self.look else {}

    def _tagged(self, rows: Mapping[str, Observation | str]) -> list[str]:
        """The existing services that own some of these rows."""
        named = {
            tag.service_id
            for seen in rows.values()
            if isinstance(seen, Observation)
            for comment in _comments(seen)
            for tag in [parse_tag(comment)]
            if tag is not None and tag.installation == self.installation
        }
        return sorted(self.store.records.known(sorted(named)))

    def _see(
        self, record: ServiceRecord, routers: Iterable[str], entries: Mapping[str, Entry]
    ) -> Mapping[str, Observation | str]:
        """Read the rows of a service, rows that block them, and its device from its routers."""
        if self.look is None:
            return {}
        queries = {}
        for name in routers:
            placement, entry = record.placements.get(name), entries.get(name)
            rows = [entry.fields if entry else None, placement.written if placement else None]
            named = [fields for fields in rows if fields is not None]
            queries[name] = LeaseQuery(
                devices=frozenset(map(device_of, named)),
                addresses=frozenset(fields["address"] for fields in named),
                comments=frozenset({tag_text(self.installation, record.service_id)}),
                bindings=self._bindings(record.service_id, entry, placement),
            )
        return self.look(queries)

    def _bindings(
        self, service_id: str, entry: Entry | None, placement: Placement | None
    ) -> BindingQuery | None:
        """The bindings to read for a service; None: it has no IPv6 there."""
        wanted = entry.bindings if entry else ()
        own = [*wanted, *(placement.bindings if placement else ())]
        if not own:
            return None
        return BindingQuery(
            addresses=frozenset(binding.address for binding in own),
            comments=frozenset({tag_text(self.installation, service_id)}),
        )

    def _as_held(self, seen: Mapping[str, Observation | str]) -> Mapping[str, RouterPolicy]:
        """The policies, with the menu in which each router that was read keeps its entries."""
        asked = {
            name: self.policies[name].held_in(each.entries)
            for name, each in seen.items()
            if isinstance(each, Observation)
        }
        return {**self.policies, **asked}

    def _at(
        self,
        name: str,
        record: ServiceRecord,
        entry: Entry | None,
        view: ServiceView | None,
        seen: Observation | str | None,
    ) -> AtRouter:
        state = self.store.views.state(name)
        why = view.waiting.get(name) if view else None
        placement = record.placements.get(name)
        policy = self.policies.get(name)
        applied = self.store.fleet.policies([name]).get(name)
        queued = view is not None and name in view.queued
        further = number_of_member(record.service_id)
        if why and further and device_named(why["detail"]) not in ("", further):
            why, queued = None, False
        waits = why is not None and why["reason"] == "claim-held"
        facts = self.store.memory.effect(name)
        shadow = facts.shadow_of(entry.queue.address) if entry and entry.queue else None
        return AtRouter(
            name=name,
            known=name in self.policies,
            state=state.state,
            observed=applied.observes if applied else bool(policy and policy.mode == "observe"),
            is_right=bool(placement and placement.seen_ms),
            since_ms=state.since_ms,
            next_at_ms=state.next_at_ms,
            cause=state.cause,
            message=state.message,
            wants=entry.fields if entry else None,
            written=placement.written if placement else None,
            written_at_ms=_written_at(name, view, further),
            bindings=entry.bindings if entry else (),
            written_bindings=placement.bindings if placement else (),
            queued=queued,
            why=Why(why["reason"], why["detail"], why["since_ms"]) if why else None,
            holders=self._holders(name, record.service_id, entry) if waits and entry else (),
            misfit=self.store.memory.setup(name).misfit(record.service_id, entry.fields["address"])
            if entry and entry.fields
            else None,
            seen=seen if isinstance(seen, Observation) else None,
            silence=seen if isinstance(seen, str) else "",
            findings=findings(facts, policy) if policy else (),
            shadow=str(shadow or ""),
        )

    def _holders(self, router: str, service_id: str, entry: Entry) -> Sequence[Holder]:
        """The services that hold claims of an entry, and their sync status on the router."""
        service = service_of_member(service_id)
        others = self.store.claims.of_others(router, service, entry.claims)
        held = [(claim.text, claim.holder) for claim in others]
        records = self.store.records.read(sorted({holder for _, holder in held}))
        views = {holder: self.store.views.service(holder, [router]) for _, holder in held}
        found = []
        for claim, holder in held:
            view = views[holder]
            why = view.waiting.get(router, {}) if view else {}
            queued = view is not None and router in view.queued
            sync = sync_status(RouterState(), why, queued=queued).sync
            message = str(why.get("detail", ""))
            found.append(Holder(claim, holder, records[holder].record.status, sync, message))
        return found


def _entries(
    record: ServiceRecord, number: str, policies: Mapping[str, RouterPolicy]
) -> Mapping[str, Entry]:
    """The entries of a service by router, or those of a further device."""
    entries = wanted_entries(record, policies)
    if not number:
        return entries
    return {name: e.devices[number] for name, e in entries.items() if number in e.devices}


def _read(subject: str) -> tuple[str, str]:
    """A MAC in normal form, an address, a prefix, or an id; with its kind, if it is no id."""
    text = subject.strip()
    kinds = {"mac": Mac48, "address": Ipv4, "prefix": Ipv6Prefix, "ipv6": Ipv6Address}
    for kind, type_ in kinds.items():
        try:
            return str(type_.parse(text)), kind
        except ValueError:
            continue
    return text, ""


def _comments(seen: Observation) -> Iterator[str]:
    yield from (row.lease.comment for row in seen.rows)
    yield from (row.comment for row in (seen.ipv6.rows if seen.ipv6 else ()))


def _written_at(router: str, view: ServiceView | None, number: str) -> int:
    """When a write for this device of the service on this router was last confirmed."""
    for line in view.history if view else ():
        of_router = line["what"] == "in sync" and line.get("router") == router
        wrote: Sequence[str] = line.get("wrote", ()) if of_router else ()
        if any(number == device_named(text) for text in wrote):
            return int(line["at_ms"])
    return 0
