"""Adopts static rows that were on a router before us, by putting our tag into their comments.

Writes only comments, and only to rows that `core/full_read/adoption.py` finds for a service.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from worker.convergence.concurrency import RouterLock
from worker.convergence.full_read import read_bindings
from worker.core.entry.wanted import wanted_entries
from worker.core.full_read.adoption import KnownServices, SortedRow, sort_rows
from worker.core.full_read.binding_adoption import sort_bindings
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Set
from worker.core.rows.rows import (
    DEVICE_FIELDS,
    BindingRow,
    Identity,
    comment_for,
    identity_of,
    service_of_member,
)
from worker.core.service.record import ServiceRecord
from worker.ports import RouterSession
from worker.store.store import Store

_TAGGED_AT_ONCE: Final = 200


class Adopted(NamedTuple):
    """The result.

    Attributes:
        tagged: services whose row has our tag now; twice, if it is a lease and a binding.
        refused: services, each with the message of the router.
    """

    tagged: Sequence[str]
    refused: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Adoption:
    """Adopts rows of one router, by its policy for the menu of the session."""

    store: Store
    router: str
    policy: RouterPolicy

    def sort(
        self, session: RouterSession, to_come: Iterable[ServiceRecord] = ()
    ) -> list[SortedRow]:
        """Read the router, and find the service of every static lease, and of every binding.

        DHCPv6 bindings are read only where a service has IPv6.

        `to_come` are future records of services whose events are not published yet.
        """
        known, installation = self._known(to_come), self.policy.installation
        found = sort_rows(session.read_leases(None, lambda: None), known, installation)
        if any(entry.bindings for entry in known.entries.values()):
            found += sort_bindings(read_bindings(session, lambda: None), known, installation)
        return found

    def _known(self, to_come: Iterable[ServiceRecord]) -> KnownServices:
        records = {read.record.service_id: read.record for read in self.store.views.services()}
        records |= {record.service_id: record for record in to_come}
        policies: Mapping[str, RouterPolicy] = {self.router: self.policy}
        entries, elsewhere = {}, {}
        for service_id, record in records.items():
            entry = wanted_entries(record, policies).get(self.router)
            if entry is not None and not entry.is_over:
                entries[service_id] = entry
                entries |= {each.member: each for each in entry.devices.values() if each.fields}
                continue
            is_over = record.status == "cancelled"
            where = "cancelled" if is_over else f"on router {record.router}"
            for field, word in DEVICE_FIELDS.items():
                if device := record.device_in(field):
                    elsewhere[device] = f"its {word} belongs to {service_id}, which is {where}"
        return KnownServices(entries, elsewhere, records.keys())

    def apply(
        self, session: RouterSession, lock: RouterLock, rows: Sequence[SortedRow], actor: str
    ) -> Adopted:
        """Put our tag in front of the comments of rows, and have their services checked.

        The rows are from a `sort` under this router lock, which keeps passes away.

        Raises:
            LockLost, RouterUnreachable, RouterBlocked: by the lock or the session. Rows that have
                their tag by then are ours; calling this again continues with the rest.
        """
        tagged: list[str] = []
        refused: list[tuple[str, str]] = []
        for start in range(0, len(rows), _TAGGED_AT_ONCE):
            some = rows[start : start + _TAGGED_AT_ONCE]
            self._begin(lock, some)
            written = session.write(
                [self._tagging(n, row) for n, row in enumerate(some, start + 1)], lock.progress
            )
            for row, result in zip(some, written, strict=True):
                if result.refusal is None:
                    tagged.append(row.service_id)
                else:
                    refused.append((row.service_id, result.refusal.message))
        if tagged:
            detail, services = (
                f"{len(tagged)} rows",
                [service_of_member(n.service_id) for n in rows],
            )
            every = list(dict.fromkeys(services))
            self.store.fleet.recheck(
                self.router, every, "rows_adopted", detail, actor, lock_id=lock.lock_id
            )
        return Adopted(tagged, refused)

    def _begin(self, lock: RouterLock, rows: Sequence[SortedRow]) -> None:
        """Note the rows as a pass notes what it adds: should this end here, it is looked for.

        A person's text behind the tag hides a row from who looks for the tag alone.
        """
        rows_of: dict[str, list[Identity]] = {}
        for found in rows:
            noted = rows_of.setdefault(service_of_member(found.service_id), [])
            if isinstance(found.row, BindingRow):
                noted.append(Identity("", found.row.address, found.row.server))
            else:
                noted.append(identity_of(found.row.fields))
        lock.begin_writing(list(rows_of), frozenset(), rows_of)

    def _tagging(self, number: int, found: SortedRow) -> Set:
        comment = comment_for(self.policy.installation, found.service_id, found.row.comment)
        was = {"comment": found.row.comment}
        return Set(
            number, found.service_id, found.row.id, {"comment": comment}, was, menu=found.row.menu
        )
