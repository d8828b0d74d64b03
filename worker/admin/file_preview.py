"""Previews the changes of a file: its rows are folded without a commit.

`accept` folds them in the same way, so the preview is what would happen, unless something else
changes meanwhile.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from contracts import names
from worker.admin.pool_preview import PoolPreview
from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.entry.entry import Claim
from worker.core.entry.wanted import placed, wanted_entries
from worker.core.policy.address_pool import AddressPools
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.prefixes import ClaimKeys, claim_text
from worker.core.rows.rows import scopes_meet
from worker.core.service.fold import former_only, with_present_names
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import DEFAULTS
from worker.intake.checks import CheckedEvent, NotAccepted, check, key_of
from worker.intake.folding import Folding
from worker.inventory import SourceConfig
from worker.store.commits import EventCommit
from worker.store.journal import JournalEntry
from worker.store.store import Store

Effect = Literal["new", "changed", "unchanged", "newer", "refused", "already_imported"]


class Previewed(NamedTuple):
    """The effect of the rows of one service.

    Attributes:
        service_id: the service.
        effect: `newer`: the record is newer than the row; `refused`: see `detail`.
        changes: register -> its value now, and its value afterwards.
        detail: why nothing would change.
        keys: of its events.
        after: the record afterwards; None: the rows were refused before they were folded.
    """

    service_id: str
    effect: Effect
    changes: Mapping[str, tuple[Any, Any]]
    detail: str = ""
    keys: tuple[str, ...] = ()
    after: ServiceRecord | None = None


class FilePreview:
    """Folds rows without a commit, by sources, policies and pools of the inventory.

    Attributes:
        unknown_routers: router that is not in the inventory -> number of services that would wait
            for it.
    """

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, SourceConfig],
        policies: Mapping[str, RouterPolicy],
        pools: AddressPools,
    ) -> None:
        self._store = store
        self._pools = PoolPreview(store, pools)
        self._sources = sources
        self._policies = policies
        self._keys: dict[str, ClaimKeys] = {}
        self._claimed: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        self._setups: dict[str, DhcpSetup] = {}
        self.unknown_routers: Counter[str] = Counter()
        self._warnings: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """Services that would wait, that no device could use, or that get another address."""
        return [*self._warnings, *self._pools.warnings()]

    def effects(self, events: Sequence[Mapping[str, object]]) -> dict[str, Effect]:
        """The effect of each event, by its key."""
        return {key: found.effect for found in self.of(events) for key in found.keys}

    def of(self, events: Sequence[Mapping[str, object]]) -> Iterable[Previewed]:
        """The effect of these events on each service, in order."""
        now_ms = self._store.records.now_ms()
        aliases = former_only(self._store.fleet.aliases(), self._policies)
        by_service: dict[str, list[CheckedEvent]] = {}
        for event in events:
            entry = JournalEntry(key_of(event), dict(event), names.QUEUE_BULK)
            found = check(entry, self._sources, now_ms)
            if isinstance(found, CheckedEvent):
                found = replace(found, event=with_present_names(found.event, aliases))
                by_service.setdefault(found.event.data.service_id, []).append(found)
            elif isinstance(found, NotAccepted):
                detail = f"{found.reason}: {found.detail}"
                yield Previewed(_service_of(event), "refused", {}, detail, keys=(entry.key,))
        keys = [event.ref.key for mine in by_service.values() for event in mine]
        seen = self._store.records.seen(keys, now_ms)
        stored = self._store.records.read(list(by_service))
        for service_id, mine in by_service.items():
            before = stored[service_id]
            commit = Folding(before, self._policies, now_ms).fold(mine, seen).commit()
            after = commit.record or before.record
            changes = _changes(before.record, after)
            effect, detail = _effect(commit.events)
            if changes:
                effect = "changed" if before.record.owner or before.generation else "new"
            self._check(after)
            self._pools.note(after, before.record)
            keys_of_it = tuple(event.ref.key for event in mine)
            yield Previewed(service_id, effect, changes, detail, keys_of_it, after)

    def _check(self, record: ServiceRecord) -> None:
        """Warn if the service would wait, or if no device could use its address.

        By the file, the inventory, and the DHCP setup of its router that a worker read last.
        """
        record = placed(record, self._policies)
        router, service_id = record.wanted_router, record.service_id
        if router is None:
            return
        if router not in self._policies:
            self.unknown_routers[router] += 1
            return
        for claim in sorted(wanted_entries(record, self._policies)[router].claims):
            first = self._claim(router, claim, service_id)
            if first != service_id:
                kind, _, value = claim_text(claim.key).partition(":")
                what = f"{'MAC address' if kind == 'mac' else kind} {value} on router {router}"
                self._warnings.append(f"{first} and {service_id} both want {what}: one waits")
        address = record.address
        if address is None:
            return
        if router not in self._setups:
            self._setups[router] = self._store.memory.setup(router)
        setup = self._setups[router]
        taken, misfit = setup.taken(address), setup.misfit(service_id, address)
        if taken is not None:
            self._warnings.append(f"{service_id}: waits: {taken.detail} ({router})")
        elif misfit is not None:
            message = f"{misfit.detail} ({router}): no device can use it"
            self._warnings.append(f"{service_id}: {message}")

    def _claim(self, router: str, claim: Claim, service_id: str) -> str:
        """Note what a service wants; returns the first service of the file that excludes it."""
        keys = self._keys.setdefault(router, ClaimKeys())
        others = (
            first
            for key in sorted(keys.met_by(claim.key))
            for scope, first in self._claimed[router, key].items()
            if scopes_meet(scope, claim.scope) and first != service_id
        )
        other = next(others, service_id)
        keys.add(claim.key)
        self._claimed[router, claim.key].setdefault(claim.scope, service_id)
        return other


def _effect(folded: Sequence[EventCommit]) -> tuple[Effect, str]:
    for event in folded:
        if event.counter == "rejected" and event.outcome is not None:
            return "refused", f"{event.outcome.reason}: {event.outcome.detail}"
    if folded and all(event.counter == "duplicate" for event in folded):
        return "already_imported", ""
    last = folded[-1] if folded else None
    if last is not None and last.counter == "superseded":
        return "newer", last.outcome.detail if last.outcome else ""
    return "unchanged", ""


def _changes(before: ServiceRecord, after: ServiceRecord) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (before.value(name), after.value(name)) for name in DEFAULTS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _service_of(event: Mapping[str, object]) -> str:
    data = event.get("data")
    return str(data.get("service_id", "")) if isinstance(data, Mapping) else ""
