"""Pages `routers` and `router`, with the plan, the lease table, drift and a check of a router.

What needs a read of the router is read in the background, once for all viewers.
"""

from typing import Annotated, Any, Final

from fastapi import Query

from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console.console import Console
from gateway.console.pages import PageNumber, Pages
from gateway.console.routers import reading_views, router_views
from worker.admin.background_reads import Found
from worker.admin.json_fields import clean, utc_time, without_empty
from worker.admin.lease_documents import WHOSE
from worker.admin.plan_documents import SIGNS
from worker.admin.router_actions import obstacle
from worker.admin.router_checks import state_checks
from worker.admin.router_details import (
    check_document,
    details_document,
    line_documents,
    part_document,
    reading_document,
)
from worker.admin.router_documents import STATES, list_document
from worker.admin.router_reader import Checked, Result, RouterReader, What
from worker.admin.router_reading import RouterReading
from worker.core.full_read.drift import Difference
from worker.errors import NotPossible
from worker.inventory import RouterConfig

_LONGEST: Final = 64

Name = Annotated[str, Query(alias="id", max_length=_LONGEST, description="Name of the router")]
Part = Annotated[str, Query(max_length=_LONGEST, description="Part of what is searched")]


class RouterPages(Pages):
    """Reads the documents of the pages."""

    def __init__(self, console: Console, reader: RouterReader) -> None:
        super().__init__(console)
        self._reader = reader
        self.page("/routers", self.routers, router_views.routers, title="Routers")
        self.page("/router", self.router, router_views.router, title="Router {router}")
        for path, read, view, title in (
            ("plan", self.plan, reading_views.plan, "Plan of router {router}"),
            ("leases", self.leases, reading_views.leases, "Lease table of router {router}"),
            ("drift", self.drift, reading_views.drift, "Drift of router {router}"),
            ("check", self.check, reading_views.check, "Check of router {router}"),
        ):
            self.page(f"/router/{path}", read, view, title=title)

    def routers(
        self,
        find: Part = "",
        state: Annotated[str, Query(max_length=_LONGEST)] = "",
        page: PageNumber = 1,
    ) -> Document:
        """A page of routers, the worst first."""
        if state and state not in STATES:
            raise Refused("malformed", f"state is none of {', '.join(STATES)}")
        return list_document(
            self.console.store, self.console.inventory().routers, clean(find), state, page
        )

    def router(self, name: Name) -> Document:
        """A router: what the store knows of it, and what the last read showed."""
        details = details_document(self.console.store, self.config(name))
        return details | {"reading": reading_document(name, self._look("read", name))}

    def plan(
        self,
        name: Name,
        sign: Annotated[str, Query(max_length=1)] = "",
        page: PageNumber = 1,
    ) -> Document:
        """What would be written to a router now, in lines."""
        if sign and sign not in SIGNS:
            raise Refused("malformed", f"sign is none of {' '.join(SIGNS)}")
        found, reading = self._reading(name)
        lines = reading.lines if reading else ()
        wanted = line_documents([line for line in lines if sign in ("", line.sign)])
        return part_document(name, found, "lines", wanted, page) | {"sign": sign}

    def leases(
        self,
        name: Name,
        whose: Annotated[str, Query(max_length=_LONGEST)] = "",
        find: Part = "",
        page: PageNumber = 1,
    ) -> Document:
        """The lease table of a router, and whose each row is."""
        if whose and whose not in WHOSE:
            raise Refused("malformed", f"whose is none of {', '.join(WHOSE)}")
        found, reading = self._reading(name)
        rows = reading.leases if reading else ()
        part = find.strip().casefold()
        wanted = [
            row for row in rows if whose in ("", row["whose"]) and (not part or _holds(row, part))
        ]
        document = part_document(name, found, "rows", wanted, page)
        return document | {"whose": whose, "find": clean(find)}

    def drift(self, name: Name, page: PageNumber = 1) -> Document:
        """What was changed on a router by hand; of one that was not read, the last report."""
        found, reading = self._reading(name)
        if reading and not reading.error:
            return part_document(name, found, "drift", reading.drift, page)
        report = self.console.store.full_reads.last(name)
        drift = [_reported(row) for row in report.document["drift"]] if report else []
        document = part_document(name, found, "drift", drift, page)
        return document | {"reported_at": utc_time(report.at_ms) if report else None}

    def check(self, name: Name) -> Document:
        """Whether workers can work with a router, and what to do if not."""
        document = check_document(name, self._look("check", name))
        store = self.console.store
        lines = state_checks(lambda: store, name, lambda at_ms: utc_time(at_ms) or "")
        document["workers"] = [
            without_empty({field: clean(text) for field, text in line._asdict().items()})
            for line in lines
        ]
        return document

    def decision(self, name: Name) -> Document:
        """What a pause or its end means now."""
        return details_document(self.console.store, self.config(name))

    def reconcile(self, name: Name, page: PageNumber = 1) -> Document:
        """What `reconcile` would put right, with a digest of it."""
        found, reading = self._reading(name)
        drift = [row for row in reading.drift if row["mendable"]] if reading else []
        document = part_document(name, found, "drift", drift, page)
        if reading:
            document |= {
                "services": len(reading.to_reconcile),
                "left": len(reading.drift) - len(drift),
                "digest": reading.drift_digest,
                "obstacle": obstacle(self.console.store, self.config(name)),
            }
        return document

    def rebuild(self, name: Name, page: PageNumber = 1) -> Document:
        """What an approval to rebuild a router lets workers write, with a digest of it."""
        found, reading = self._reading(name)
        lines = line_documents(reading.lines) if reading else []
        document = part_document(name, found, "lines", lines, page)
        if reading:
            document |= {
                "services": len(reading.to_rebuild),
                "missing": reading.missing,
                "expected": reading.expected,
                "of_others": reading.of_others,
                "digest": reading.plan_digest,
                "obstacle": obstacle(self.console.store, self.config(name)),
            }
        return document

    def config(self, name: str) -> RouterConfig:
        """A router of the inventory.

        Raises:
            Refused: `not-found`.
        """
        found = self.console.inventory().routers.get(name)
        if found is None:
            raise Refused("not-found", "the inventory has no router of this name: see Routers")
        return found

    def _reading(self, name: str) -> tuple[Found[Result], RouterReading | None]:
        found = self._look("read", name)
        return found, found.result if isinstance(found.result, RouterReading) else None

    def _look(self, what: What, name: str) -> Found[Result]:
        self.config(name)
        try:
            return self._reader.look((what, name))
        except NotPossible as error:
            busy = {"cause": "busy", "message": str(error)}
            result: Result = (
                Checked(0, [], str(error)) if what == "check" else RouterReading(error=busy)
            )
            return Found(result, running=False)


def _holds(row: Document, part: str) -> bool:
    fields = ("address", "mac", "duid", "service", "comment")
    return any(part in str(row.get(field, "")).casefold() for field in fields)


def _reported(row: dict[str, Any]) -> dict[str, Any]:
    """A difference of an hourly report, as `leasewire drift --json` has it."""
    difference = Difference(**row)
    fields = {name: clean(value) for name, value in row.items() if name != "service_id"}
    return {"service": difference.service_id, "mendable": difference.mendable} | fields
