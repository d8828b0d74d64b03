"""Gathers what a round is about: services with their claims, and the rows that concern them.

Asks the store and the router; decides nothing of what is written.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from worker.convergence.conclude import BatchItem
from worker.convergence.faults import Faults
from worker.convergence.prerequisites import MissingPrerequisites
from worker.convergence.refusals import Refusals
from worker.convergence.router_lock import RouterLock
from worker.core.entry.entry import Entry, claims_of, placeholder_mac
from worker.core.entry.wanted import kind_of, wanted_entries
from worker.core.plan.planner import Wanted, in_the_way, misnamed
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Waiting
from worker.core.rows.ownership import comment_for, tag_text
from worker.core.rows.rows import ADDRESS_LISTS, OPTIONS, Lease, MenuPath, Row, is_host_address
from worker.core.service.record import Placement
from worker.ports import LeaseQuery, RouterSession, Term
from worker.store.batches import WorkItem
from worker.store.store import Store

_Rows = dict[tuple[MenuPath, str], Row]


class Closed(NamedTuple):
    """A batch with all that concerns it.

    Attributes:
        items: the services, with those that stand in their way.
        rows: what was read of them.
        unknown: services that do not exist, though rows name them.
    """

    items: dict[str, BatchItem]
    rows: list[Row]
    unknown: frozenset[str]


class Gathering:
    """For the batches of one held router.

    Args:
        store: the store.
        session: to the router.
        policy: of the router.
        lock: the lease.
        prerequisites: what the router lacks.
        refusals: what it refused in this pass.
        faults: who may have made a pass fail.
    """

    def __init__(  # noqa: PLR0913 - the parts of a pass
        self,
        store: Store,
        session: RouterSession,
        policy: RouterPolicy,
        lock: RouterLock,
        *,
        prerequisites: MissingPrerequisites,
        refusals: Refusals,
        faults: Faults,
    ) -> None:
        self._store = store
        self._session = session
        self._policy = policy
        self._hold = lock
        self._router = lock.router
        self._prerequisites = prerequisites
        self._refusals = refusals
        self._faults = faults

    def items(self, work_items: Sequence[WorkItem]) -> list[BatchItem]:
        """What is wanted of each service, and why it was not so at its last look."""
        return [self._item(work_item) for work_item in work_items]

    def _item(self, work_item: WorkItem) -> BatchItem:
        record = work_item.stored.record
        entries = wanted_entries(record, {self._router: self._policy})
        entry = entries.get(self._router, Entry(work_item.service_id, None))
        placement = record.placements.get(self._router)
        place = placement or Placement(None)
        return BatchItem(
            work_item, self._router, entry, place.written, place.listed, before=work_item.before
        )

    def wanted(self, item: BatchItem) -> Wanted:
        """The look as the planner takes it."""
        return Wanted(
            item.entry,
            written=item.written,
            granted=item.refused is None,
            refused_because=item.refused,
            listed=item.listed,
            sent=item.work_item.sent or frozenset(),
        )

    def claim(self, items: Sequence[BatchItem]) -> dict[str, BatchItem]:
        """Ask for all claims that are not held; leaves out whose record has changed since."""
        claims = [(item, claims_of(item.entry)) for item in items]
        asking = [(item, each) for item, each in claims if each != item.work_item.held]
        answers = self._store.routers.claim(
            self._router,
            [
                (item.work_item.service_id, item.work_item.stored.generation, each)
                for item, each in asking
            ],
        )
        claimed = {
            item.work_item.service_id: item for item, each in claims if each == item.work_item.held
        }
        for (item, _), refused in zip(asking, answers, strict=True):
            if refused is None:
                continue
            if refused:
                item.refused = self._name_holders(refused, item.work_item.stored.record.owner)
            claimed[item.work_item.service_id] = item
        return claimed

    def _name_holders(self, refused: Sequence[tuple[str, str]], owner: str | None) -> Waiting:
        """In the words that the owner reads: others' services are named by `leasewire why`."""
        holders = self._store.records.readable(sorted({holder for _, holder in refused}))
        said = {
            holder: f"service {holder} ({each.record.status})"
            for holder, each in holders.items()
            if each.record.owner == owner
        }
        detail = "; ".join(
            f"{key} is held by {said.get(holder, 'a service of another source')}"
            for key, holder in refused
        )
        return Waiting("claim-held", detail)

    def _read(self, items: Collection[BatchItem]) -> _Rows:
        """The rows that the looks are about; a menu besides the leases only where one needs it."""
        rows: list[Row] = [*self._read_leases(items)]
        beside: dict[MenuPath, set[Term]] = {
            ADDRESS_LISTS: self._list_terms(items),
            OPTIONS: {Term("name", name) for item in items for name in item.entry.options},
        }
        for menu, terms in beside.items():
            if terms:
                rows += self._session.read_rows(menu, sorted(terms), self._hold.progress)
        return {(row.menu, row.id): row for row in rows}

    def _list_terms(self, items: Iterable[BatchItem]) -> set[Term]:
        terms: set[Term] = set()
        uses_lists = ADDRESS_LISTS in kind_of(self._policy).uses
        has_walled_garden = uses_lists and self._policy.suspend_list
        for item in items:
            near = {place.address for place in item.listed | item.entry.listed}
            # Of a row that landed late no record tells.
            closely = has_walled_garden and item.work_item.sent is not None
            if closely:
                leases = (each for each in (item.entry.fields, item.written) if each is not None)
                near |= {each["address"] for each in leases if is_host_address(each["address"])}
            terms |= {Term("address", address) for address in near}
            if near or closely:
                tag = tag_text(self._policy.installation, item.work_item.service_id)
                terms.add(Term("comment", tag))
        return terms

    def _read_leases(self, items: Collection[BatchItem]) -> list[Lease]:
        """What the looks want, what was last written, their tags."""
        # In order: what is wanted of each look, as rows mostly have it, and then what else may be.
        macs: dict[str, None] = {}
        addresses: dict[str, None] = {}
        comments: dict[str, None] = {}
        for item in items:
            fields = item.entry.fields or item.written
            if fields is not None:
                macs[fields["mac-address"]] = addresses[fields["address"]] = None
            comment = comment_for(
                self._policy.installation, item.work_item.service_id, item.entry.label
            )
            comments[comment] = None
        for item in items:
            if item.written is not None:
                macs[item.written["mac-address"]] = addresses[item.written["address"]] = None
            macs.update((each.mac, None) for each in item.work_item.sent or ())
            # A row that a crash left between two writes, should its comment have been edited.
            macs[placeholder_mac(item.work_item.service_id)] = None
            comments[tag_text(self._policy.installation, item.work_item.service_id)] = None
        query = LeaseQuery(macs.keys(), addresses.keys(), comments.keys())
        return self._session.read_leases(query, self._hold.progress)

    def close(self, items: dict[str, BatchItem]) -> Closed:
        """Read the rows, and bring in every service of ours whose row stands in the way.

        So swaps and rings resolve, however few services a batch has.
        """
        rows = self._read(items.values())
        # Nobody is held up by who may make a pass fail, or whose record cannot be read here.
        left_out = set(self._faults.suspected)
        unknown: set[str] = set()
        known: set[str] = set()
        while True:
            wanted = [self.wanted(item) for item in items.values()]
            read = list(rows.values())
            others = in_the_way(wanted, read, self._policy) - unknown - left_out
            if self._faults.tries_one:
                others = frozenset()
            named = misnamed(wanted, read, self._policy) - unknown - known - left_out
            if not others and not named:
                return Closed(items, read, frozenset(unknown))
            stored = self._store.records.readable(sorted(others | named))
            left_out |= (others | named) - stored.keys()
            unknown |= {name for name, each in stored.items() if not each.generation}
            known |= named - unknown
            # One whose record changes just now is left out, and found in the way once more.
            joined = self._join(others - unknown - left_out)
            items = items | joined
            rows = rows | self._read(joined.values())

    def _join(self, service_ids: Collection[str]) -> dict[str, BatchItem]:
        if not service_ids:
            return {}
        work_items = self._store.routers.join(self._router, sorted(service_ids))
        self._faults.join(work_items)
        items = self.claim(self.items(work_items))
        for item in items.values():
            # Others want what its row holds: it takes part, though it cannot have its own.
            item.refused = item.refused or self._prerequisites.of(item)
            in_vain = self._refusals.why_not(item)
            if in_vain is not None:
                item.gives_way = True
                item.entry = replace(item.entry, missing=in_vain)
        return items
