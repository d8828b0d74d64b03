"""`GET` of events and services: for the sources of a key, or for all with scope `ops`."""

from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import APIRouter, Path, Query

from gateway.api import openapi
from gateway.api.access import AccessCheck, Caller
from gateway.api.api_keys import KeyScope
from gateway.api.problems import Refused
from gateway.api.responses import Document
from worker.admin.documents import find_events
from worker.admin.service_documents import ServiceList, Sync, history_of, service_document
from worker.core.service.record import ServiceRecord
from worker.store.store import Store

MOST: Final = 500
_HISTORY_PAGE: Final = 25
_STEPS_A_PAGE: Final = 20
"""What a page may cost Redis: with 500 keys a step some 10 ms."""
_LARGEST_CURSOR: Final = 2**64 - 1

ServiceId = Annotated[str, Path(description="The service's id in the BSS")]
Status = Literal["incomplete", "active", "suspended", "cancelled"]


class _Filter(NamedTuple):
    """Which services are listed; None: all.

    Attributes:
        sources: services owned by one of these.
        router: services that have, or may still have, a row on this router.
        status: services with this status.
        sync: services with this sync status.
    """

    sources: frozenset[str] | None
    router: str | None
    status: str | None
    sync: str | None


class StateRoutes(APIRouter):
    """Events, services and their history."""

    def __init__(self, access: AccessCheck, store: Store) -> None:
        needs = access.needs(KeyScope.READ, KeyScope.OPS)
        super().__init__(tags=["state"], dependencies=[needs])
        self._store = store
        one = openapi.responses(None, *openapi.READING)
        for path, route, summary in (
            ("/v1/events/{event_id}", self.event, "Get an event and its outcome"),
            ("/v1/services/{service_id}", self.service, "Get a service"),
            ("/v1/services/{service_id}/events", self.history, "Get the history of a service"),
        ):
            self.get(path, summary=summary, responses=one)(route)
        kinds = [kind for kind in openapi.READING if kind != "not-found"]
        listed = openapi.responses(None, *kinds)
        self.get("/v1/services", summary="List services", responses=listed)(self.services)

    def event(
        self,
        key: Caller,
        event_id: Annotated[str, Path(description="The event's id, as its source set it")],
        source: Annotated[
            str | None, Query(description="The event's source; default: all sources of the key")
        ] = None,
    ) -> Document:
        """An event and its outcome.

        A final state does not change any more; `EventState` says which states are final. Outcomes
        of the last 20 events of a service are kept for 31 days, outcomes of older events and of
        events that changed nothing for an hour, outcomes of rejected events for a day.
        """
        sources = key.sources_to_read(source, all_=KeyScope.OPS in key.scopes)
        found = find_events(self._store, event_id, sources)
        if not found:
            raise Refused("not-found", "no event with this id is known for these sources")
        return found[0]

    def service(self, key: Caller, service_id: ServiceId) -> Document:
        """Registers with the events that set them, routers, and the last events of a service."""
        record = self._store.records.read([service_id])[service_id].record
        view = self._store.views.service(service_id, record.placements)
        found = service_document(view, self._store) if view else None
        if found is None or not (KeyScope.OPS in key.scopes or found.get("owner") in key.sources):
            # The same answer for both: a key must not learn of services of other sources.
            raise Refused("not-found", "no service with this id is known for the key's sources")
        return found

    def history(
        self,
        key: Caller,
        service_id: ServiceId,
        cursor: Annotated[
            str | None, Query(description="`next` of the previous page", pattern=r"^\d{1,6}$")
        ] = None,
    ) -> Document:
        """The history of a service, newest first: its last 50 entries and 20 events.

        Entries that are added between two pages move the pages.
        """
        self.service(key, service_id)  # refuses what the key may not read
        oldest_first = history_of(self._store, service_id)
        entries = [entry.document() for entry in reversed(oldest_first)]
        start = int(cursor or 0)
        page: dict[str, Any] = {
            "service": service_id,
            "history": entries[start : start + _HISTORY_PAGE],
        }
        if start + _HISTORY_PAGE < len(entries):
            page["next"] = str(start + _HISTORY_PAGE)
        return page

    def services(  # noqa: PLR0913, PLR0917 - one for each part of the query
        self,
        key: Caller,
        cursor: Annotated[
            str | None, Query(description="`next` of the previous page", pattern=r"^\d{1,20}$")
        ] = None,
        most: Annotated[
            int, Query(ge=1, le=MOST, description="About how many; a page may have a few more")
        ] = MOST,
        router: Annotated[
            str | None,
            Query(
                max_length=64,
                description="Only services that have, or may still have, a row on this router",
            ),
        ] = None,
        status: Annotated[Status | None, Query(description="Only with this status")] = None,
        sync: Annotated[Sync | None, Query(description="Only with this sync status")] = None,
    ) -> Document:
        """Services that the key's sources own, in short; with scope `ops` of all sources.

        The order is arbitrary. Continue with `cursor` while there is a `next`: a page reads a
        bounded part of the store, so it may be empty and still have a `next`. A service that exists
        all the time is listed at least once, some twice.
        """
        start = int(cursor or 0)
        if start > _LARGEST_CURSOR:
            raise Refused("malformed", "cursor is not a `next` of this list; start without one")
        sources = None if KeyScope.OPS in key.scopes else key.sources
        wanted = _Filter(sources, router, status, sync)
        found, onward = self._list(wanted, start, most)
        page: dict[str, Any] = {"services": found}
        if onward:
            page["next"] = str(onward)
        return page

    def _list(self, wanted: _Filter, cursor: int, most: int) -> tuple[list[Document], int]:
        """A page of services, and the cursor after it; 0: there are no more."""
        found: dict[str, Document] = {}
        for _ in range(_STEPS_A_PAGE):
            stored, cursor = self._store.views.services_from(cursor, most, wanted.router)
            records = [read.record for read in stored if _is_wanted(read.record, wanted)]
            listing = ServiceList(self._store, records)
            for record in records:
                document = listing.document(record) | {"owner": record.owner}
                if wanted.sync in (None, document.get("sync")):
                    found[record.service_id] = document
            if not cursor or len(found) >= most:
                break
        return list(found.values()), cursor


def _is_wanted(record: ServiceRecord, wanted: _Filter) -> bool:
    owned = wanted.sources is None or record.owner in wanted.sources
    return owned and wanted.status in (None, record.status)
