"""Use case 4: a source counts anew, or another one takes over its services.

Each service goes by a commit of its own, checked by the generation of its record; whatever is left
after a crash goes when this is called again.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
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
    """The services that a source owns, or those of them that are named."""
    if only is None:
        found = store.views.services()
    else:
        found = iter(store.records.read(sorted(only)).values())
    return (each for each in found if each.record.owner == source)


@dataclass(frozen=True, slots=True)
class SourceChanges:
    """Changes owners and epochs.

    Attributes:
        store: the store.
        actor: the person who wants it.
    """

    store: Store
    actor: str

    def rebase(self, source: str) -> int:
        """Let the next word of a source be newer than all before; returns for how many services.

        Again, before anything new was said, it changes nothing.
        """
        done = self._change(source, None, rebased, "source-rebased", {"source": source})
        log.warning("source.rebased", source=source, services=done, actor=self.actor)
        return done

    def transfer(self, source: str, to: str, only: Collection[str] | None = None) -> int:
        """Give services of a source, or those of them that are named, to another one.

        Its first word is newer than all before, wherever it counts from.

        Returns:
            How many services.
        """
        done = self._change(
            source,
            only,
            lambda record: replace(rebased(record), owner=to),
            "source-transferred",
            {"source": source, "to": to},
        )
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
        done = 0
        some: list[Stored] = []
        for each in ownership_changes(self.store, source, only):
            some.append(each)
            if len(some) == _AT_A_TIME:
                done += self._commit(source, some, change, what, line)
                some = []
        return done + self._commit(source, some, change, what, line)

    def _commit(
        self,
        source: str,
        some: list[Stored],
        change: Callable[[ServiceRecord], ServiceRecord],
        what: str,
        line: dict[str, str],
    ) -> int:
        """Commit until each went through; another worker may be faster, and then that is read."""
        done = 0
        while some:
            now_ms = self.store.records.now_ms()
            text = line_to_json(now_ms, what, line | {"actor": self.actor})
            commits = [
                ServiceCommit(
                    each.record.service_id,
                    each.generation,
                    record,
                    ownership_changes=ownership_change(each.record, record),
                    lines=[text],
                )
                for each in some
                if each.record.owner == source and (record := change(each.record)) != each.record
            ]
            through = self.store.records.commit(commits, now_ms).done
            done += sum(through)
            again = [c.service_id for c, went in zip(commits, through, strict=True) if not went]
            some = list(self.store.records.read(again).values())
        return done


def rebased(record: ServiceRecord) -> ServiceRecord:
    """The record in a new epoch: whatever its owner says next is newer than all before."""
    return replace(record, epoch=record.highest.epoch + 1)
