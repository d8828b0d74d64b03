"""Takes over static rows that were on a router before us, by putting our tag into their comments.

Writes nothing but comments, and only to rows that `core/adoption.py` says are a service's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from worker.convergence.router_lock import RouterLock
from worker.core.entry.wanted import wanted_entries
from worker.core.full_read.adoption import KnownServices, SortedRow, sort_rows
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Set
from worker.core.rows.ownership import comment_for
from worker.core.service.record import ServiceRecord
from worker.ports import RouterSession
from worker.store.store import Store

_TAGGED_AT_ONCE: Final = 200


class Adopted(NamedTuple):
    """What was done.

    Attributes:
        tagged: services whose row has our tag now.
        refused: services, each with the router's words.
    """

    tagged: Sequence[str]
    refused: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Adoption:
    """Of one router.

    Attributes:
        store: the store.
        router: its name.
        policy: of the router, as held in the session's menu.
    """

    store: Store
    router: str
    policy: RouterPolicy

    def sort(
        self, session: RouterSession, to_come: Iterable[ServiceRecord] = ()
    ) -> list[SortedRow]:
        """Read the router and say of every static row whose it is.

        Args:
            session: to the router.
            to_come: records as they will be, of services of which events are yet to be published.
        """
        rows = session.read_leases(None, lambda: None)
        return sort_rows(rows, self._known(to_come), self.policy.installation)

    def _known(self, to_come: Iterable[ServiceRecord]) -> KnownServices:
        records = {each.record.service_id: each.record for each in self.store.views.services()}
        records |= {record.service_id: record for record in to_come}
        policies: Mapping[str, RouterPolicy] = {self.router: self.policy}
        entries, elsewhere = {}, {}
        for service_id, record in records.items():
            entry = wanted_entries(record, policies).get(self.router)
            mac = record.value("mac")
            if entry is not None and not entry.is_over:
                entries[service_id] = entry
            elif mac is not None and record.status == "cancelled":
                elsewhere[str(mac)] = f"its MAC is that of {service_id}, which is cancelled"
            elif mac is not None:
                message = f"its MAC is that of {service_id}, which router {record.router} serves"
                elsewhere[str(mac)] = message
        return KnownServices(entries, elsewhere, records.keys())

    def apply(
        self, session: RouterSession, lock: RouterLock, rows: Sequence[SortedRow], actor: str
    ) -> Adopted:
        """Put our tag in front of the comments of rows, and have their services looked at.

        Args:
            session: to the router.
            lock: its lease, so that no pass is there meanwhile.
            rows: of a `sort` under this lease; those that are to be adopted.
            actor: who wants it.

        Raises:
            LockLost, RouterUnreachable, RouterBlocked: as the hold and the session do; rows that
                have their tag by then are ours, and calling this again goes on with the rest.
        """
        tagged: list[str] = []
        refused: list[tuple[str, str]] = []
        for start in range(0, len(rows), _TAGGED_AT_ONCE):
            some = rows[start : start + _TAGGED_AT_ONCE]
            lock.renew()
            written = session.write(
                [self._tagging(n, each) for n, each in enumerate(some, start + 1)], lock.progress
            )
            for each, result in zip(some, written, strict=True):
                if result.refusal is None:
                    tagged.append(each.service_id)
                else:
                    refused.append((each.service_id, result.refusal.message))
        if tagged:
            detail = f"{len(tagged)} rows"
            self.store.fleet.recheck(self.router, tagged, "adopt", detail, actor)
        return Adopted(tagged, refused)

    def _tagging(self, number: int, each: SortedRow) -> Set:
        comment = comment_for(self.policy.installation, each.service_id, each.row.comment)
        was = {"comment": each.row.comment}
        return Set(number, each.service_id, each.row.id, {"comment": comment}, was)
