"""Rebases a source that restarts its revisions, or transfers its services to another source.

Each service has its own commit, checked by the generation of its record. Services that are left
after a crash are changed when this is called again.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import structlog

from worker.core.entry.brake import ownership_change
from worker.core.service.history import line_to_json
from worker.core.service.record import ServiceRecord
from worker.store.commits import ServiceCommit
from worker.store.records import Stored
from worker.store.store import Store

log = structlog.get_logger()

_AT_A_TIME: Final = 50


def ownership_changes(
    store: Store, source: str, only: Collection[str] | None = None
) -> Iterator[Stored]:
    """All services that a source owns, or those of `only`."""
    if only is None:
        found = store.views.services()
    else:
        found = iter(store.records.read(sorted(only)).values())
    return (stored for stored in found if stored.record.owner == source)


@dataclass(frozen=True, slots=True)
class SourceChanges:
    """Changes owners and epochs."""

    store: Store
    actor: str

    def rebase(self, source: str) -> int:
        """Make the next event of a source newer than all before; returns for how many services.

        A second call before a new event changes nothing.
        """
        done = self._change(source, None, rebased, "source-rebased", {"source": source})
        if done:
            self.store.audit.record(self.actor, "source.rebased", source, f"{done} services")
        log.warning("source.rebased", source=source, services=done, actor=self.actor)
        return done

    def transfer(self, source: str, to: str, only: Collection[str] | None = None) -> int:
        """Give all services of a source, or those of `only`, to another source.

        The first event of that source is newer than all before, whatever its revision.

        Returns:
            Number of services.
        """
        done = self._change(
            source,
            only,
            lambda record: rebased(record)._replace(owner=to),
            "source-transferred",
            {"source": source, "to": to},
        )
        if done:
            detail = f"{done} services to {to}"
            self.store.audit.record(self.actor, "source.transferred", source, detail)
        log.warning("source.transferred", source=source, to=to, services=done, actor=self.actor)
        return done

    def _change(
        self,
        source: str,
        only: Collection[str] | None,
        change: Callable[[ServiceRecord], ServiceRecord],
        what: str,
        line: dict[str, str],
    ) -> int:
        """Commit until all are committed; a record that another worker changed is read again."""
        done, some = 0, list[Stored]()
        services = ownership_changes(self.store, source, only)
        while some := some or list(islice(services, _AT_A_TIME)):
            now_ms = self.store.records.now_ms()
            text = line_to_json(now_ms, what, line | {"actor": self.actor})
            commits = [
                ServiceCommit(
                    stored.record.service_id,
                    stored.generation,
                    record,
                    ownership_changes=ownership_change(stored.record, record),
                    lines=[text],
                )
                for stored in some
                if stored.record.owner == source
                and (record := change(stored.record)) != stored.record
            ]
            through = self.store.records.commit(commits, now_ms).done
            done += sum(through)
            again = [c.service_id for c, went in zip(commits, through, strict=True) if not went]
            some = list(self.store.records.read(again).values())
        return done


def rebased(record: ServiceRecord) -> ServiceRecord:
    """The record in a new epoch: the next event of its owner is newer than all before."""
    return record._replace(epoch=record.highest.epoch + 1)
