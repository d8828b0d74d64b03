"""Gathers what a round is about: services with their claims, and the rows that concern them.

Asks the store and the router; decides nothing of what is written.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from worker.convergence.conclude import Look
from worker.convergence.faults import Faults
from worker.convergence.prerequisites import MissingPrerequisites
from worker.convergence.refusals import Refusals
from worker.convergence.router_lock import Hold
from worker.core.entry.entry import Entry, claims_of, placeholder_mac, wanted_entries
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
        looks: the services, with those that stand in their way.
        rows: what was read of them.
        unknown: services that do not exist, though rows name them.
    """

    looks: dict[str, Look]
    rows: list[Row]
    unknown: frozenset[str]


class Gathering:
    """For the batches of one held router.

    Args:
        store: the store.
        session: to the router.
        policy: of the router.
        hold: the lease.
        prerequisites: what the router lacks.
        refusals: what it refused in this pass.
        faults: who may have made a pass fail.
    """

    def __init__(  # noqa: PLR0913 - the parts of a pass
        self,
        store: Store,
        session: RouterSession,
        policy: RouterPolicy,
        hold: Hold,
        *,
        prerequisites: MissingPrerequisites,
        refusals: Refusals,
        faults: Faults,
    ) -> None:
        self._store = store
        self._session = session
        self._policy = policy
        self._hold = hold
        self._router = hold.router
        self._prerequisites = prerequisites
        self._refusals = refusals
        self._faults = faults

    def looks(self, work_items: Sequence[WorkItem]) -> list[Look]:
        """What is wanted of each service, and why it was not so at its last look."""
        return [self._look(work_item) for work_item in work_items]

    def _look(self, work_item: WorkItem) -> Look:
        record = work_item.stored.record
        entries = wanted_entries(record, {self._router: self._policy})
        entry = entries.get(self._router, Entry(work_item.service_id, None))
        placement = record.placements.get(self._router)
        place = placement or Placement(None)
        return Look(
            work_item, self._router, entry, place.written, place.listed, before=work_item.before
        )

    def wanted(self, look: Look) -> Wanted:
        """The look as the planner takes it."""
        return Wanted(
            look.entry,
            written=look.written,
            granted=look.refused is None,
            refused_because=look.refused,
            listed=look.listed,
            sent=look.work_item.sent or frozenset(),
        )

    def claim(self, looks: Sequence[Look]) -> dict[str, Look]:
        """Ask for all claims that are not held; leaves out whose record has changed since."""
        claims = [(look, claims_of(look.entry)) for look in looks]
        asking = [(look, each) for look, each in claims if each != look.work_item.held]
        answers = self._store.routers.claim(
            self._router,
            [
                (look.work_item.service_id, look.work_item.stored.generation, each)
                for look, each in asking
            ],
        )
        claimed = {
            look.work_item.service_id: look for look, each in claims if each == look.work_item.held
        }
        for (look, _), refused in zip(asking, answers, strict=True):
            if refused is None:
                continue
            if refused:
                look.refused = self._name_holders(refused, look.work_item.stored.record.owner)
            claimed[look.work_item.service_id] = look
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

    def _read(self, looks: Collection[Look]) -> _Rows:
        """The rows that the looks are about; a menu besides the leases only where one needs it."""
        rows: list[Row] = [*self._read_leases(looks)]
        beside: dict[MenuPath, set[Term]] = {
            ADDRESS_LISTS: self._list_terms(looks),
            OPTIONS: {Term("name", name) for look in looks for name in look.entry.options},
        }
        for menu, terms in beside.items():
            if terms:
                rows += self._session.read_rows(menu, sorted(terms), self._hold.progress)
        return {(row.menu, row.id): row for row in rows}

    def _list_terms(self, looks: Iterable[Look]) -> set[Term]:
        terms: set[Term] = set()
        has_walled_garden = self._policy.suspend_list and self._policy.entries != "mac-server"
        for look in looks:
            near = {place.address for place in look.listed | look.entry.listed}
            # Of a row that landed late no record tells.
            closely = has_walled_garden and look.work_item.sent is not None
            if closely:
                leases = (each for each in (look.entry.fields, look.written) if each is not None)
                near |= {each["address"] for each in leases if is_host_address(each["address"])}
            terms |= {Term("address", address) for address in near}
            if near or closely:
                tag = tag_text(self._policy.installation, look.work_item.service_id)
                terms.add(Term("comment", tag))
        return terms

    def _read_leases(self, looks: Collection[Look]) -> list[Lease]:
        """What the looks want, what was last written, their tags."""
        # In order: what is wanted of each look, as rows mostly have it, and then what else may be.
        macs: dict[str, None] = {}
        addresses: dict[str, None] = {}
        comments: dict[str, None] = {}
        for look in looks:
            fields = look.entry.fields or look.written
            if fields is not None:
                macs[fields["mac-address"]] = addresses[fields["address"]] = None
            comment = comment_for(
                self._policy.installation, look.work_item.service_id, look.entry.label
            )
            comments[comment] = None
        for look in looks:
            if look.written is not None:
                macs[look.written["mac-address"]] = addresses[look.written["address"]] = None
            macs.update((each.mac, None) for each in look.work_item.sent or ())
            # A row that a crash left between two writes, should its comment have been edited.
            macs[placeholder_mac(look.work_item.service_id)] = None
            comments[tag_text(self._policy.installation, look.work_item.service_id)] = None
        query = LeaseQuery(macs.keys(), addresses.keys(), comments.keys())
        return self._session.read_leases(query, self._hold.progress)

    def close(self, looks: dict[str, Look]) -> Closed:
        """Read the rows, and bring in every service of ours whose row stands in the way.

        So swaps and rings resolve, however few services a batch has.
        """
        rows = self._read(looks.values())
        # Nobody is held up by who may make a pass fail, or whose record cannot be read here.
        left_out = set(self._faults.suspected)
        unknown: set[str] = set()
        known: set[str] = set()
        while True:
            wanted = [self.wanted(look) for look in looks.values()]
            read = list(rows.values())
            others = in_the_way(wanted, read, self._policy) - unknown - left_out
            if self._faults.tries_one:
                others = frozenset()
            named = misnamed(wanted, read, self._policy) - unknown - known - left_out
            if not others and not named:
                return Closed(looks, read, frozenset(unknown))
            stored = self._store.records.readable(sorted(others | named))
            left_out |= (others | named) - stored.keys()
            unknown |= {name for name, each in stored.items() if not each.generation}
            known |= named - unknown
            # One whose record changes just now is left out, and found in the way once more.
            joined = self._join(others - unknown - left_out)
            looks = looks | joined
            rows = rows | self._read(joined.values())

    def _join(self, service_ids: Collection[str]) -> dict[str, Look]:
        if not service_ids:
            return {}
        work_items = self._store.routers.join(self._router, sorted(service_ids))
        self._faults.join(work_items)
        looks = self.claim(self.looks(work_items))
        for look in looks.values():
            # Others want what its row holds: it takes part, though it cannot have its own.
            look.refused = look.refused or self._prerequisites.of(look)
            in_vain = self._refusals.why_not(look)
            if in_vain is not None:
                look.gives_way = True
                look.entry = replace(look.entry, missing=in_vain)
        return looks
