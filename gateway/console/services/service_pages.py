"""Pages `services` and `service`: search, and all that is known of one service."""

from dataclasses import replace
from typing import Annotated, Final

from fastapi import Query

from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console.console import Console
from gateway.console.pages import PAGE_SIZE, PageNumber, Pages
from gateway.console.services import service_views
from gateway.console.services.search import SearchThread
from worker.admin.diagnosis import Diagnosis, DiagnosisResult, ReadRouters
from worker.admin.diagnosis_documents import (
    compared_fields,
    explained_service,
    timeline_documents,
)
from worker.admin.json_fields import utc_time, without_empty
from worker.admin.service_documents import ServiceList
from worker.admin.service_previews import possible_actions
from worker.admin.service_reader import ServiceReader, ServiceReading
from worker.core.entry.brake import HELD
from worker.core.service.record import ServiceRecord
from worker.errors import NotPossible
from worker.routeros.parallel_read import RowObserver
from worker.store.views import ServiceView

_LONGEST: Final = 100
_JOURNAL_SEARCHED: Final = 1_000
_DEAD_LETTERS_SEARCHED: Final = 100
"""What a page searches for a service; a read in the background searches more."""
_CHANGING_MS: Final = 30_000
"""So long after an event the page asks by itself what became of it."""

ServiceId = Annotated[str, Query(alias="id", max_length=_LONGEST, description="Of the service")]
Typed = Annotated[str, Query(max_length=_LONGEST, description="As a person typed it")]


class ServicePages(Pages):
    """Reads the documents of the pages.

    Attributes:
        search: finds services; a thread that must run.
        reader: reads routers in the background; a thread that must run.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.search = SearchThread(console.store, lambda: console.inventory().sources)
        self.reader = ServiceReader(self._read_routers)
        self.page("/services", self.services, service_views.services, title="Services")
        self.page("/service", self.service, service_views.service, title="Service {service}")

    def services(self, q: Typed = "", router: Typed = "", page: PageNumber = 1) -> Document:
        """A page of the services that are searched, or that a router should serve."""
        store = self.console.store
        ids, more = self._find(q.strip(), router, page)
        stored = store.records.readable(ids)
        records = [found.record for found in stored.values() if found.generation]
        # Purged since the index read them: they are forgotten there too.
        self.search.index.remove(name for name, found in stored.items() if not found.generation)
        listing = ServiceList(store, records)
        of_bss = {"customer": "customer_id", "label": "label"}
        return {
            "q": q,
            "router": router,
            "page": page,
            "more": more,
            "services": [
                listing.document(record)
                | without_empty({field: record.value(name) for field, name in of_bss.items()})
                for record in records
            ],
            "index": {"services": len(self.search.index), "complete": self.search.complete},
        }

    def service(self, service_id: ServiceId, read: Typed = "") -> Document:
        """All that is known of a service; `read=again` reads its routers once more."""
        record, store = self.record(service_id), self.console.store
        view = store.views.service(service_id, _routers(record))
        if view is None:
            raise _unknown(service_id)
        reading, running = self._reading(record, again=read == "again")
        result = self._result(record, view, reading)
        shown = replace(result, view=view)
        read_ms = shown.facts.now_ms if shown.facts and result is reading.result else 0
        return explained_service(view, store, shown) | {
            "customer": record.value("customer_id"),
            "label": record.value("label"),
            "router": record.router,
            "actions": possible_actions(record, to_retry(view)),
            "compared": compared_fields(shown),
            "timeline": timeline_documents(shown),
            "reading": without_empty(
                {
                    "running": running or None,
                    "error": reading.error,
                    "read_at": utc_time(read_ms),
                }
            ),
            "changing": self._is_changing(shown, view),
        }

    def record(self, service_id: str) -> ServiceRecord:
        """The record of a service.

        Raises:
            Refused: `not-found`.
        """
        found = self.console.store.records.readable([service_id]).get(service_id)
        if found is None or not found.generation:
            raise _unknown(service_id)
        return found.record

    def _find(self, text: str, router: str, page: int) -> tuple[list[str], bool]:
        """Ids of a page of services, and whether there are more; a whole id needs no index."""
        start, most = (page - 1) * PAGE_SIZE, PAGE_SIZE + 1
        if router:
            found = self.search.index.of_router(router, start, most)
        else:
            found = self.search.index.find(text, start, most) if text else []
            if page == 1 and text and text not in found:
                found = [*self.console.store.records.known([text]), *found]
        return found[:PAGE_SIZE], len(found) > PAGE_SIZE

    def _reading(self, record: ServiceRecord, *, again: bool) -> tuple[ServiceReading, bool]:
        """What its routers had, as read for this record, and whether they are being read.

        One that is away is read on request.
        """
        found = self.reader.known(record.service_id)
        views = self.console.store.views.routers(_routers(record))
        is_away = any(view.state.state in ("unreachable", "blocked") for view in views)
        if again or not is_away:
            known = found.result
            is_old = known is not None and not (known.error or _is_of(known, record))
            try:
                found = self.reader.look(record.service_id, again=again or is_old)
            except NotPossible as error:
                return ServiceReading(error=str(error)), False
        if found.result is None or found.running:
            return ServiceReading(), found.running
        reading = found.result
        return reading if _is_of(reading, record) else reading._replace(result=None), False

    def _result(
        self, record: ServiceRecord, view: ServiceView, reading: ServiceReading
    ) -> DiagnosisResult:
        if reading.result is not None and view.stored.record == record:
            return reading.result
        by_store = replace(
            self._diagnosis(None),
            journal_searched=_JOURNAL_SEARCHED,
            dead_letters_searched=_DEAD_LETTERS_SEARCHED,
        )
        return by_store.service(record.service_id)

    def _is_changing(self, result: DiagnosisResult, view: ServiceView) -> bool:
        if result.facts is None:
            return False
        newest_ms = max((outcome.event.accepted_at_ms for outcome in view.events), default=0)
        is_new = result.facts.now_ms - newest_ms < _CHANGING_MS
        return bool(result.facts.journaled or (view.stored.record.pending and is_new))

    def _read_routers(self, service_id: str) -> DiagnosisResult:
        observer = RowObserver(self.console.inventory(), self.console.settings)
        return self._diagnosis(observer.look).service(service_id)

    def _diagnosis(self, look: ReadRouters | None) -> Diagnosis:
        installation = self.console.inventory().installation
        return Diagnosis(
            self.console.store,
            self.console.inventory().policies,
            installation,
            lambda ms: utc_time(ms) or "",
            look,
        )


def to_retry(view: ServiceView) -> list[str]:
    """The routers on which a service waits or failed; what the brake holds waits for a person."""
    return [router for router, why in view.waiting.items() if why["reason"] != HELD]


def _routers(record: ServiceRecord) -> list[str]:
    home = [record.row_router] if record.row_router else []
    return list(dict.fromkeys([*record.placements, *home]))


def _is_of(reading: ServiceReading, record: ServiceRecord) -> bool:
    """Whether nothing of the service changed since it was read."""
    result = reading.result
    return result is not None and result.facts is not None and result.facts.record == record


def _unknown(service_id: str) -> Refused:
    detail = f"there is no service {service_id}: search for a part of its id, MAC, IP or label"
    return Refused("not-found", detail)
