"""Gathers what a round needs: the services with their claims, and the rows that concern them.

Asks the store and the router; decides nothing about writes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from worker.convergence.batch_item import NOTHING_KNOWN, BatchItem, lease_query, with_unknown_rows
from worker.convergence.concluder import Concluder
from worker.convergence.ipv6_terms import (
    binding_terms,
    list_terms6,
    may_need_any,
)
from worker.core.entry.entry import Entry
from worker.core.entry.wanted import wanted_entries
from worker.core.plan.member import Wanted
from worker.core.plan.planner import in_the_way, misnamed
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Waiting
from worker.core.rows.prefixes import claim_text
from worker.core.rows.queues import QueueRow, owner_of, queue_name
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ADDRESS_LISTS6,
    BINDINGS,
    OPTIONS,
    QUEUES,
    MenuPath,
    Row,
    RowKey,
    device_of,
    is_host_address,
    tag_text,
)
from worker.ports import FieldEquals, LeaseQuery
from worker.store.batches import WorkItem


@dataclass(frozen=True, slots=True)
class Gathered:
    """A closed batch: with every service whose row is in the way of another.

    Attributes:
        items: the services.
        wanted: what they want, in the same order.
        index: the rows that were read for them.
    """

    items: dict[str, BatchItem]
    wanted: list[Wanted]
    index: RowIndex


class Gatherer:
    """Gathers the batches of one pass.

    Args:
        policy: of the router.
        concluder: knows what the router lacks and refused, and which services made passes fail.
    """

    def __init__(self, policy: RouterPolicy, concluder: Concluder) -> None:
        self._store = concluder.store
        self._session = concluder.session
        self._policy = policy
        self._kind = concluder.kind
        self._lock = concluder.lock
        self._router = concluder.lock.router
        self._prerequisites = concluder.prerequisites
        self._refusals = concluder.refusals
        self._faults = concluder.faults
        self._closely: dict[str, bool] = {}  # services that were read once

    def items(self, work_items: Sequence[WorkItem]) -> list[BatchItem]:
        """What each service wants on the router, and what was written there."""
        return [self._item(work_item) for work_item in work_items]

    def _item(self, work_item: WorkItem) -> BatchItem:
        record = work_item.stored.record
        entries = wanted_entries(record, {self._router: self._policy})
        entry = entries.get(self._router, Entry(work_item.service_id, None))
        if entry.fields is not None:
            if self._kind.secrets:
                entry = replace(entry, fields=self._session.renewed(entry.fields))
            entry = self._kind.taking_back(entry, work_item.sent or ())
        at = record.placements.get(self._router, NOTHING_KNOWN)
        item = BatchItem(work_item, self._router, entry, at)
        return item.closely() if item.may_have_unknown_rows else item

    def claim(self, items: Sequence[BatchItem], *, just_taken: bool = True) -> dict[str, BatchItem]:
        """Request all claims that are not held; leaves out services whose record has changed.

        Args:
            items: the services.
            just_taken: no others worked since they were taken: those may have what these held.
        """
        claims = [(item, item.entry.claims) for item in items]
        claimed = {
            item.service_id: item
            for item, keys in claims
            if just_taken and keys == item.work_item.held
        }
        requests = [(item, keys) for item, keys in claims if item.service_id not in claimed]
        if not requests:
            return claimed
        answers = self._store.routers.claim(
            self._router,
            [(item.service_id, item.work_item.stored.generation, keys) for item, keys in requests],
        )
        for (item, _), refused in zip(requests, answers, strict=True):
            if refused is None:
                continue
            why = self._name_holders(refused, item.record.owner) if refused else None
            claimed[item.service_id] = item if why is None else replace(item, refused=why)
        return claimed

    def _name_holders(self, refused: Sequence[tuple[str, str]], owner: str | None) -> Waiting:
        """Why claims are refused, as the owner may read it: others' services are not named."""
        holders = self._store.records.readable(sorted({holder for _, holder in refused}))
        names = {
            holder: f"service {holder} ({stored.record.status})"
            for holder, stored in holders.items()
            if stored.record.owner == owner
        }
        detail = "; ".join(
            f"{claim_text(key)} is held by {names.get(holder, 'a service of another source')}"
            for key, holder in refused
        )
        return Waiting("claim-held", detail)

    def close(
        self, items: dict[str, BatchItem], duplicates: frozenset[RowKey] = frozenset()
    ) -> Gathered:
        """Read the rows, and bring in every service of ours whose row is in the way.

        So swaps and rings resolve, however few services a batch has.

        Args:
            items: the batch.
            duplicates: rows that earlier plans of this session found to belong to no service.
        """
        members = with_further(items.values())
        rows = self._read(members)
        wanted = [item.wanted() for item in members]
        # A service that may make a pass fail, or whose record is unreadable, delays no other.
        left_out = set(self._faults.suspected)
        unknown: frozenset[str] = frozenset()
        known: frozenset[str] = frozenset()
        while True:
            index = RowIndex(
                rows.values(),
                self._policy.installation,
                duplicates,
                unknown,
                self._held(wanted, rows),
            )
            others = in_the_way(wanted, index) - unknown - left_out
            if others and self._faults.tries_one:
                others = frozenset()
            named = misnamed(wanted, index) - unknown - known - left_out
            if not others and not named:
                return Gathered(items, wanted, index)
            stored = self._store.records.readable(sorted(others | named))
            left_out |= (others | named) - stored.keys()
            # Of an incomplete one Redis may have lost what says that it has this row.
            unknown |= {n for n, found in stored.items() if found.record.status == "incomplete"}
            known |= named - unknown
            # A service whose record changes just now is left out, and found in the way again.
            joined = self._join(others - unknown - left_out)
            items = items | joined
            members = with_further(joined.values())
            wanted = wanted + [item.wanted() for item in members]
            rows = rows | self._read(members)

    def _join(self, service_ids: Collection[str]) -> dict[str, BatchItem]:
        if not service_ids:
            return {}
        work_items = self._store.routers.join(self._router, sorted(service_ids))
        self._faults.join(work_items)
        joined = self.claim(self.items(work_items))
        return {service_id: self._giving_way(item) for service_id, item in joined.items()}

    def _giving_way(self, item: BatchItem) -> BatchItem:
        """A service whose row others want: it takes part even if it cannot have its own."""
        if item.refused is None:
            found = self._prerequisites.check(item)
            item = replace(item, refused=found.missing, warning=found.misfit)
        in_vain = self._refusals.why_not(item)
        if in_vain is None:
            return item
        return replace(item, gives_way=True, entry=replace(item.entry, missing=in_vain))

    def _read(self, items: Collection[BatchItem]) -> dict[RowKey, Row]:
        """The rows that concern the services; all of those of which Redis lost what they had."""
        items = [item.closely() if self._closely.get(item.service_id) else item for item in items]
        rows = self._read_known(items)
        new = [item for item in items if item.service_id not in self._closely]
        if not new:
            return rows
        lost = with_unknown_rows(new, rows.values(), self._policy.installation)
        self._closely |= {item.service_id: item.service_id in lost for item in new}
        return self._read(items) if lost else rows

    def _read_known(self, items: Collection[BatchItem]) -> dict[RowKey, Row]:
        """The rows that concern the services; a menu besides the leases only where needed."""
        query = lease_query(items, self._policy.installation, self._kind.device)
        rows: list[Row] = [*self._session.read_leases(query, self._lock.progress)]
        terms_of: Mapping[MenuPath, set[FieldEquals]] = {
            ADDRESS_LISTS: self._list_terms(items),
            OPTIONS: {FieldEquals("name", name) for item in items for name in item.entry.options},
        }
        for menu, terms in terms_of.items():
            if terms:
                rows += self._session.read_rows(menu, sorted(terms), self._lock.progress)
        rows += self._read_queues(items)
        # Of a service that has no IPv6, one that is looked at closely may have rows all the same.
        concerned = [
            item
            for item in items
            if item.entry.bindings
            or item.at.bindings
            or item.at.listed
            or item.work_item.sent is not None
        ]
        if concerned:
            rows += self._read_ipv6(concerned)
        return {row.key: row for row in rows}

    def _read_ipv6(self, items: Collection[BatchItem]) -> list[Row]:
        """The rows of IPv6 that concern the services; all bindings where any may matter."""
        concerned = [
            item for item in items if item.may_have_ipv6 or item.work_item.sent is not None
        ]
        if not concerned:
            return []
        setup = self._session.read_ipv6_setup(fresh=False)
        if setup.servers == frozenset():  # no rows without a server but those that a record knows
            concerned = [item for item in concerned if item.may_have_ipv6]
        # A router that has lost its IPv6 has no row of it; its services wait for that.
        if not concerned or not setup.has_menu:
            return []
        installation, progress = self._policy.installation, self._lock.progress
        bindings = {term for item in concerned for term in binding_terms(item, installation)}
        whole = any(map(may_need_any, concerned))
        rows = self._session.read_rows(BINDINGS, None if whole else sorted(bindings), progress)
        listed = {term for item in concerned for term in list_terms6(item, installation)}
        return rows + self._session.read_rows(ADDRESS_LISTS6, sorted(listed), progress)

    def _read_queues(self, items: Iterable[BatchItem]) -> list[Row]:
        """The queues that concern the services; the whole menu where their order matters."""
        concerned = [item for item in items if self._may_have_queue(item)]
        if not concerned:
            return []
        if not any(item.needs_order for item in concerned):
            rows = self._session.read_rows(
                QUEUES, self._queue_terms(concerned), self._lock.progress
            )
            installation = self._policy.installation
            owners = {owner_of(row, installation) for row in rows if isinstance(row, QueueRow)}
            if all(item.entry.queue is None or item.service_id in owners for item in concerned):
                return rows
        return self._session.read_rows(QUEUES, None, self._lock.progress)

    def _may_have_queue(self, item: BatchItem) -> bool:
        # No record knows a queue that landed late, or that Redis lost; the policy may have changed.
        return bool(item.entry.queue or item.at.queue or item.work_item.sent is not None)

    def _queue_terms(self, items: Iterable[BatchItem]) -> list[FieldEquals]:
        names = [queue_name(self._policy.installation, item.service_id) for item in items]
        return [FieldEquals(field, name) for name in names for field in ("name", "comment")]

    def _held(
        self, wanted: Iterable[Wanted], rows: Mapping[RowKey, Row]
    ) -> Mapping[str, str] | None:
        """Which devices hold the leases of services whose limit moves from a queue to the lease."""
        installation = self._policy.installation
        owners = {owner_of(row, installation) for row in rows.values() if isinstance(row, QueueRow)}
        leases = [
            service.entry.fields
            for service in wanted
            if service.entry.service_id in owners
            and service.entry.queue is None
            and service.entry.shares is None
            and service.entry.fields
        ]
        if not leases:
            return None
        seen = self._session.observe(LeaseQuery(frozenset(map(device_of, leases))))
        return {row.lease.id: row.active_address for row in seen.rows if row.active_mac}

    def _list_terms(self, items: Iterable[BatchItem]) -> set[FieldEquals]:
        terms: set[FieldEquals] = set()
        uses_lists = ADDRESS_LISTS in self._kind.uses
        has_walled_garden = uses_lists and self._policy.suspend_list
        for item in items:
            places = item.at.listed | item.entry.listed
            addresses = {place.address for place in places if ":" not in place.address}
            # No record knows a row that landed late.
            closely = has_walled_garden and item.work_item.sent is not None
            if closely:
                leases = [fields for fields in (item.entry.fields, item.at.written) if fields]
                hosts = (lease["address"] for lease in leases if is_host_address(lease["address"]))
                addresses.update(hosts)
            terms |= {FieldEquals("address", address) for address in addresses}
            members = [item.member] if addresses or closely else []
            members += item.forgotten if has_walled_garden else []
            tags = (tag_text(self._policy.installation, name) for name in members)
            terms |= {FieldEquals("comment", tag) for tag in tags}
        return terms


def with_further(items: Iterable[BatchItem]) -> list[BatchItem]:
    """Return the items of a batch with those of their further devices."""
    every = [*items]
    for item in every[:]:
        if item.entry.devices:
            every += item.further()
    return every
