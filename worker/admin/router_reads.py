"""Reads whole routers for people: what would be written, what was changed by hand."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final

from worker.admin.json_fields import clean
from worker.convergence.full_read import FullRead, read_fully
from worker.convergence.safety_checks import other_serial
from worker.errors import RouterBlocked, RouterUnreachable
from worker.inventory import Inventory
from worker.ports import RouterSession
from worker.routeros.sessions import Sessions
from worker.settings import Settings
from worker.store.store import Store

ReadFailure = RouterUnreachable | RouterBlocked
ReadResult = FullRead | ReadFailure

_AT_ONCE: Final = 16
"""Routers read at a time: one that is down costs its connect timeout."""


def read_routers(
    store: Store, inventory: Inventory, settings: Settings, names: Sequence[str]
) -> dict[str, ReadResult]:
    """Read routers, several at once, and plan for them under the policies of the inventory.

    A router whose serial number differs from the one bound to its name gets no plan.
    """
    sessions = Sessions(inventory, settings)
    serials = store.fleet.serials()  # also where there are no routers: Redis must answer

    def read(name: str) -> ReadResult:
        try:
            with closing(sessions.open(name)) as session:
                return read_router(store, inventory, session, name, serials.get(name))
        except (RouterUnreachable, RouterBlocked) as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(names, pool.map(read, names), strict=True))


def read_router(
    store: Store, inventory: Inventory, session: RouterSession, name: str, bound: str | None
) -> FullRead:
    """Read one router over a session, if it is the one that is bound to this name.

    `bound` is the serial number that is bound to the name; None: none yet.

    Raises:
        RouterBlocked: `serial-mismatch`, or as the session does.
        RouterUnreachable: as the session does.
    """
    if bound not in (None, session.serial):
        raise other_serial(name, bound, session.serial)
    policy = inventory.routers[name].policy
    return read_fully(store, session, name, policy.held_in(session.entries))


def errors_of(results: Iterable[ReadResult]) -> list[str]:
    """Why routers could not be read."""
    return [str(result) for result in results if not isinstance(result, FullRead)]


def error_document(router: str, error: ReadFailure) -> dict[str, Any]:
    """A router that could not be read, for programs."""
    if isinstance(error, RouterUnreachable):
        document = {"cause": "unreachable", "message": error.message}
    else:
        document = {"cause": error.cause, "message": error.message, "advice": error.advice}
    return {"router": router, "error": document}


def drift_document(router: str, result: ReadResult) -> dict[str, Any]:
    """What differs on a router from what was written there, for programs."""
    if not isinstance(result, FullRead):
        return error_document(router, result)
    return {
        "router": router,
        "services": result.services,
        "rows": result.rows,
        "pending": len(result.pending),
        "orphans": len(result.row_owners.orphans),
        "drift": [
            {
                "service": difference.service_id,
                "kind": difference.kind,
                "menu": difference.menu,
                "field": difference.field,
                "wanted": clean(difference.wanted),
                "found": clean(difference.found),
                "mendable": difference.mendable,
            }
            for difference in result.drift
        ],
    }
